//! What a table takes, by part.

/// The allocator's head of a block.
pub(crate) const BLOCK_BYTES: usize = 8;
/// The head of a block that is shared: two counts of references.
pub(crate) const SHARED_BYTES: usize = 16;

/// Bytes of memory that a table takes on the heap, by part. Counted as they are asked for from the allocator, with 8 bytes
/// more for each block, which is what the common allocators take at least.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Live entries: records, items, or names with their values.
    pub payload: u64,
    /// Room in pages that no entry takes.
    pub slack: u64,
    /// The way to the pages and the heads of pages and blocks.
    pub overhead: u64,
}

impl Memory {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.payload + self.slack + self.overhead
    }
}

impl std::ops::Add for Memory {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            payload: self.payload + other.payload,
            slack: self.slack + other.slack,
            overhead: self.overhead + other.overhead,
        }
    }
}

impl std::iter::Sum for Memory {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), std::ops::Add::add)
    }
}
