//! How many bytes the state takes, by part.

use crate::Namespace;

/// Bytes of memory on the heap, by part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Inodes.
    pub inodes: compact::Memory,
    /// Names, with those of directories that are kept by directory.
    pub names: compact::Memory,
    /// Chunks.
    pub chunks: compact::Memory,
    /// Lists of chunks, of files that have more than one.
    pub lists: compact::Memory,
    /// What is rare or bounded: sets of attributes, writers, leases, odd times, answers to recent calls. Estimated.
    pub others: u64,
}

impl Memory {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.inodes.total() + self.names.total() + self.chunks.total() + self.lists.total() + self.others
    }
}

/// What an entry of each kind takes about, with its share of a map's nodes.
const ATTRIBUTES_BYTES: usize = 256;
const WRITER_BYTES: usize = 384;
const ODD_BYTES: usize = 48;
const ANSWER_BYTES: usize = 512;

impl Namespace {
    /// How many bytes the state takes. Pages that are shared with clones are counted as if they were not.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let (tree, chunks) = (&self.files.tree, &self.files.chunks);
        let others = tree.attributes.len() * ATTRIBUTES_BYTES
            + tree.writers.len() * WRITER_BYTES
            + (tree.odd.count() + chunks.pending.len()) * ODD_BYTES
            + self.retries.len() * ANSWER_BYTES;
        Memory {
            inodes: tree.inodes.memory(),
            names: tree.names.memory() + tree.own_names.memory(),
            chunks: chunks.table.memory(),
            lists: tree.lists.memory(),
            others: others as u64,
        }
    }
}
