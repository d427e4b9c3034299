//! What is to be deleted because no file holds it any more.
//!
//! A chunk in a datanode's queue is only a suspicion. It is judged once more at the moment when the order leaves with a
//! heartbeat's answer, against the metadata and the replicas of that moment; the order names one exact generation, and the
//! datanode deletes nothing else. A lost order is no harm: the next time that the replica is heard of, it is in the queue again. Of
//! one that failed nothing is heard, as both sides agree that the replica is there: it is given again after a pause.
//!
//! Replicas of chunks that files do hold (stale, bad, too many) are not here: they go only when enough others were verified,
//! which is repair's to see to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use namespace::Namespace;
use placement::ChunkFate;
use types::{ChunkId, DatanodeId, Generation};

use super::{Cluster, fate};

/// After this time an order that failed is given again: most are for replicas that a writer holds, who may go on for long.
const PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Invalidation {
    queues: BTreeMap<DatanodeId, BTreeSet<ChunkId>>,
    /// What failed, and when it is given again, in the order of these times.
    again: VecDeque<(Duration, DatanodeId, ChunkId)>,
}

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
                self.enqueue(node, chunk);
            }
        }
    }

    fn enqueue(&mut self, datanode: DatanodeId, chunk: ChunkId) {
        self.invalidation
            .queues
            .entry(datanode)
            .or_default()
            .insert(chunk);
        self.ring(datanode);
    }

    /// An order failed at `datanode`: when that was to delete `chunk`, it is to be given again.
    pub(super) fn delete_again(
        &mut self,
        now: Duration,
        namespace: &Namespace,
        datanode: DatanodeId,
        chunk: ChunkId,
    ) {
        if fate(namespace, chunk) == ChunkFate::Freed && self.replica_on(datanode, chunk).is_some() {
            let at = now.saturating_add(PAUSE);
            self.invalidation.again.push_back((at, datanode, chunk));
        }
    }

    /// What failed long enough ago is in the queues again.
    fn try_again(&mut self, now: Duration) {
        let again = &mut self.invalidation.again;
        let due = again.partition_point(|(at, ..)| *at <= now);
        let due: Vec<_> = again.drain(..due).collect();
        for (_, datanode, chunk) in due {
            self.enqueue(datanode, chunk);
        }
    }

    /// A replica is gone: nobody needs to be told to delete it. So the queues of a master that does not lead, and orders
    /// nothing, stay as short as the leader's.
    pub(crate) fn forget_order(&mut self, datanode: DatanodeId, chunk: ChunkId) {
        if let Some(queue) = self.invalidation.queues.get_mut(&datanode) {
            queue.remove(&chunk);
            if queue.is_empty() {
                self.invalidation.queues.remove(&datanode);
            }
        }
    }

    /// Up to `limit` replicas that `datanode` is to delete.
    pub(crate) fn take_invalid(
        &mut self,
        now: Duration,
        namespace: &Namespace,
        datanode: DatanodeId,
        limit: usize,
    ) -> Vec<(ChunkId, Generation)> {
        self.try_again(now);
        let mut orders = Vec::new();
        while orders.len() < limit {
            let Some(chunk) = self
                .invalidation
                .queues
                .get_mut(&datanode)
                .and_then(BTreeSet::pop_first)
            else {
                self.invalidation.queues.remove(&datanode);
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
        self.invalidation.queues.remove(&datanode);
        self.invalidation.again.retain(|(_, node, _)| *node != datanode);
    }
}

#[cfg(test)]
mod tests {
    use namespace::Command;
    use types::FsPath;

    use super::super::testing::{NOW, World, node, storage};
    use super::*;

    fn take(world: &mut World, now: Duration) -> Vec<(ChunkId, Generation)> {
        let World {
            cluster, namespace, ..
        } = world;
        cluster.take_invalid(now, namespace, node(1), 10)
    }

    fn fail(world: &mut World, chunk: ChunkId) {
        let World {
            cluster, namespace, ..
        } = world;
        cluster.order_failed(NOW, namespace, node(1), chunk, "it is being appended to");
    }

    #[test]
    fn a_deletion_that_failed_is_ordered_again_after_a_pause() {
        let mut world = World::of(1);
        let [freed, gone, held] = ["/freed", "/gone", "/held"].map(|path| world.file(path, 1, &[1]));
        for path in ["/freed", "/gone"] {
            let path = FsPath::parse(path).unwrap();
            world.apply(Command::Delete {
                path,
                recursive: false,
            });
        }
        for chunk in [freed.chunk, gone.chunk] {
            world.cluster.free(chunk);
        }
        let orders = [freed, gone].map(|extent| (extent.chunk, extent.generation));
        assert_eq!(take(&mut world, NOW), orders);
        for chunk in [freed, gone, held] {
            fail(&mut world, chunk.chunk);
        }
        world.cluster.replicas.deleted(storage(1), gone.chunk);
        assert_eq!(take(&mut world, NOW), [], "not at once");
        assert_eq!(
            take(&mut world, NOW + PAUSE),
            orders[..1],
            "one is gone, and one has a file"
        );
        assert_eq!(take(&mut world, NOW + PAUSE), [], "once");
    }
}
