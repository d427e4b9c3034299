//! Inodes and chunks as records of fixed size.
//!
//! ```text
//! inode   0..4    slot of the directory that it is in; 0: in none (unpublished, or detached by a recursive delete)
//!         4..7    number of its set of attributes
//!         7       flags
//!         8..12   directory: how many entries it has
//!                 file: the slot of its only committed chunk, or with MANY the handle of their list; 0: no chunk
//!        12..18   time of the last change to the contents, in milliseconds
//!        18..24   directory: time of the last read
//!                 file: committed bytes
//!        24..27   file: how many milliseconds before the last change the last read was
//!
//! chunk   0..4    slot of the file that holds it
//!         4..8    generation in force
//!         8..12   committed: its length; being written: the length that is acknowledged, with the top bit set
//! ```
//! What does not fit (times far apart, files of 2^48 bytes) is kept beside the table; a flag says so.

use compact::{Fields, FieldsMut, Record};

/// It is a directory.
pub(crate) const DIRECTORY: u8 = 1;
/// It is a file with more than one committed chunk.
pub(crate) const MANY: u8 = 1 << 1;
/// It is a file that somebody writes.
pub(crate) const WRITTEN: u8 = 1 << 2;
/// Its times are kept beside the table.
pub(crate) const ODD_TIMES: u8 = 1 << 3;
/// Its length is kept beside the table.
pub(crate) const ODD_LEN: u8 = 1 << 4;

/// Numbers of 48 bits are below this.
pub(crate) const U48_END: u64 = 1 << 48;
/// Numbers of 24 bits are below this.
pub(crate) const U24_END: u64 = 1 << 24;

/// See the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InodeRecord {
    pub(crate) parent: u32,
    /// Below [`U24_END`].
    pub(crate) attributes: u32,
    pub(crate) flags: u8,
    pub(crate) first: u32,
    /// Below [`U48_END`].
    pub(crate) mtime: u64,
    /// Below [`U48_END`].
    pub(crate) wide: u64,
    /// Below [`U24_END`].
    pub(crate) lag: u32,
}

impl InodeRecord {
    pub(crate) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) const fn put(&mut self, flag: u8, on: bool) {
        if on {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
    }
}

impl Record for InodeRecord {
    const BYTES: usize = 27;

    #[inline]
    fn write(&self, mut to: FieldsMut<'_>) {
        to.u32(self.parent);
        u24(&mut to, self.attributes);
        to.u8(self.flags);
        to.u32(self.first);
        to.u48(self.mtime);
        to.u48(self.wide);
        u24(&mut to, self.lag);
    }

    #[inline]
    fn read(mut from: Fields<'_>) -> Self {
        Self {
            parent: from.u32(),
            attributes: read_u24(&mut from),
            flags: from.u8(),
            first: from.u32(),
            mtime: from.u48(),
            wide: from.u48(),
            lag: read_u24(&mut from),
        }
    }
}

#[inline]
fn u24(to: &mut FieldsMut<'_>, value: u32) {
    let [a, b, c, _] = value.to_le_bytes();
    to.bytes([a, b, c]);
}

#[inline]
fn read_u24(from: &mut Fields<'_>) -> u32 {
    let [a, b, c] = from.bytes();
    u32::from_le_bytes([a, b, c, 0])
}

/// In [`ChunkRecord::state`]: it is being written.
pub(crate) const BEING_WRITTEN: u32 = 1 << 31;

/// See the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkRecord {
    pub(crate) owner: u32,
    pub(crate) generation: u32,
    pub(crate) state: u32,
}

impl Record for ChunkRecord {
    const BYTES: usize = 12;

    #[inline]
    fn write(&self, mut to: FieldsMut<'_>) {
        to.u32(self.owner);
        to.u32(self.generation);
        to.u32(self.state);
    }

    #[inline]
    fn read(mut from: Fields<'_>) -> Self {
        Self {
            owner: from.u32(),
            generation: from.u32(),
            state: from.u32(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_inode_is_read_as_it_was_written(
            (parent, attributes, flags, first) in (any::<u32>(), 0u32..1 << 24, any::<u8>(), any::<u32>()),
            (mtime, wide, lag) in (0u64..1 << 48, 0u64..1 << 48, 0u32..1 << 24),
        ) {
            let record = InodeRecord { parent, attributes, flags, first, mtime, wide, lag };
            let mut bytes = [0xff; InodeRecord::BYTES];
            record.write(FieldsMut::new(&mut bytes));
            prop_assert_eq!(InodeRecord::read(Fields::new(&bytes)), record);
        }

        #[test]
        fn a_chunk_is_read_as_it_was_written(owner: u32, generation: u32, state: u32) {
            let record = ChunkRecord { owner, generation, state };
            let mut bytes = [0xff; ChunkRecord::BYTES];
            record.write(FieldsMut::new(&mut bytes));
            prop_assert_eq!(ChunkRecord::read(Fields::new(&bytes)), record);
        }
    }
}
