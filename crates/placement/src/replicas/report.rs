//! Block reports: everything that one storage has.

use types::{ChunkExtent, ChunkId, StorageId};

use super::ReplicaMap;
use super::table::Held;

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
    /// Takes what `storage` says it has for what it has. Each entry of the report is looked up; only when the storage has
    /// had something that is not in the report, every chunk is looked at once.
    pub fn report(&mut self, storage: StorageId, listed: &[ChunkExtent]) -> ReportSummary {
        let number = self.storages.intern(storage);
        let mut summary = ReportSummary::default();
        for extent in listed {
            if !self
                .table
                .confirm(extent.chunk, number, extent.generation, extent.len)
            {
                self.differs(number, extent, &mut summary);
            }
        }
        // All that is listed is known by now: whatever is known beyond that is missing.
        let mut chunks: Vec<_> = listed.iter().map(|extent| extent.chunk).collect();
        chunks.sort_unstable();
        chunks.dedup();
        if self.storages.get(number).map_or(0, |record| record.chunks) > chunks.len() {
            let mut missing = self.chunks_of(number);
            missing.retain(|chunk| chunks.binary_search(chunk).is_err());
            missing.sort_unstable();
            for chunk in missing {
                self.misses(number, chunk, &mut summary);
            }
        }
        if let Some(record) = self.storages.get_mut(number) {
            record.reported = true;
            record.fresh_only = None;
        }
        summary
    }

    /// Takes an entry of a report that is not just what was known.
    fn differs(&mut self, storage: usize, extent: &ChunkExtent, summary: &mut ReportSummary) {
        let known = self.on(storage, extent.chunk);
        let new = Held {
            storage,
            generation: extent.generation,
            len: extent.len,
            corrupt: false,
            fresh: false,
        };
        let kept = match known {
            Some(known) if known.generation > extent.generation && self.is_fresh(extent.chunk, known) => {
                // The chunk moved to a new generation after the snapshot was taken.
                summary.unsure += 1;
                known
            }
            Some(known) if (known.generation, known.len) == (extent.generation, extent.len) => known,
            _ => {
                summary.appeared.push(extent.chunk);
                new
            }
        };
        self.put(extent.chunk, Held { fresh: false, ..kept });
    }

    /// A replica that was known is not in the report.
    fn misses(&mut self, storage: usize, chunk: ChunkId, summary: &mut ReportSummary) {
        match self.on(storage, chunk) {
            Some(known) if self.is_fresh(chunk, known) => {
                summary.unsure += 1;
                self.put(
                    chunk,
                    Held {
                        fresh: false,
                        ..known
                    },
                );
            }
            _ => {
                self.drop_replica(storage, chunk);
                summary.gone.push(chunk);
            }
        }
    }

    fn is_fresh(&self, chunk: ChunkId, held: Held) -> bool {
        self.storages
            .get(held.storage)
            .is_some_and(|record| record.is_fresh(chunk, held.fresh))
    }
}
