//! Which replicas there are: chunk → generation, length, volume. In memory; rebuilt from the sidecars at start.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use types::{ChunkId, Generation, StorageId};

use crate::pack::Spot;

/// Whether a replica may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaState {
    /// On disk under its final name.
    Finalized,
    /// Known not to be what was written.
    Corrupt,
}

/// A replica under its final name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replica {
    /// Of which chunk.
    pub chunk: ChunkId,
    /// In which version.
    pub generation: Generation,
    /// Bytes of data.
    pub len: u64,
    /// On which storage.
    pub storage: StorageId,
    /// Whether it may be read.
    pub state: ReplicaState,
}

/// Where the bytes of a replica are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a data file, beside a sidecar.
    Files,
    /// In a pack, with those of others.
    Packed(Spot),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) generation: Generation,
    pub(crate) len: u64,
    /// The position of the volume in the store's list.
    pub(crate) volume: usize,
    pub(crate) place: Place,
    pub(crate) state: ReplicaState,
}

#[derive(Debug, Default)]
pub(crate) struct Index(Mutex<BTreeMap<ChunkId, Slot>>);

impl Index {
    pub(crate) fn find(&self, chunk: ChunkId) -> Option<Slot> {
        self.lock().get(&chunk).copied()
    }

    pub(crate) fn put(&self, chunk: ChunkId, slot: Slot) {
        self.lock().insert(chunk, slot);
    }

    pub(crate) fn remove(&self, chunk: ChunkId) {
        self.lock().remove(&chunk);
    }

    /// Marks the replica, when it is still this generation. Says whether it was there and not marked before.
    pub(crate) fn mark_corrupt(&self, chunk: ChunkId, generation: Generation) -> bool {
        match self.lock().get_mut(&chunk) {
            Some(slot) if slot.generation == generation && slot.state == ReplicaState::Finalized => {
                slot.state = ReplicaState::Corrupt;
                true
            }
            _ => false,
        }
    }

    /// Up to `limit` entries with ids above `after`, in the order of ids.
    pub(crate) fn page(&self, after: Option<ChunkId>, limit: usize) -> Vec<(ChunkId, Slot)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let replicas = self.lock();
        let page = replicas.range((from, Bound::Unbounded)).take(limit);
        page.map(|(&chunk, &slot)| (chunk, slot)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChunkId, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
