//! What a storage has, for those who are told: as a fingerprint, and as a list.

use std::collections::HashSet;

use types::fingerprint::{Fingerprint, bucket_of};
use types::{ChunkId, StorageId};

use crate::index::{Replica, ReplicaState};
use crate::store::ChunkStore;

/// Replicas that are looked at under one lock.
const LOOK_AT: usize = 4_096;

/// A part of what a storage has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Finalized replicas, in the order of chunk ids.
    pub replicas: Vec<Replica>,
    /// Where to go on; none at the end.
    pub next: Option<ChunkId>,
}

impl ChunkStore {
    /// The replica of `chunk`.
    #[must_use]
    pub fn replica(&self, chunk: ChunkId) -> Option<Replica> {
        self.0.index.find(chunk).map(|slot| self.0.describe(chunk, slot))
    }

    /// Up to `limit` replicas with ids above `after`, in the order of ids, corrupt ones included.
    #[must_use]
    pub fn replicas(&self, after: Option<ChunkId>, limit: usize) -> Vec<Replica> {
        let page = self.0.index.page(after, limit).into_iter();
        page.map(|(chunk, slot)| self.0.describe(chunk, slot)).collect()
    }

    /// The fingerprint of the finalized replicas of a storage, exact at the moment of the call; of one that is not used,
    /// that of nothing.
    #[must_use]
    pub fn fingerprint(&self, storage: StorageId) -> Fingerprint {
        match self.0.position_of(storage) {
            Some(position) => self.0.index.fingerprint(position),
            None => Fingerprint::default(),
        }
    }

    /// Up to `limit` finalized replicas of a storage with ids above `after`, of some buckets or (none) of all. May take as
    /// long as a look at every replica.
    #[must_use]
    pub fn list(
        &self,
        storage: StorageId,
        buckets: Option<&HashSet<u32>>,
        after: Option<ChunkId>,
        limit: usize,
    ) -> Listing {
        let mut listing = Listing {
            replicas: Vec::new(),
            next: after,
        };
        let Some(position) = self.0.position_of(storage) else {
            listing.next = None;
            return listing;
        };
        let wanted = |chunk: ChunkId| {
            buckets.is_none_or(|buckets| u32::try_from(bucket_of(chunk)).is_ok_and(|b| buckets.contains(&b)))
        };
        loop {
            let page = self.0.index.page(listing.next, LOOK_AT);
            if page.is_empty() {
                listing.next = None;
                return listing;
            }
            for (chunk, slot) in page {
                if listing.replicas.len() == limit {
                    return listing;
                }
                listing.next = Some(chunk);
                if slot.volume == position && slot.state == ReplicaState::Finalized && wanted(chunk) {
                    listing.replicas.push(Replica {
                        chunk,
                        generation: slot.generation,
                        len: slot.len,
                        storage,
                        state: slot.state,
                    });
                }
            }
        }
    }
}
