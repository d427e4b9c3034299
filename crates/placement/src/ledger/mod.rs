//! The redundancy ledger: how many chunks and files are healthy, at risk, lost, at any moment, and which.
//!
//! Fed with the condition of a chunk whenever that may have changed ([`Ledger::set`], [`Ledger::remove`]); what follows
//! from what is known is judged by [`classify`]. Both are idempotent: to say again what is known changes nothing. What
//! changes for all chunks at once (a node comes or goes) is taken in by a [`Sweep`], which is a recount as well: after one
//! with [`Ledger::set_slice`] the ledger is what a count of all chunks says, whatever was missed before.
//!
//! Guarantees:
//! - counts of chunks, and of files by their worst chunk, are exact at all times, and O(1) to read;
//! - a chunk takes 2 bytes; one that is not healthy about 30 more, and its file, once, about 25;
//! - a page of a listing looks at a bounded number of entries.
//!
//! A slot holds one chunk at a time: a chunk that is set takes the place of an earlier one of its slot, as that one is gone
//! or its id would not have been given out again. So that a late removal of that one takes nothing else away, a chunk is to
//! be removed before the 256th later one of its slot is set.

mod class;
mod counts;
mod dense;
mod facts;
mod files;
mod listing;
mod sweep;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use compact::Memory;
use types::{ChunkId, InodeId};

use self::dense::{Dense, Entry};
use self::files::Files;

pub use class::{Class, Condition, LEFT_MAX, classify};
pub use counts::Counts;
pub use facts::Facts;
pub use listing::{ListedChunk, Page};
pub use sweep::Sweep;

/// What is kept of a chunk that is not healthy.
#[derive(Debug, Clone, Copy)]
struct Unhealthy {
    birth: u32,
    owner: [u32; 2],
}

impl Unhealthy {
    #[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
    const fn new(birth: u32, owner: InodeId) -> Self {
        let owner = owner.as_u64();
        Self {
            birth,
            owner: [(owner >> 32) as u32, owner as u32],
        }
    }

    const fn owner(self) -> InodeId {
        let [high, low] = self.owner;
        InodeId((high as u64) << 32 | low as u64)
    }
}

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    all: Dense,
    /// Chunks that are not healthy, by slot.
    unhealthy: BTreeMap<u32, Unhealthy>,
    files: Files,
    counts: Counts,
}

/// The slot of a chunk, and its birth.
#[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
const fn parts(chunk: ChunkId) -> (u32, u32) {
    (chunk.as_u64() as u32, (chunk.as_u64() >> 32) as u32)
}

fn chunk_of(slot: u32, birth: u32) -> Option<ChunkId> {
    ChunkId::new(u64::from(birth) << 32 | u64::from(slot)).ok()
}

impl Ledger {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A chunk of the file `owner` is in a condition. Answers with the one that it was in; none when it is new.
    pub fn set(
        &mut self,
        now: Duration,
        chunk: ChunkId,
        owner: InodeId,
        condition: Condition,
    ) -> Option<Condition> {
        let (slot, birth) = parts(chunk);
        let before = self.condition(chunk);
        let owner_before = self.unhealthy.get(&slot).copied().map(Unhealthy::owner);
        if before.is_none() {
            self.take(now, slot);
        } else if before == Some(condition) && owner_before.is_none_or(|before| before == owner) {
            return before;
        }
        // What is new is counted before what was is taken back: so, what goes on is not taken for something that begins.
        self.all.set(slot, Entry::new(birth, condition));
        self.counts.add(now, condition);
        if let Some(before) = before {
            self.counts.take(before);
        }
        let unhealthy = (condition != Condition::HEALTHY).then_some(condition);
        match owner_before.filter(|_| before.is_some()) {
            Some(other) if other != owner => {
                self.files.change(now, other, before, None);
                self.files.change(now, owner, None, unhealthy);
            }
            Some(_) => self.files.change(now, owner, before, unhealthy),
            None => self.files.change(now, owner, None, unhealthy),
        }
        match unhealthy {
            Some(_) => self.unhealthy.insert(slot, Unhealthy::new(birth, owner)),
            None => self.unhealthy.remove(&slot),
        };
        before
    }

    /// No file holds a chunk any more. Answers with the condition that it was in; none when it was not known.
    pub fn remove(&mut self, now: Duration, chunk: ChunkId) -> Option<Condition> {
        let (slot, _) = parts(chunk);
        self.condition(chunk)?;
        self.take(now, slot)
    }

    /// The condition of a chunk; none when it is not known.
    #[must_use]
    pub fn condition(&self, chunk: ChunkId) -> Option<Condition> {
        let (slot, birth) = parts(chunk);
        let entry = self.all.get(slot).filter(|entry| entry.is_of(birth))?;
        let other = self
            .unhealthy
            .get(&slot)
            .is_some_and(|unhealthy| unhealthy.birth != birth);
        (!other).then_some(entry.condition())
    }

    /// The condition of a file by its chunks that are not healthy; healthy when none is known. `O(log files)`.
    #[must_use]
    pub fn file(&self, file: InodeId) -> Condition {
        self.files.condition(file).unwrap_or(Condition::HEALTHY)
    }

    /// Takes the conditions of all chunks of some slots, in the order of their slots: what is known beyond that in these
    /// slots is removed.
    pub fn set_slice(
        &mut self,
        now: Duration,
        slots: Range<u64>,
        chunks: impl IntoIterator<Item = (ChunkId, InodeId, Condition)>,
    ) {
        let mut from = slots.start;
        for (chunk, owner, condition) in chunks {
            let slot = u64::from(parts(chunk).0);
            self.clear(now, from..slot);
            self.set(now, chunk, owner, condition);
            from = from.max(slot + 1);
        }
        self.clear(now, from..slots.end);
    }

    fn clear(&mut self, now: Duration, slots: Range<u64>) {
        let mut from = slots.start;
        while let Some(slot) = self.all.next(from..slots.end) {
            self.take(now, slot);
            from = u64::from(slot) + 1;
        }
    }

    /// How many chunks are how.
    #[must_use]
    pub const fn chunks(&self) -> &Counts {
        &self.counts
    }

    /// How many files are how, by their worst chunk. Healthy ones are not among them.
    #[must_use]
    pub const fn files(&self) -> &Counts {
        self.files.counts()
    }

    /// What it takes.
    #[must_use]
    pub fn memory(&self) -> Memory {
        // A node of a B-tree has room for 11 entries, and is filled by two thirds at the least when it is split.
        let unhealthy = self.unhealthy.len() * size_of::<(u32, Unhealthy)>() * 3 / 2;
        Memory {
            payload: self.counts.total() * dense::ENTRY_BYTES,
            slack: self.all.bytes() - self.counts.total() * dense::ENTRY_BYTES,
            overhead: unhealthy as u64 + self.files.bytes(),
        }
    }

    /// Takes out what is in a slot.
    fn take(&mut self, now: Duration, slot: u32) -> Option<Condition> {
        let condition = self.all.remove(slot)?.condition();
        self.counts.take(condition);
        if let Some(unhealthy) = self.unhealthy.remove(&slot) {
            self.files.change(now, unhealthy.owner(), Some(condition), None);
        }
        Some(condition)
    }
}

#[cfg(test)]
mod tests;
