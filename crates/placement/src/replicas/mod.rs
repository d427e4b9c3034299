//! Who has which chunk, in which version.
//!
//! Fed by what datanodes report: changes at once ([`ReplicaMap::received`], `deleted`, `corrupt`) and everything a storage
//! has from time to time ([`ReplicaMap::report`]). What the chunks *should* be is not known here: the caller says it
//! ([`Expected`], [`ChunkFate`]) when it asks.
//!
//! A chunk takes about 15 bytes with up to three replicas (see `table`). There is no index from storages to chunks: what
//! a storage has is found by a look at every chunk, a few nanoseconds for each.
//!
//! Invariants:
//! - a storage has at most one replica of a chunk; what is counted of storages and chunks is what there is;
//! - a report removes only what it can be sure of. The snapshot behind a report may have been taken before a change that
//!   arrived earlier than the report. So a replica that was received since the last report of its storage survives one
//!   report that does not have it, but not two;
//! - a replica that was found corrupt stays so until it is received anew, or deleted: reports do not look at the bytes.

mod judge;
mod report;
mod several;
mod storages;
mod table;

use compact::Memory;
use types::{ChunkExtent, ChunkId, Generation, StorageId};

use self::storages::Storages;
use self::table::{Held, Table};

pub use judge::{ChunkFate, Excess, Expected, Standing};
pub use report::ReportSummary;
pub use several::{Replicas, ReplicasIntoIter};

/// What is known of the bytes of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplicaState {
    /// On disk under its final name; nothing bad is known.
    Finalized,
    /// A reader, or the datanode, found that its bytes are not those that were written.
    Corrupt,
}

/// One replica of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replica {
    /// Where.
    pub storage: StorageId,
    /// In which version.
    pub generation: Generation,
    /// Its length in bytes.
    pub len: u64,
    /// What is known of its bytes.
    pub state: ReplicaState,
}

/// All replicas.
#[derive(Debug, Clone, Default)]
pub struct ReplicaMap {
    table: Table,
    storages: Storages,
}

impl ReplicaMap {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The replicas of a chunk, good and bad.
    #[must_use]
    pub fn replicas(&self, chunk: ChunkId) -> Replicas {
        let held = self.table.load(chunk);
        Replicas::of(held.into_iter().filter_map(|held| {
            let state = match held.corrupt {
                true => ReplicaState::Corrupt,
                false => ReplicaState::Finalized,
            };
            Some(Replica {
                storage: self.storages.get(held.storage)?.id,
                generation: held.generation,
                len: held.len,
                state,
            })
        }))
    }

    /// How many chunks have a replica. O(1).
    #[must_use]
    pub fn chunk_count(&self) -> usize {
        self.table.len()
    }

    /// How many chunks have at least so many replicas, good and bad (and at least one). O(1).
    #[must_use]
    pub fn chunks_with(&self, replicas: usize) -> usize {
        self.table.with_at_least(replicas)
    }

    /// How many replicas a storage has. O(1).
    #[must_use]
    pub fn storage_count(&self, storage: StorageId) -> usize {
        self.record(storage).map_or(0, |record| record.chunks)
    }

    /// The chunks of a storage, in no order: a look at every chunk.
    pub fn chunks_on(&self, storage: StorageId) -> impl Iterator<Item = ChunkId> + '_ {
        let number = self.storages.number(storage);
        number.into_iter().flat_map(|number| self.table.on(number))
    }

    /// Whether a storage has told all that it has since its datanode registered.
    #[must_use]
    pub fn has_reported(&self, storage: StorageId) -> bool {
        self.record(storage).is_some_and(|record| record.reported)
    }

    /// The datanode of `storage` has registered: what its past life reported last is now certain to be in its next
    /// report, if it is there at all.
    pub fn registered(&mut self, storage: StorageId) {
        let number = self.storages.intern(storage);
        if let Some(record) = self.storages.get_mut(number) {
            record.reported = false;
            record.fresh_only = (record.chunks > 0).then(Default::default);
        }
    }

    /// A replica is on disk under its final name. It takes the place of another version on the same storage.
    pub fn received(&mut self, storage: StorageId, extent: ChunkExtent) {
        let number = self.storages.intern(storage);
        let held = Held {
            storage: number,
            generation: extent.generation,
            len: extent.len,
            corrupt: false,
            fresh: true,
        };
        self.put(extent.chunk, held);
        if let Some(only) = self
            .storages
            .get_mut(number)
            .and_then(|record| record.fresh_only.as_mut())
        {
            only.insert(extent.chunk);
        }
    }

    /// A replica is gone. False when it was not known.
    pub fn deleted(&mut self, storage: StorageId, chunk: ChunkId) -> bool {
        let number = self.storages.number(storage);
        number.is_some_and(|number| self.drop_replica(number, chunk))
    }

    /// The bytes of a replica are bad. False when there is none of this generation on this storage.
    pub fn corrupt(&mut self, storage: StorageId, chunk: ChunkId, generation: Generation) -> bool {
        let number = self.storages.number(storage);
        let mut replicas = self.table.load(chunk);
        let same = |held: &&mut Held| Some(held.storage) == number && held.generation == generation;
        match replicas.iter_mut().find(same) {
            Some(held) => {
                held.corrupt = true;
                self.table.store(chunk, replicas);
                true
            }
            None => false,
        }
    }

    /// A storage is not coming back: forgets it and all its replicas, and answers with their chunks. A look at every chunk.
    pub fn forget(&mut self, storage: StorageId) -> Vec<ChunkId> {
        let Some(number) = self.storages.number(storage) else {
            return Vec::new();
        };
        let mut chunks = self.chunks_of(number);
        chunks.sort_unstable();
        for &chunk in &chunks {
            self.drop_replica(number, chunk);
        }
        self.storages.forget(number);
        chunks
    }

    /// What it takes.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.table.memory()
    }

    fn record(&self, storage: StorageId) -> Option<&storages::StorageRecord> {
        self.storages.get(self.storages.number(storage)?)
    }

    /// What is known of a chunk on a storage.
    fn on(&self, storage: usize, chunk: ChunkId) -> Option<Held> {
        let replicas = self.table.load(chunk);
        replicas.into_iter().find(|held| held.storage == storage)
    }

    fn chunks_of(&self, storage: usize) -> Vec<ChunkId> {
        match self.storages.get(storage) {
            Some(record) if record.chunks > 0 => self.table.on(storage).collect(),
            _ => Vec::new(),
        }
    }

    /// Keeps a replica, in the place of one on the same storage.
    fn put(&mut self, chunk: ChunkId, new: Held) {
        let mut replicas = self.table.load(chunk);
        match replicas.iter_mut().find(|held| held.storage == new.storage) {
            Some(held) => *held = new,
            None => {
                replicas.push(new);
                if let Some(record) = self.storages.get_mut(new.storage) {
                    record.chunks += 1;
                }
            }
        }
        self.table.store(chunk, replicas);
    }

    fn drop_replica(&mut self, storage: usize, chunk: ChunkId) -> bool {
        let mut replicas = self.table.load(chunk);
        let before = replicas.len();
        replicas.retain(|held| held.storage != storage);
        let gone = replicas.len() < before;
        if gone {
            self.table.store(chunk, replicas);
            if let Some(record) = self.storages.get_mut(storage) {
                record.chunks = record.chunks.saturating_sub(1);
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests;
