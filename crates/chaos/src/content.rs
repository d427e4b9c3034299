//! What is in a file: pieces, each of bytes that follow from a number alone.
//!
//! Nobody keeps the bytes of a file to compare them later: the list of its pieces is enough. The bytes of one piece differ from
//! those of every other one at every word, so that a wrong generation, a wrong chunk, a shifted or a stale byte is seen.

/// Odd, with its bits well spread (2^64 divided by the golden ratio).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const WORD: u64 = 8;

/// Some bytes: the first `len` of the endless sequence of `tag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Piece {
    /// Which sequence.
    pub tag: u64,
    /// How much of it.
    pub len: u64,
}

/// All bytes of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Content(Vec<Piece>);

impl Piece {
    /// Fills `bytes` with those at `offset`.
    pub fn fill(self, offset: u64, bytes: &mut [u8]) {
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let within = usize::try_from(at % WORD).unwrap_or(0);
            let word = word(self.tag, at / WORD).to_le_bytes();
            let part = word.get(within..).unwrap_or_default();
            let count = part.len().min(rest.len());
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(part.get(..count).unwrap_or_default());
            rest = later;
            at += count as u64;
        }
    }
}

impl Content {
    /// No bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// One piece.
    #[must_use]
    pub fn of(tag: u64, len: u64) -> Self {
        let mut content = Self::empty();
        content.push(tag, len);
        content
    }

    /// Adds a piece behind the others. One of no bytes may grow later.
    pub fn push(&mut self, tag: u64, len: u64) {
        self.0.push(Piece { tag, len });
    }

    /// Makes the last piece longer.
    pub fn grow(&mut self, more: u64) {
        if let Some(last) = self.0.last_mut() {
            last.len += more;
        }
    }

    /// Adds all of another one.
    pub fn join(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// Leaves only the first `len` bytes.
    pub fn cut(&mut self, len: u64) {
        let mut left = len;
        self.0.retain_mut(|piece| {
            piece.len = piece.len.min(left);
            left -= piece.len;
            piece.len > 0
        });
    }

    /// How many bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(|piece| piece.len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of `range`, as far as there are any.
    #[must_use]
    pub fn bytes(&self, range: std::ops::Range<u64>) -> Vec<u8> {
        let end = range.end.min(self.len());
        let len = usize::try_from(end.saturating_sub(range.start)).unwrap_or(0);
        let mut bytes = vec![0; len];
        self.fill(range.start, &mut bytes);
        bytes
    }

    /// Where `bytes`, which were read at `offset`, are not those of this content; behind its end nothing is right.
    #[must_use]
    pub fn difference(&self, offset: u64, bytes: &[u8]) -> Option<u64> {
        let mut found = None;
        let mut at = offset;
        let mut expected = vec![0; bytes.len().min(64 << 10)];
        for part in bytes.chunks(expected.len().max(1)) {
            let known = self.len().saturating_sub(at);
            let comparable = part.len().min(usize::try_from(known).unwrap_or(usize::MAX));
            let expected = expected.get_mut(..comparable).unwrap_or_default();
            self.fill(at, expected);
            let part_known = part.get(..comparable).unwrap_or_default();
            if expected != part_known {
                let wrong = part_known
                    .iter()
                    .zip(&*expected)
                    .position(|(is, should)| is != should);
                found = wrong.map(|wrong| at + wrong as u64);
                break;
            }
            if comparable < part.len() {
                found = Some(at + comparable as u64);
                break;
            }
            at += part.len() as u64;
        }
        found
    }

    /// Whether `other` is this one, or this one with more behind it.
    #[must_use]
    pub fn begins(&self, other: &Self) -> bool {
        let Some((last, before)) = self.0.split_last() else {
            return true;
        };
        let same = other.0.get(..before.len()) == Some(before);
        let theirs = other.0.get(before.len());
        let longer = theirs.is_some_and(|theirs| {
            let goes_on = other.0.len() > self.0.len();
            theirs.tag == last.tag && (theirs.len == last.len || (theirs.len > last.len && !goes_on))
        });
        same && (longer || (last.len == 0 && other.0.len() == before.len()))
    }

    /// Fills `bytes` with those at `offset`, as far as there are any.
    fn fill(&self, offset: u64, bytes: &mut [u8]) {
        let mut start = 0;
        let mut at = offset;
        let mut rest = bytes;
        for piece in &self.0 {
            let end = start + piece.len;
            if at < end && !rest.is_empty() {
                let here = usize::try_from(end - at).unwrap_or(usize::MAX).min(rest.len());
                let (now, later) = rest.split_at_mut(here);
                piece.fill(at - start, now);
                rest = later;
                at += here as u64;
            }
            start = end;
        }
    }
}

const fn word(tag: u64, number: u64) -> u64 {
    let mut bits = tag ^ number.wrapping_add(1).wrapping_mul(SPREAD);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A number of its own for each `number` of a run.
#[must_use]
pub const fn tag(seed: u64, number: u64) -> u64 {
    word(seed ^ 0x6368_616f_7300_0000, number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contents() -> impl Strategy<Value = Content> {
        prop::collection::vec((any::<u64>(), 0..300_u64), 0..5)
            .prop_map(|pieces| Content(pieces.into_iter().map(|(tag, len)| Piece { tag, len }).collect()))
    }

    proptest! {
        #[test]
        fn any_part_is_that_part_of_the_whole(content in contents(), from in 0..1500_usize, len in 0..1500_usize) {
            let whole = content.bytes(0..u64::MAX);
            prop_assert_eq!(whole.len() as u64, content.len());
            let part = content.bytes(from as u64..(from + len) as u64);
            let start = whole.len().min(from);
            let end = whole.len().min(from + len);
            prop_assert_eq!(&part, &whole[start..end]);
            prop_assert_eq!(content.difference(from as u64, &part), None);
        }

        #[test]
        fn every_wrong_byte_is_found(content in contents(), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
            let mut bytes = content.bytes(0..u64::MAX);
            prop_assume!(!bytes.is_empty());
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert_eq!(content.difference(0, &bytes), Some(at as u64));
        }

        #[test]
        fn what_is_cut_off_is_gone(content in contents(), len in 0..1500_u64) {
            let mut cut = content.clone();
            cut.cut(len);
            prop_assert_eq!(cut.bytes(0..u64::MAX), content.bytes(0..len));
        }
    }

    #[test]
    fn bytes_behind_the_end_are_wrong() {
        let content = Content::of(1, 10);
        assert_eq!(content.difference(0, &content.bytes(0..10)), None);
        assert_eq!(content.difference(10, &[1]), Some(10));
        let mut longer = content.bytes(0..10);
        longer.push(7);
        assert_eq!(content.difference(0, &longer), Some(10));
    }

    #[test]
    fn pieces_do_not_resemble_each_other() {
        let one = Content::of(tag(1, 1), 4096).bytes(0..4096);
        for other in [tag(1, 2), tag(2, 1)] {
            let other = Content::of(other, 4096).bytes(0..4096);
            let equal = one.iter().zip(&other).filter(|(a, b)| a == b).count();
            assert!(equal < 64, "{equal} of 4096 bytes are equal");
        }
    }
}
