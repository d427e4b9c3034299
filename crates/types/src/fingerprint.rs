//! What a storage holds, in 64 KiB: a sum for each of 4,096 buckets of chunks.
//!
//! The sum of a bucket is the wrapping sum of [`hash`] over the replicas of its chunks, so that it is kept up with one
//! addition for a replica that comes and one subtraction for one that goes, in any order. Two sides that hold the same
//! replicas have equal sums; two that do not have equal sums once in 2^128 by accident. It is no defence against a
//! datanode that lies: one that does can lie in a list as well.
//!
//! Who keeps the sums of very many storages keeps them [`Folded`], in 16 KiB: half of the bits, of two buckets together.

use crate::{ChunkExtent, ChunkId};

/// The number of buckets.
pub const BUCKETS: usize = 4096;

/// The bytes of one sum, little-endian.
pub const SUM_BYTES: usize = 16;

/// The bucket of a chunk: less than [`BUCKETS`].
#[must_use]
pub const fn bucket_of(chunk: ChunkId) -> usize {
    (mix(chunk.as_u64()) >> 52) as usize
}

/// What a replica adds to the sum of its bucket.
#[must_use]
pub const fn hash(extent: ChunkExtent) -> u128 {
    let chunk = mix(extent.chunk.as_u64());
    let generation = mix(chunk ^ extent.generation.as_u64());
    let high = mix(generation ^ extent.len);
    let low = mix(high ^ chunk.rotate_left(32) ^ 0x5851_f42d_4c95_7f2d);
    ((high as u128) << 64) | low as u128
}

/// The finalizer of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), behind its
/// increment, so that 0 is not mapped to itself.
const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The sums of one storage.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint(Box<[u128]>);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(vec![0; BUCKETS].into_boxed_slice())
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let filled = self.0.iter().filter(|sum| **sum != 0).count();
        write!(f, "Fingerprint({filled} buckets)")
    }
}

impl Fingerprint {
    /// A replica has come.
    pub fn add(&mut self, extent: ChunkExtent) {
        if let Some(sum) = self.0.get_mut(bucket_of(extent.chunk)) {
            *sum = sum.wrapping_add(hash(extent));
        }
    }

    /// A replica has gone.
    pub fn remove(&mut self, extent: ChunkExtent) {
        if let Some(sum) = self.0.get_mut(bucket_of(extent.chunk)) {
            *sum = sum.wrapping_sub(hash(extent));
        }
    }

    /// The buckets in which two differ.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<u32> {
        let pairs = (0..).zip(self.0.iter().zip(&other.0));
        pairs
            .filter(|(_, (a, b))| a != b)
            .map(|(bucket, _)| bucket)
            .collect()
    }

    /// As it goes over the wire: [`BUCKETS`] × [`SUM_BYTES`] bytes, or none when nothing is in it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        if self.0.iter().all(|sum| *sum == 0) {
            return Vec::new();
        }
        self.0.iter().flat_map(|sum| sum.to_le_bytes()).collect()
    }

    /// The opposite; none when the length is neither of the two.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        if bytes.len() != BUCKETS * SUM_BYTES {
            return None;
        }
        let (sums, _) = bytes.as_chunks::<SUM_BYTES>();
        Some(Self(sums.iter().map(|sum| u128::from_le_bytes(*sum)).collect()))
    }
}

/// Buckets that share a sum in [`Folded`]. Divides [`BUCKETS`].
const FOLD: usize = 2;

/// A [`Fingerprint`] in a quarter of its memory: the lower halves of its sums, those of two buckets that follow each other
/// added up. Sums wrap, so that it is kept up like the whole one. Equal by accident once in 2^64; and of two buckets it can
/// not tell which one differs.
#[derive(Clone, PartialEq, Eq)]
pub struct Folded(Box<[u64]>);

impl Default for Folded {
    fn default() -> Self {
        Self(vec![0; BUCKETS / FOLD].into_boxed_slice())
    }
}

impl std::fmt::Debug for Folded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let filled = self.0.iter().filter(|sum| **sum != 0).count();
        write!(f, "Folded({filled} sums)")
    }
}

impl From<&Fingerprint> for Folded {
    fn from(whole: &Fingerprint) -> Self {
        Self(fold(whole).collect())
    }
}

fn fold(whole: &Fingerprint) -> impl Iterator<Item = u64> {
    let add = |all: u64, sum: &u128| all.wrapping_add(lower(*sum));
    whole
        .0
        .chunks_exact(FOLD)
        .map(move |sums| sums.iter().fold(0, add))
}

impl Folded {
    /// The memory of one.
    pub const BYTES: usize = BUCKETS / FOLD * size_of::<u64>();

