//! What is to be deleted: chunks that no file holds, and stale replicas.
//!
//! A chunk in a datanode's queue is only a suspicion. It is judged once more at the moment when the order leaves with a
//! heartbeat's answer, against the metadata and the replicas of that moment; the order names one exact generation, and the
//! datanode deletes nothing else. A lost order is no harm: the next block report brings the replica back into the queue.

use std::collections::{BTreeMap, BTreeSet};

use namespace::Namespace;
use placement::{ChunkFate, Excess};
use types::{ChunkId, DatanodeId, Generation};

use super::{Cluster, fate};

#[derive(Debug, Default)]
pub(super) struct Invalidation(BTreeMap<DatanodeId, BTreeSet<ChunkId>>);

impl Cluster {
    /// No file holds `chunk` any more.
    pub(crate) fn free(&mut self, chunk: ChunkId) {
        self.end_write(chunk);
        self.waiters.wake(chunk);
        let storages: Vec<_> = self
            .replicas
            .replicas(chunk)
            .iter()
            .map(|replica| replica.storage)
            .collect();
        for storage in storages {
            if let Some(node) = self.view.owner(storage) {
                self.invalidation.0.entry(node.id).or_default().insert(chunk);
            }
        }
    }

    /// A replica is gone: nobody needs to be told to delete it. So the queues of a master that does not lead, and orders
    /// nothing, stay as short as the leader's.
    pub(crate) fn forget_order(&mut self, datanode: DatanodeId, chunk: ChunkId) {
        if let Some(queue) = self.invalidation.0.get_mut(&datanode) {
            queue.remove(&chunk);
            if queue.is_empty() {
                self.invalidation.0.remove(&datanode);
            }
        }
    }

    /// Looks whether replicas of `chunk` are to be deleted, and queues them if so. Answers with the chunk's fate.
    pub(crate) fn reconsider(
        &mut self,
        namespace: &Namespace,
        chunk: ChunkId,
        min_replicas: u16,
    ) -> ChunkFate {
        let fate = fate(namespace, chunk);
        for excess in self.excess(namespace, chunk, fate, min_replicas) {
            if let Some(node) = self.view.owner(excess.storage) {
                self.invalidation.0.entry(node.id).or_default().insert(chunk);
            }
        }
        fate
    }

    /// Up to `limit` replicas that `datanode` is to delete.
    pub(crate) fn take_invalid(
        &mut self,
        namespace: &Namespace,
        datanode: DatanodeId,
        limit: usize,
        min_replicas: u16,
    ) -> Vec<(ChunkId, Generation)> {
        let mut orders = Vec::new();
        while orders.len() < limit {
            let Some(chunk) = self
                .invalidation
                .0
                .get_mut(&datanode)
                .and_then(BTreeSet::pop_first)
            else {
                self.invalidation.0.remove(&datanode);
                break;
            };
            let excess = self.excess(namespace, chunk, fate(namespace, chunk), min_replicas);
            let here = |excess: &&Excess| {
                self.view
                    .owner(excess.storage)
                    .is_some_and(|node| node.id == datanode)
            };
            orders.extend(
                excess
                    .iter()
                    .filter(here)
                    .map(|excess| (chunk, excess.generation)),
            );
        }
        orders
    }

    fn excess(
        &self,
        namespace: &Namespace,
        chunk: ChunkId,
        fate: ChunkFate,
        min_replicas: u16,
    ) -> Vec<Excess> {
        let wanted = namespace
            .chunk(chunk)
            .map_or(min_replicas, |info| info.replication);
        let enough = usize::from(min_replicas.min(wanted));
        self.replicas
            .excess(chunk, fate, enough, |storage| self.view.is_usable(storage))
    }
}
