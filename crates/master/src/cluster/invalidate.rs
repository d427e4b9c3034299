//! What is to be deleted because no file holds it any more.
//!
//! A chunk in a datanode's queue is only a suspicion. It is judged once more at the moment when the order leaves with a
//! heartbeat's answer, against the metadata and the replicas of that moment; the order names one exact generation, and the
//! datanode deletes nothing else. A lost order is no harm: the next time that the replica is heard of, it is in the queue again.
//!
//! Replicas of chunks that files do hold (stale, bad, too many) are not here: they go only when enough others were verified,
//! which is repair's to see to.

use std::collections::{BTreeMap, BTreeSet};

use namespace::Namespace;
use placement::ChunkFate;
use types::{ChunkId, DatanodeId, Generation};

use super::{Cluster, fate};

#[derive(Debug, Default)]
pub(super) struct Invalidation(BTreeMap<DatanodeId, BTreeSet<ChunkId>>);

impl Cluster {
    /// No file holds `chunk` any more.
    pub(crate) fn free(&mut self, chunk: ChunkId) {
        self.end_write(chunk);
        self.waiters.wake(chunk);
        self.invalidate(chunk, ChunkFate::Freed);
    }

    /// Has the replicas of `chunk` deleted when no file holds it. Never those of a chunk of the future: it may be this
    /// master's metadata that is behind.
    pub(super) fn invalidate(&mut self, chunk: ChunkId, fate: ChunkFate) {
        if fate != ChunkFate::Freed {
            return;
        }
        for replica in self.replicas.replicas(chunk) {
            if let Some(node) = self.view.owner(replica.storage).map(|node| node.id) {
                self.invalidation.0.entry(node).or_default().insert(chunk);
                self.ring(node);
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

    /// Up to `limit` replicas that `datanode` is to delete.
    pub(crate) fn take_invalid(
        &mut self,
        namespace: &Namespace,
        datanode: DatanodeId,
        limit: usize,
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
            if fate(namespace, chunk) == ChunkFate::Freed {
                let here = self.replicas.replicas(chunk).into_iter().filter(|replica| {
                    self.view
                        .owner(replica.storage)
                        .is_some_and(|node| node.id == datanode)
                });
                orders.extend(here.map(|replica| (chunk, replica.generation)));
            }
        }
        orders
    }

    /// Nothing is deleted on `datanode` any more.
    pub(super) fn drop_invalid_of(&mut self, datanode: DatanodeId) {
        self.invalidation.0.remove(&datanode);
    }
}