    /// A replica has come.
    pub fn add(&mut self, extent: ChunkExtent) {
        if let Some(sum) = self.0.get_mut(bucket_of(extent.chunk) / FOLD) {
            *sum = sum.wrapping_add(lower(hash(extent)));
        }
    }

    /// A replica has gone.
    pub fn remove(&mut self, extent: ChunkExtent) {
        if let Some(sum) = self.0.get_mut(bucket_of(extent.chunk) / FOLD) {
            *sum = sum.wrapping_sub(lower(hash(extent)));
        }
    }

    /// The buckets in which something else may be than in `whole`: all that share a sum, where that differs.
    #[must_use]
    pub fn differing(&self, whole: &Fingerprint) -> Vec<u32> {
        let pairs = self.0.iter().zip(fold(whole));
        (0..)
            .zip(pairs.flat_map(|(a, b)| [*a != b; FOLD]))
            .filter(|(_, differs)| *differs)
            .map(|(bucket, _)| bucket)
            .collect()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
const fn lower(sum: u128) -> u64 {
    sum as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Generation;

    fn extent(chunk: u64, generation: u64, len: u64) -> ChunkExtent {
        ChunkExtent {
            chunk: ChunkId::new(chunk).unwrap(),
            generation: Generation(generation),
            len,
        }
    }

    #[test]
    fn golden() {
        // On the wire between versions: these never change.
        assert_eq!(bucket_of(ChunkId::new(1).unwrap()), GOLDEN_BUCKET);
        assert_eq!(hash(extent(1, 1, 64 << 20)), GOLDEN_HASH);
    }
    const GOLDEN_BUCKET: usize = 2320;
    const GOLDEN_HASH: u128 = 0x96d2_0c4a_68fc_14c7_5b2d_dc47_6fe6_00b6;

    #[test]
    fn order_does_not_matter_and_each_field_does() {
        let (mut a, mut b) = (Fingerprint::default(), Fingerprint::default());
        for chunk in 1..1_000 {
            a.add(extent(chunk, 1, chunk * 7));
            b.add(extent(1_000 - chunk, 1, (1_000 - chunk) * 7));
        }
        assert_eq!(a, b);
        for (old, new) in [
            ((5, 1, 35), (5, 2, 35)),
            ((5, 1, 35), (5, 1, 36)),
            ((5, 1, 35), (6, 1, 35)),
        ] {
            let mut c = a.clone();
            c.remove(extent(old.0, old.1, old.2));
            c.add(extent(new.0, new.1, new.2));
            assert!(!a.differing(&c).is_empty());
            c.remove(extent(new.0, new.1, new.2));
            c.add(extent(old.0, old.1, old.2));
            assert!(a.differing(&c).is_empty());
        }
    }

    #[test]
    fn folded_it_finds_what_the_whole_one_finds() {
        let (mut whole, mut folded) = (Fingerprint::default(), Folded::default());
        assert!(folded.differing(&whole).is_empty());
        for chunk in 1..20_000 {
            whole.add(extent(chunk, 1, chunk * 7));
            folded.add(extent(chunk, 1, chunk * 7));
        }
        for chunk in 1..1_000 {
            whole.remove(extent(chunk, 1, chunk * 7));
            folded.remove(extent(chunk, 1, chunk * 7));
        }
        assert_eq!(Folded::from(&whole), folded);
        let mut other = whole.clone();
        for (chunk, len) in [(5_000, 1), (6_000, 2), (30_000, 3)] {
            other.add(extent(chunk, 1, len));
            let exact = whole.differing(&other);
            let mut pairs: Vec<u32> = exact
                .iter()
                .flat_map(|bucket| [bucket & !1, bucket | 1])
                .collect();
            pairs.dedup();
            assert_eq!(folded.differing(&other), pairs);
        }
        assert_eq!(Folded::BYTES, 16 << 10);
        assert_eq!(size_of_val(&*folded.0), Folded::BYTES);
    }

    #[test]
    fn over_the_wire() {
        let mut sums = Fingerprint::default();
        assert_eq!(Fingerprint::from_bytes(&sums.to_bytes()), Some(sums.clone()));
        sums.add(extent(9, 9, 9));
        assert_eq!(sums.to_bytes().len(), 64 << 10);
        assert_eq!(Fingerprint::from_bytes(&sums.to_bytes()), Some(sums));
        assert_eq!(Fingerprint::from_bytes(&[0; 17]), None);
    }

    #[test]
    fn buckets_fill_evenly() {
        let mut filled = vec![0u32; BUCKETS];
        for chunk in 1..=(BUCKETS as u64 * 100) {
            // As ids are given out: a birth number above a slot.
            filled[bucket_of(ChunkId::new(chunk << 3 | 1 << 40).unwrap())] += 1;
        }
        assert!(filled.iter().all(|&n| (40..200).contains(&n)));
    }
}
