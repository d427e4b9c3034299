//! Front-coded blocks: sorted keys with a number each, of which every key is written without what it shares with the one
//! before it.
//!
//! ```text
//! entry:  shared 1 | length 1 | value 4 | suffix         key = first `shared` bytes of the key before ‖ suffix
//! ```
//!
//! Invariants (of each block that is in a tree; of bytes that are loaded they are checked):
//! - keys rise, and have at least the 4 bytes of a parent;
//! - `shared` is all that a key has in common with the one before it, but 255 at most; the first key shares nothing. So the
//!   bytes are a function of the entries, and a search need not put keys together;
//! - `length` counts the bytes of the suffix that belong to the name: the whole name when the suffix begins within the
//!   parent. So it fits into a byte.
//!
//! A block is never changed: each change makes another one.

use super::key::{Key, PARENT_BYTES, common};

const HEAD_BYTES: usize = 6;
/// The most that `shared` can say.
pub(super) const SHARED_MAX: usize = 255;

/// An entry as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) shared: usize,
    pub(super) value: u32,
    pub(super) suffix: &'a [u8],
}

impl<'a> Entry<'a> {
    /// A key after one with which it has its first `matched` bytes in common.
    #[inline]
    pub(super) fn after(matched: usize, key: &'a [u8], value: u32) -> Self {
        let shared = matched.min(SHARED_MAX);
        Self {
            shared,
            value,
            suffix: key.get(shared..).unwrap_or_default(),
        }
    }

    /// The first entry, and what follows it.
    #[inline]
    pub(super) fn split(block: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let ([shared, len, a, b, c, d], rest) = block.split_first_chunk::<HEAD_BYTES>()?;
        let shared = usize::from(*shared);
        let (suffix, rest) =
            rest.split_at_checked(usize::from(*len) + PARENT_BYTES.saturating_sub(shared))?;
        let value = u32::from_le_bytes([*a, *b, *c, *d]);
        Some((
            Self {
                shared,
                value,
                suffix,
            },
            rest,
        ))
    }

    /// How long it is when written.
    #[inline]
    pub(super) fn bytes(self) -> usize {
        HEAD_BYTES + self.suffix.len()
    }

    #[inline]
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let len = self.suffix.len() - PARENT_BYTES.saturating_sub(self.shared).min(self.suffix.len());
        let byte = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
        out.extend_from_slice(&[byte(self.shared), byte(len)]);
        out.extend_from_slice(&self.value.to_le_bytes());
        out.extend_from_slice(self.suffix);
    }
}

/// The first entry of a block that is not below a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    /// Where it begins; the length of the block when there is none.
    pub(super) at: usize,
    /// How many entries are before it.
    pub(super) index: usize,
    /// How many bytes the key has in common with the entry before it.
    matched: usize,
    /// Its value, when it has the very key.
    pub(super) found: Option<u32>,
}

/// Finds a key in a block, or where it would be.
#[inline]
pub(super) fn search(block: &[u8], key: &[u8]) -> Spot {
    let mut spot = Spot {
        at: 0,
        index: 0,
        matched: 0,
        found: None,
    };
    let mut rest = block;
    while let Some((entry, next)) = Entry::split(rest) {
        // What is beyond the most that `shared` can say is in the suffix.
        let matched = if entry.shared == SHARED_MAX {
            spot.matched.min(SHARED_MAX)
        } else {
            spot.matched
        };
        if entry.shared < matched {
            return spot;
        }
        if entry.shared == matched {
            let ours = key.get(matched..).unwrap_or_default();
            let same = common(entry.suffix, ours);
            match (entry.suffix.get(same), ours.get(same)) {
                (None, None) => {
                    spot.found = Some(entry.value);
                    return spot;
                }
                (Some(_), None) => return spot,
                (Some(theirs), Some(ours)) if theirs > ours => return spot,
                _ => spot.matched = matched + same,
            }
        }
        spot.at += entry.bytes();
        spot.index += 1;
        rest = next;
    }
    spot
}

/// Puts a key at its spot, or another value to it if it is there.
pub(super) fn insert(block: &[u8], spot: Spot, key: &[u8], value: u32) -> Vec<u8> {
    let (before, rest) = block.split_at_checked(spot.at).unwrap_or((block, &[]));
    let mut out = Vec::with_capacity(block.len() + 2 * HEAD_BYTES + key.len());
    out.extend_from_slice(before);
    let new = Entry::after(spot.matched, key, value);
    new.write(&mut out);
    let Some((next, after)) = Entry::split(rest) else {
        return out;
    };
    if spot.found.is_some() {
        out.extend_from_slice(after);
    } else if next.shared < new.shared {
        // It differs from the key where it differs from the one before both.
        out.extend_from_slice(rest);
    } else {
        let more = common(next.suffix, new.suffix).min(SHARED_MAX - next.shared);
        let suffix = next.suffix.get(more..).unwrap_or_default();
        let shared = next.shared + more;
        Entry {
            shared,
            suffix,
            ..next
        }
        .write(&mut out);
        out.extend_from_slice(after);
    }
    out
}

