//! How far the datanodes are drained that are to leave.
//!
//! A replica there is still needed as long as its chunk has too few copies on nodes that stay, or is being written. Such a chunk is
//! never healthy, so that a look at those that are not is enough. What a node has that has not told it to this master, nobody
//! knows: it is not looked at before it has.

use std::collections::BTreeMap;

use namespace::{ChunkInfo, Namespace};
use placement::{Admin, Reach};
use types::{ChunkId, DatanodeId};

use super::Cluster;
use crate::desk::Unfinished;

/// Chunks that are looked at before others may have the lock.
const SLICE: usize = 4_000;

/// Chunks that are remembered of each node, to explain what it waits for.
const EXAMPLES_MAX: usize = 10;

/// What is left on one node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Replicas that are still needed.
    pub(crate) replicas: u64,
    /// A few of their chunks.
    pub(crate) examples: Vec<ChunkId>,
}

/// A look at what is left on all nodes that drain. It is whole only when it went through without a recount.
#[derive(Debug, Clone, Default)]
pub(crate) struct DrainLook {
    next: u64,
    left: BTreeMap<DatanodeId, Left>,
    unfinished: Unfinished,
}

/// How far a look has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looked {
    /// There is more.
    AtSome,
    /// It is whole, and to be kept.
    AtAll,
    /// The chunks are counted anew: it has to begin again, later.
    InVain,
}

impl Cluster {
    /// Begins to look; none when nobody drains of whom it is known what he has, or it is not known yet how all chunks are.
    /// `unfinished` is what they have told of before.
    pub(crate) fn begin_drain_look(&self, unfinished: Unfinished) -> Option<DrainLook> {
        let placed = |id: DatanodeId| {
            let storages = self.view.node(id).map(|node| &node.storages);
            storages.into_iter().flatten().all(|storage| {
                matches!(
                    self.replicas.reach(storage.reported.id),
                    Reach::Draining | Reach::Gone
                )
            })
        };
        let draining: Vec<_> = self
            .view
            .nodes()
            .filter(|node| node.admin == Admin::Decommissioning)
            .map(|node| node.id)
            .collect();
        if !self.counts || self.recount_due() || !draining.iter().copied().all(placed) {
            return None;
        }
        let told = draining
            .into_iter()
            .filter(|id| self.has_told_all(*id, &unfinished));
        let left: BTreeMap<_, _> = told.map(|id| (id, Left::default())).collect();
        (!left.is_empty()).then_some(DrainLook {
            next: 0,
            left,
            unfinished,
        })
    }

    /// Whether it is known what a datanode has.
    pub(crate) fn has_told(&self, datanode: DatanodeId) -> bool {
        let node = self.view.node(datanode);
        node.is_some_and(|node| self.has_reported(node))
    }

    /// Looks on.
    pub(crate) fn look_on(&self, namespace: &Namespace, look: &mut DrainLook) -> Looked {
        if self.recount_due() {
            return Looked::InVain;
        }
        let page = self.ledger.list_chunks(look.next, SLICE, |_| true);
        for info in page
            .items
            .iter()
            .filter_map(|listed| namespace.chunk(listed.chunk))
        {
            self.add_left(&info, look);
        }
        match page.next {
            Some(next) => {
                look.next = next;
                Looked::AtSome
            }
            None => Looked::AtAll,
        }
    }

    fn add_left(&self, info: &ChunkInfo, look: &mut DrainLook) {
        let facts = self.facts(info);
        if facts.committed && facts.redundancy() >= facts.wanted && facts.serving > 0 {
            return;
        }
        for node in self.holders(info, &look.unfinished) {
            if let Some(left) = look.left.get_mut(&node) {
                left.replicas += 1;
                if left.examples.len() < EXAMPLES_MAX {
                    left.examples.push(info.chunk);
                }
            }
        }
    }

    /// Keeps what was seen. Answers with the nodes on which nothing is needed any more. One that has registered anew meanwhile
    /// is not among them: it may have something else now.
    pub(crate) fn keep_drain_look(&mut self, look: DrainLook) -> Vec<DatanodeId> {
        let drained = look.left.iter().filter(|(_, left)| left.replicas == 0);
        let drained = drained.map(|(id, _)| *id).filter(|id| self.has_told(*id));
        let drained = drained.collect();
        self.left = look.left;
        drained
    }

    /// What is left on a node that drains; none when it was not looked yet.
    pub(crate) fn left_on(&self, datanode: DatanodeId) -> Option<&Left> {
        self.left.get(&datanode)
    }
}

