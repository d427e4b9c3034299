//! Lists of replicas: everything that is there, or what is in some buckets, in parts of bounded size.

use std::sync::Arc;
use std::vec;

use chunkstore::{Replica, ReplicaState};
use futures_util::{Stream, stream};
use proto::v1;
use types::fingerprint::{BUCKETS, bucket_of};
use types::{ChunkId, StorageId};

use super::convert::storage_bytes;
use crate::changes::{Change, Event};
use crate::replicas::Replicas;

/// Replicas in one part: less than 300 KiB of a message.
const PART_MAX: usize = 10_000;

/// Buckets of chunks.
#[derive(Debug, Clone)]
pub(super) struct Buckets {
    /// As they are told; empty: all.
    listed: Vec<u32>,
    has: Box<[bool]>,
}

impl Buckets {
    pub(super) fn all() -> Self {
        Self {
            listed: Vec::new(),
            has: vec![true; BUCKETS].into_boxed_slice(),
        }
    }

    /// These, as far as they exist; none when there is none of them.
    pub(super) fn these(buckets: impl IntoIterator<Item = u32>) -> Option<Self> {
        let mut has = vec![false; BUCKETS].into_boxed_slice();
        for bucket in buckets {
            if let Some(has) = usize::try_from(bucket)
                .ok()
                .and_then(|bucket| has.get_mut(bucket))
            {
                *has = true;
            }
        }
        let listed: Vec<u32> = (0..)
            .zip(&has)
            .filter(|(_, has)| **has)
            .map(|(at, _)| at)
            .collect();
        (!listed.is_empty()).then_some(Self { listed, has })
    }

    pub(super) fn has(&self, chunk: ChunkId) -> bool {
        self.has.get(bucket_of(chunk)).copied().unwrap_or_default()
    }
}

/// What is to be listed: storages, with the buckets of each.
pub(super) type Scope = Vec<(StorageId, Buckets)>;

/// What is there and fit to be read, storage by storage, while it may change: who asks gets the changes afterwards.
pub(super) fn parts(replicas: Arc<Replicas>, scope: Scope) -> impl Stream<Item = v1::BlockReportPart> {
    stream::unfold(Parts::new(replicas, scope), |mut parts| {
        // A look through a million replicas is no work for a thread that serves others, too.
        env::blocking(move || parts.next_part().map(|part| (part, parts)))
    })
}

/// What is corrupt within `scope`, of the next replicas behind `after`; blocks. Gives where it has come to; none at the end.
pub(super) fn corrupt(
    replicas: &Replicas,
    scope: &Scope,
    after: Option<ChunkId>,
) -> Option<(Vec<Change>, ChunkId)> {
    let page = replicas.store.replicas(after, PART_MAX);
    let last = page.last()?.chunk;
    let within = |replica: &Replica| {
        (scope.iter()).any(|(storage, buckets)| *storage == replica.storage && buckets.has(replica.chunk))
    };
    let corrupt = page
        .iter()
        .filter(|replica| replica.state == ReplicaState::Corrupt && within(replica));
    Some((corrupt.map(|r| Change::of(Event::Corrupt, r)).collect(), last))
}

struct Parts {
    replicas: Arc<Replicas>,
    scope: vec::IntoIter<(StorageId, Buckets)>,
    storage: Option<(StorageId, Buckets)>,
    after: Option<ChunkId>,
}

impl Parts {
    fn new(replicas: Arc<Replicas>, scope: Scope) -> Self {
        let mut scope = scope.into_iter();
        Self {
            storage: scope.next(),
            scope,
            replicas,
            after: None,
        }
    }

    fn next_part(&mut self) -> Option<v1::BlockReportPart> {
        let (storage, buckets) = self.storage.as_ref()?;
        let mut part = v1::BlockReportPart {
            storage_id: storage_bytes(*storage),
            buckets: buckets.listed.clone(),
            ..Default::default()
        };
        while !part.last_of_storage && part.chunks.len() < PART_MAX {
            let page = self
                .replicas
                .store
                .replicas(self.after, PART_MAX - part.chunks.len());
            match page.last() {
                Some(last) => self.after = Some(last.chunk),
                None => part.last_of_storage = true,
            }
            let ours = |r: &&Replica| {
                r.storage == *storage && r.state == ReplicaState::Finalized && buckets.has(r.chunk)
            };
            for replica in page.iter().filter(ours) {
                part.chunks.push(replica.chunk.as_u64());
                part.generations.push(replica.generation.as_u64());
                part.lengths.push(replica.len);
            }
        }
        if part.last_of_storage {
            self.storage = self.scope.next();
            self.after = None;
        }
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_that_do_not_exist_are_none() {
        assert!(Buckets::these([]).is_none());
        assert!(Buckets::these([4096, u32::MAX]).is_none());
        let one = ChunkId::new(1).unwrap();
        let bucket = u32::try_from(bucket_of(one)).unwrap();
        let these = Buckets::these([7, bucket, bucket, 4096]).unwrap();
        assert_eq!(these.listed.len(), 2);
        assert!(these.has(one) && Buckets::all().has(one));
        assert!(!Buckets::these([(bucket + 1) % 4096]).unwrap().has(one));
    }
}
