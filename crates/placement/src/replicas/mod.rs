//! Who has which chunk, in which version.
//!
//! Fed by what datanodes report: changes at once ([`ReplicaMap::received`], `deleted`, `corrupt`) and everything a storage
//! has from time to time ([`ReplicaMap::report`]). What the chunks *should* be is not known here: the caller says it
//! ([`Expected`], [`ChunkFate`]) when it asks.
//!
//! Invariants:
//! - the replicas by chunk and the chunks by storage tell the same; a storage has at most one replica of a chunk;
//! - a report removes only what it can be sure of. The snapshot behind a report may have been taken before a change that
//!   arrived earlier than the report. So a replica that was received since the last report of its storage survives one
//!   report that does not have it, but not two;
//! - a replica that was found corrupt stays so until it is received anew, or deleted: reports do not look at the bytes.

mod judge;
mod report;

use std::collections::{HashMap, HashSet};

use types::{ChunkExtent, ChunkId, Generation, StorageId};

pub use judge::{ChunkFate, Excess, Expected, Standing};
pub use report::ReportSummary;

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
    /// The number of the last report of its storage that may have been taken before the replica was there.
    unsure_until: u64,
}

#[derive(Debug, Clone, Default)]
struct StorageRecord {
    chunks: HashSet<ChunkId>,
    /// Reports so far; a registration counts as one, for no later report is older than it.
    reports: u64,
    /// Whether a report came since the last registration.
    reported: bool,
}

/// All replicas.
#[derive(Debug, Clone, Default)]
pub struct ReplicaMap {
    chunks: HashMap<ChunkId, Vec<Replica>>,
    storages: HashMap<StorageId, StorageRecord>,
}

impl ReplicaMap {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The replicas of a chunk, good and bad.
    #[must_use]
    pub fn replicas(&self, chunk: ChunkId) -> &[Replica] {
        self.chunks.get(&chunk).map_or(&[], Vec::as_slice)
    }

    /// How many chunks have a replica.
    #[must_use]
    pub fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// How many replicas a storage has.
    #[must_use]
    pub fn storage_count(&self, storage: StorageId) -> usize {
        self.storages
            .get(&storage)
            .map_or(0, |record| record.chunks.len())
    }

    /// Whether a storage has told all that it has since its datanode registered.
    #[must_use]
    pub fn has_reported(&self, storage: StorageId) -> bool {
        self.storages.get(&storage).is_some_and(|record| record.reported)
    }

    /// The datanode of `storage` has registered: what its past life reported last is now certain to be in its next
    /// report, if it is there at all.
    pub fn registered(&mut self, storage: StorageId) {
        let record = self.storages.entry(storage).or_default();
        record.reports += 1;
        record.reported = false;
    }

    /// A replica is on disk under its final name. It takes the place of another version on the same storage.
    pub fn received(&mut self, storage: StorageId, extent: ChunkExtent) {
        let next_report = self.storages.entry(storage).or_default().reports + 1;
        self.insert(storage, extent, ReplicaState::Finalized, next_report);
    }

    /// A replica is gone. False when it was not known.
    pub fn deleted(&mut self, storage: StorageId, chunk: ChunkId) -> bool {
        if let Some(record) = self.storages.get_mut(&storage) {
            record.chunks.remove(&chunk);
        }
        let Some(replicas) = self.chunks.get_mut(&chunk) else {
            return false;
        };
        let before = replicas.len();
        replicas.retain(|replica| replica.storage != storage);
        let gone = replicas.len() < before;
        if replicas.is_empty() {
            self.chunks.remove(&chunk);
        }
        gone
    }

    /// The bytes of a replica are bad. False when there is none of this generation on this storage.
    pub fn corrupt(&mut self, storage: StorageId, chunk: ChunkId, generation: Generation) -> bool {
        let same = |replica: &&mut Replica| replica.storage == storage && replica.generation == generation;
        match self
            .chunks
            .get_mut(&chunk)
            .and_then(|replicas| replicas.iter_mut().find(same))
        {
            Some(replica) => {
                replica.state = ReplicaState::Corrupt;
                true
            }
            None => false,
        }
    }

    /// A storage is not coming back: forgets it and all its replicas, and answers with their chunks.
    pub fn forget(&mut self, storage: StorageId) -> Vec<ChunkId> {
        let Some(record) = self.storages.remove(&storage) else {
            return Vec::new();
        };
        let mut chunks: Vec<_> = record.chunks.into_iter().collect();
        chunks.sort_unstable();
        for &chunk in &chunks {
            self.deleted(storage, chunk);
        }
        chunks
    }

    fn insert(&mut self, storage: StorageId, extent: ChunkExtent, state: ReplicaState, unsure_until: u64) {
        self.storages
            .entry(storage)
            .or_default()
            .chunks
            .insert(extent.chunk);
        let replica = Replica {
            storage,
            generation: extent.generation,
            len: extent.len,
            state,
            unsure_until,
        };
        let replicas = self.chunks.entry(extent.chunk).or_default();
        match replicas.iter_mut().find(|known| known.storage == storage) {
            Some(known) => *known = replica,
            None => replicas.push(replica),
        }
    }
}

#[cfg(test)]
mod tests;
