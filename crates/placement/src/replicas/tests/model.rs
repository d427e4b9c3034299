//! The replicas as maps: what the compact ones are compared with.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use types::fingerprint::Fingerprint;
use types::{ChunkExtent, ChunkId, Generation, StorageId};

use super::super::{ReplicaState, ReportSummary};

#[derive(Debug, Clone, Copy)]
pub(super) struct Replica {
    pub(super) storage: StorageId,
    pub(super) generation: Generation,
    pub(super) len: u64,
    pub(super) state: ReplicaState,
    pub(super) verified: Option<Duration>,
    /// The number of the last report of its storage that may have been taken before the replica was there.
    unsure_until: u64,
}

#[derive(Debug, Clone, Default)]
struct StorageRecord {
    chunks: HashSet<ChunkId>,
    reports: u64,
    reported: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    chunks: HashMap<ChunkId, Vec<Replica>>,
    storages: HashMap<StorageId, StorageRecord>,
}

impl Model {
    /// All replicas, by chunk.
    pub(super) fn all(&self) -> Vec<(ChunkId, Replica)> {
        let mut all: Vec<_> = self
            .chunks
            .iter()
            .flat_map(|(id, rs)| rs.iter().map(|r| (*id, *r)))
            .collect();
        all.sort_by_key(|(id, replica)| (*id, replica.storage));
        all
    }

    /// How many replicas each chunk has.
    pub(super) fn counts(&self) -> HashMap<ChunkId, usize> {
        self.chunks
            .iter()
            .map(|(id, replicas)| (*id, replicas.len()))
            .collect()
    }

    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn replicas(&self, chunk: ChunkId) -> &[Replica] {
        self.chunks.get(&chunk).map_or(&[], Vec::as_slice)
    }

    pub(super) fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    pub(super) fn storage_count(&self, storage: StorageId) -> usize {
        self.storages
            .get(&storage)
            .map_or(0, |record| record.chunks.len())
    }

    pub(super) fn has_reported(&self, storage: StorageId) -> bool {
        self.storages.get(&storage).is_some_and(|record| record.reported)
    }

    pub(super) fn registered(&mut self, storage: StorageId) {
        let record = self.storages.entry(storage).or_default();
        record.reports += 1;
        record.reported = false;
        for replica in self
            .chunks
            .values_mut()
            .flatten()
            .filter(|replica| replica.storage == storage)
        {
            replica.verified = None;
        }
    }

    pub(super) fn verified(&mut self, now: Duration, storage: StorageId, extent: ChunkExtent) -> bool {
        let replicas = self.chunks.entry(extent.chunk).or_default();
        let known = replicas.iter_mut().find(|known| {
            known.storage == storage
                && (known.generation, known.len) == (extent.generation, extent.len)
                && known.state == ReplicaState::Finalized
        });
        let found = known.is_some();
        if let Some(known) = known {
            known.verified = Some(now);
        }
        if replicas.is_empty() {
            self.chunks.remove(&extent.chunk);
        }
        found
    }

    pub(super) fn fingerprint(&self, storage: StorageId) -> Fingerprint {
        let mut sums = Fingerprint::default();
        for (chunk, replica) in self.all() {
            if replica.storage == storage && replica.state == ReplicaState::Finalized {
                sums.add(ChunkExtent {
                    chunk,
                    generation: replica.generation,
                    len: replica.len,
                });
            }
        }
        sums
    }

    pub(super) fn received(&mut self, storage: StorageId, extent: ChunkExtent) {
        let next_report = self.storages.entry(storage).or_default().reports + 1;
        self.insert(storage, extent, ReplicaState::Finalized, next_report);
    }

    pub(super) fn deleted(&mut self, storage: StorageId, chunk: ChunkId) -> bool {
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

    pub(super) fn corrupt(&mut self, storage: StorageId, chunk: ChunkId, generation: Generation) -> bool {
        let same = |replica: &&mut Replica| replica.storage == storage && replica.generation == generation;
        match self
            .chunks
            .get_mut(&chunk)
            .and_then(|replicas| replicas.iter_mut().find(same))
        {
            Some(replica) => {
                replica.state = ReplicaState::Corrupt;
                replica.verified = None;
                true
            }
            None => false,
        }
    }

    pub(super) fn forget(&mut self, storage: StorageId) -> Vec<ChunkId> {
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
            verified: None,
            unsure_until,
        };
        let replicas = self.chunks.entry(extent.chunk).or_default();
        match replicas.iter_mut().find(|known| known.storage == storage) {
            Some(known) => *known = replica,
            None => replicas.push(replica),
        }
    }
}

impl Model {
    pub(super) fn report(
        &mut self,
        storage: StorageId,
        some: Option<&dyn Fn(ChunkId) -> bool>,
        listed: &[ChunkExtent],
    ) -> ReportSummary {
        let of = |chunk: ChunkId| some.is_none_or(|some| some(chunk));
        let record = self.storages.entry(storage).or_default();
        let bad_ones_stay = record.reported;
        // One report may be older than what was received, whether it is of everything or not.
        let number = record.reports + 1;
        if some.is_none() {
            record.reports += 1;
            record.reported = true;
        }
        let mut missing: Vec<ChunkId> = {
            let listed: HashSet<_> = listed.iter().map(|extent| extent.chunk).collect();
            record
                .chunks
                .difference(&listed)
                .copied()
                .filter(|chunk| of(*chunk))
                .collect()
        };
        missing.sort_unstable();
        let mut summary = ReportSummary::default();
        for &extent in listed {
            match self.on(storage, extent.chunk) {
                Some(known) if known.generation > extent.generation && known.unsure_until >= number => {
                    // The chunk moved to a new generation after the snapshot was taken.
                    summary.unsure += 1;
                    if let Some(known) = self.on_mut(storage, extent.chunk) {
                        known.unsure_until = 0;
                    }
                }
                Some(known) if known.generation == extent.generation && known.len == extent.len => {
                    self.insert(storage, extent, known.state, 0);
                    if let Some(same) = self.on_mut(storage, extent.chunk) {
                        same.verified = known.verified;
                    }
                }
                _ => {
                    self.insert(storage, extent, ReplicaState::Finalized, 0);
                    summary.appeared.push(extent.chunk);
                }
            }
        }
        for chunk in missing {
            let known = self.on(storage, chunk);
            if bad_ones_stay && known.is_some_and(|known| known.state == ReplicaState::Corrupt) {
                continue;
            }
            if known.is_some_and(|known| known.unsure_until >= number) {
                summary.unsure += 1;
                if let Some(known) = self.on_mut(storage, chunk) {
                    known.unsure_until = 0;
                }
            } else if self.deleted(storage, chunk) {
                summary.gone.push(chunk);
            }
        }
        summary
    }

    fn on_mut(&mut self, storage: StorageId, chunk: ChunkId) -> Option<&mut Replica> {
        let replicas = self.chunks.get_mut(&chunk)?;
        replicas.iter_mut().find(|replica| replica.storage == storage)
    }

    fn on(&self, storage: StorageId, chunk: ChunkId) -> Option<Replica> {
        self.replicas(chunk)
            .iter()
            .find(|replica| replica.storage == storage)
            .copied()
    }
}
