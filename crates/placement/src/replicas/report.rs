//! Block reports: everything that one storage has.

use std::collections::HashSet;

use types::{ChunkExtent, ChunkId, StorageId};

use super::{Replica, ReplicaMap, ReplicaState};

/// What a report changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportSummary {
    /// Chunks of which a replica appeared, or appeared in another version.
    pub appeared: Vec<ChunkId>,
    /// Chunks of which a replica is gone.
    pub gone: Vec<ChunkId>,
    /// Replicas that are not in the report, but were received so lately that it may be older than they.
    pub unsure: usize,
}

impl ReplicaMap {
    /// Takes what `storage` says it has for what it has.
    pub fn report(&mut self, storage: StorageId, listed: &[ChunkExtent]) -> ReportSummary {
        let record = self.storages.entry(storage).or_default();
        record.reports += 1;
        record.reported = true;
        let number = record.reports;
        let mut missing: Vec<ChunkId> = {
            let listed: HashSet<_> = listed.iter().map(|extent| extent.chunk).collect();
            record.chunks.difference(&listed).copied().collect()
        };
        missing.sort_unstable();
        let mut summary = ReportSummary::default();
        for &extent in listed {
            match self.on(storage, extent.chunk) {
                Some(known) if known.generation > extent.generation && known.unsure_until >= number => {
                    // The chunk moved to a new generation after the snapshot was taken.
                    summary.unsure += 1;
                }
                Some(known) if known.generation == extent.generation && known.len == extent.len => {
                    self.insert(storage, extent, known.state, 0);
                }
                _ => {
                    self.insert(storage, extent, ReplicaState::Finalized, 0);
                    summary.appeared.push(extent.chunk);
                }
            }
        }
        for chunk in missing {
            if self
                .on(storage, chunk)
                .is_some_and(|known| known.unsure_until >= number)
            {
                summary.unsure += 1;
            } else if self.deleted(storage, chunk) {
                summary.gone.push(chunk);
            }
        }
        summary
    }

    fn on(&self, storage: StorageId, chunk: ChunkId) -> Option<Replica> {
        self.replicas(chunk)
            .iter()
            .find(|replica| replica.storage == storage)
            .copied()
    }
}
