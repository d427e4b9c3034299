//! How far the datanodes are drained that are to leave.
//!
//! A replica there is still needed as long as its chunk has too few copies on nodes that stay. Such a chunk is never healthy, so
//! that a look at those that are not is enough.

use std::collections::BTreeMap;

use namespace::{ChunkInfo, Namespace};
use placement::{Admin, Reach, Standing};
use types::{ChunkId, DatanodeId};

use super::{Cluster, expected};

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
    /// Begins to look; none when nobody drains, or it is not known yet how all chunks are.
    pub(crate) fn begin_drain_look(&self) -> Option<DrainLook> {
        let known = |id: DatanodeId| {
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
        if draining.is_empty() || !self.counts || self.recount_due() || !draining.iter().copied().all(known) {
            return None;
        }
        Some(DrainLook {
            next: 0,
            left: draining.into_iter().map(|id| (id, Left::default())).collect(),
        })
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
            self.add_left(&info, &mut look.left);
        }
        match page.next {
            Some(next) => {
                look.next = next;
                Looked::AtSome
            }
            None => Looked::AtAll,
        }
    }

    fn add_left(&self, info: &ChunkInfo, left: &mut BTreeMap<DatanodeId, Left>) {
        let facts = self.facts(info);
        if facts.committed && facts.redundancy() >= facts.wanted && facts.serving > 0 {
            return;
        }
        let expected = expected(info);
        for located in self.replicas.located(info.chunk) {
            if located.replica.standing(expected) == Standing::Valid
                && let Some(left) = located.node.and_then(|node| left.get_mut(&node))
            {
                left.replicas += 1;
                if left.examples.len() < EXAMPLES_MAX {
                    left.examples.push(info.chunk);
                }
            }
        }
    }

    /// Keeps what was seen. Answers with the nodes on which nothing is needed any more.
    pub(crate) fn keep_drain_look(&mut self, look: DrainLook) -> Vec<DatanodeId> {
        let drained = look.left.iter().filter(|(_, left)| left.replicas == 0);
        let drained = drained.map(|(id, _)| *id).collect();
        self.left = look.left;
        drained
    }

    /// What is left on a node that drains; none when it was not looked yet.
    pub(crate) fn left_on(&self, datanode: DatanodeId) -> Option<&Left> {
        self.left.get(&datanode)
    }
}