/// Takes the entry at an offset away.
pub(super) fn remove(block: &[u8], at: usize) -> Vec<u8> {
    let (before, rest) = block.split_at_checked(at).unwrap_or((block, &[]));
    let mut out = Vec::with_capacity(block.len());
    out.extend_from_slice(before);
    let Some((gone, rest)) = Entry::split(rest) else {
        return out;
    };
    match Entry::split(rest) {
        Some((next, after)) if next.shared > gone.shared => {
            // What it shared with the one that goes, but not with the one before, it must bring itself.
            let mut suffix = Vec::with_capacity(next.shared + next.suffix.len());
            let lost = gone.suffix.get(..next.shared - gone.shared);
            suffix.extend_from_slice(lost.unwrap_or_default());
            suffix.extend_from_slice(next.suffix);
            let (shared, value, suffix) = (gone.shared, next.value, suffix.as_slice());
            Entry {
                shared,
                value,
                suffix,
            }
            .write(&mut out);
            out.extend_from_slice(after);
        }
        _ => out.extend_from_slice(rest),
    }
    out
}

/// Reads a block key by key.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    pub(super) key: Key,
    pub(super) value: u32,
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(block: &'a [u8]) -> Self {
        Self {
            key: Key::new(),
            value: 0,
            rest: block,
        }
    }

    /// Goes on to the next entry, which becomes the current one.
    #[inline]
    pub(super) fn advance(&mut self) -> Option<Entry<'a>> {
        let (entry, rest) = Entry::split(self.rest)?;
        self.key.replace(entry.shared, entry.suffix)?;
        self.value = entry.value;
        self.rest = rest;
        Some(entry)
    }

    /// The next entry.
    #[inline]
    pub(super) fn peek(&self) -> Option<Entry<'a>> {
        Entry::split(self.rest).map(|(entry, _)| entry)
    }

    /// Another block, which begins with a whole key.
    pub(super) fn continue_in(&mut self, block: &'a [u8]) {
        self.rest = block;
    }
}

/// The last key of a block.
pub(super) fn last(block: &[u8]) -> Key {
    let mut cursor = Cursor::new(block);
    while cursor.advance().is_some() {}
    cursor.key
}

/// A block cut in two.
pub(super) struct Cut {
    pub(super) left: Vec<u8>,
    /// The last key of the left part.
    pub(super) below: Key,
    pub(super) right: Vec<u8>,
    /// The first key of the right part.
    pub(super) first: Key,
}

/// Cuts a block before the first entry that begins at or after an offset. None when nothing would be on one side.
pub(super) fn cut(block: &[u8], offset: usize) -> Option<Cut> {
    let mut cursor = Cursor::new(block);
    let mut at = 0;
    while at < offset || at == 0 {
        at += cursor.advance()?.bytes();
    }
    let below = cursor.key.clone();
    cursor.advance()?;
    let mut right = Vec::with_capacity(block.len() - at + SHARED_MAX);
    Entry::after(0, cursor.key.bytes(), cursor.value).write(&mut right);
    right.extend_from_slice(cursor.rest);
    Some(Cut {
        left: block.get(..at)?.to_vec(),
        below,
        right,
        first: cursor.key,
    })
}

/// Puts a block behind another one, all of whose keys are lower.
pub(super) fn join(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(left.len() + right.len());
    out.extend_from_slice(left);
    if let Some((first, rest)) = Entry::split(right) {
        let matched = common(last(left).bytes(), first.suffix);
        Entry::after(matched, first.suffix, first.value).write(&mut out);
        out.extend_from_slice(rest);
    }
    out
}

/// Whether `entry` may follow the entry with the key `before`, in the same block.
#[inline]
pub(super) fn follows(before: &[u8], entry: Entry<'_>) -> bool {
    match before.get(entry.shared..) {
        None => false,
        Some(rest) if entry.shared == SHARED_MAX => entry.suffix > rest,
        // Not one byte more in common than it says, and above.
        Some(rest) => entry.suffix.first() > rest.first(),
    }
}
