//! When replicas were last read again from disk and found good.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

use types::ChunkId;

/// Marks that are kept. Those that were made first go first.
pub(super) const MARKS_MAX: usize = 64 << 10;

/// The replicas that were verified lately. Sparse: of most, nothing is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Verified {
    marks: BTreeMap<(ChunkId, usize), Duration>,
    /// The marks in the order in which they were made; those that were made anew or taken back are here too.
    order: VecDeque<(Duration, ChunkId, usize)>,
}

impl Verified {
    pub(super) fn mark(&mut self, now: Duration, chunk: ChunkId, storage: usize) {
        self.marks.insert((chunk, storage), now);
        self.order.push_back((now, chunk, storage));
        while self.order.len() > MARKS_MAX {
            if let Some((at, chunk, storage)) = self.order.pop_front()
                && self.marks.get(&(chunk, storage)) == Some(&at)
            {
                self.marks.remove(&(chunk, storage));
            }
        }
    }

    pub(super) fn at(&self, chunk: ChunkId, storage: usize) -> Option<Duration> {
        self.marks.get(&(chunk, storage)).copied()
    }

    pub(super) fn take_back(&mut self, chunk: ChunkId, storage: usize) {
        if !self.marks.is_empty() {
            self.marks.remove(&(chunk, storage));
        }
    }

    /// Takes back all marks of a storage: a look at every mark.
    pub(super) fn take_back_all(&mut self, storage: usize) {
        self.marks.retain(|(_, other), _| *other != storage);
    }

    pub(super) fn bytes(&self) -> usize {
        self.order.capacity() * size_of::<(Duration, ChunkId, usize)>()
            + self.marks.len() * size_of::<((ChunkId, usize), Duration)>() * 3 / 2
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }
}