#[cfg(test)]
mod tests {
    use namespace::Command;
    use types::{AdminState, ChunkExtent, UnixMillis};

    use super::super::testing::{World, node};
    use super::*;
    use crate::desk::Desk;

    fn decommission(world: &mut World, n: u8) {
        let since = UnixMillis(1);
        let state = AdminState::Decommissioning { since };
        world.apply(Command::SetMemberState { id: node(n), state });
        world.count();
    }

    /// A desk at which everybody has told that all is finished.
    fn desk() -> Desk {
        let desk = Desk::new();
        for n in 1..=9 {
            desk.told(node(n), Vec::new());
        }
        desk
    }

    /// A whole look: who is drained.
    fn look(world: &mut World) -> Vec<DatanodeId> {
        look_at(world, &desk())
    }

    fn look_at(world: &mut World, desk: &Desk) -> Vec<DatanodeId> {
        let Some(mut look) = world.cluster.begin_drain_look(desk.unfinished()) else {
            return Vec::new();
        };
        while world.cluster.look_on(&world.namespace, &mut look) == Looked::AtSome {}
        world.cluster.keep_drain_look(look)
    }

    fn left(world: &World, n: u8) -> Option<u64> {
        world.cluster.left_on(node(n)).map(|left| left.replicas)
    }

    #[test]
    fn who_has_not_told_what_he_has_is_not_drained() {
        let mut world = World::of_strangers(2);
        let chunk = world.file("/f", 2, &[]);
        world.register(2);
        world.report(2, &[chunk]);
        decommission(&mut world, 1);
        assert!(look(&mut world).is_empty(), "it has not registered");
        assert_eq!(left(&world, 1), None);
        world.register(1);
        world.count();
        assert!(look(&mut world).is_empty(), "it owes a report");
        assert_eq!(left(&world, 1), None);
        world.report(1, &[chunk]);
        world.count();
        assert!(look(&mut world).is_empty());
        assert_eq!(left(&world, 1), Some(1));
    }

    #[test]
    fn one_that_is_silent_does_not_hold_up_another() {
        let mut world = World::of_strangers(3);
        for n in 2..=3 {
            world.register(n);
            world.report(n, &[]);
        }
        world.file("/f", 1, &[3]);
        decommission(&mut world, 1);
        decommission(&mut world, 2);
        assert_eq!(look(&mut world), [node(2)]);
    }

    #[test]
    fn who_registers_anew_is_looked_at_again() {
        let mut world = World::of(2);
        world.file("/f", 1, &[2]);
        decommission(&mut world, 1);
        let mut drain = world.cluster.begin_drain_look(desk().unfinished()).unwrap();
        assert_eq!(world.cluster.look_on(&world.namespace, &mut drain), Looked::AtAll);
        world.register(1);
        assert!(world.cluster.keep_drain_look(drain).is_empty());
    }

    #[test]
    fn what_is_being_written_on_a_node_is_needed() {
        let mut world = World::of(2);
        let (file, chunk) = world.open("/f", 1);
        world.begin_write(file.inode, chunk.chunk, &[1]);
        world.judge(chunk.chunk);
        decommission(&mut world, 1);
        assert!(look(&mut world).is_empty());
        assert_eq!(left(&world, 1), Some(1));
        // Another master leads now, and knows it from the datanode.
        world.cluster.end_lead();
        let desk = desk();
        desk.told(node(1), vec![ChunkExtent { len: 5, ..chunk }]);
        assert!(look_at(&mut world, &desk).is_empty());
        assert_eq!(left(&world, 1), Some(1));
        // Its pipeline has gone on without this one.
        let generation = world.bump(file.inode, chunk.chunk);
        let extent = ChunkExtent {
            generation,
            len: 5,
            ..chunk
        };
        world.apply(Command::UpdatePipeline {
            inode: file.inode,
            extent,
        });
        assert_eq!(look_at(&mut world, &desk), [node(1)]);
    }

    #[test]
    fn who_has_not_told_what_he_has_not_finished_is_not_drained() {
        let mut world = World::of(1);
        decommission(&mut world, 1);
        let desk = Desk::new();
        assert!(look_at(&mut world, &desk).is_empty());
        assert_eq!(left(&world, 1), None);
        desk.told(node(1), Vec::new());
        assert_eq!(look_at(&mut world, &desk), [node(1)]);
    }
}
