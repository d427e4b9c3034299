//! What the leader has done to the replicas: repair, from the ledger's word to the order that leaves.
//!
//! Only a leader repairs. Its queue begins with all that the ledger knows when its lead begins, and ends with it.

use std::time::Duration;

use namespace::{ChunkInfo, Namespace};
use placement::{Balancer, Order, RepairSettings, Situation, Wanted};
use types::{ChunkId, DatanodeId, Generation};

use super::{Cluster, expected};

/// Orders of one plan.
const ORDERS_MAX: usize = 1_000;

/// Chunks that are looked for in quarantines at once.
const SEARCHED_AT_ONCE: usize = 1_000;

/// Chunks of the ledger that are given to repair at once.
const REFILL_SLICE: usize = 4_000;

/// What came of a part of a search in quarantines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Searched {
    /// Where to go on; none: that was all, or nobody can be asked for more.
    pub(crate) next: Option<u64>,
    /// The first chunk for which somebody could not be asked, because he has too much to look for already.
    pub(crate) missed: Option<u64>,
}

impl Cluster {
    /// This master leads: what is known to be wrong is to be repaired. It is given to repair in slices, from here on, by
    /// [`Cluster::refill`].
    pub(crate) fn begin_lead(&mut self, now: Duration) {
        self.repair.clear();
        self.balancer = Balancer::in_place_of_another(now);
        self.leads = true;
        self.refill_from = Some(0);
    }

    /// It leads no more: who writes, and what is repaired, is another master's to know. Answers how many writes there were.
    pub(crate) fn end_lead(&mut self) -> usize {
        self.leads = false;
        self.refill_from = None;
        self.repair.clear();
        self.balancer = Balancer::default();
        self.drop_orders();
        self.end_all_writes()
    }

    /// Gives some of what the ledger knows to repair. False when that was all.
    pub(crate) fn refill(&mut self, now: Duration, namespace: &Namespace) -> bool {
        if self.leads && self.refill_from.is_none() && self.repair.is_short() {
            self.refill_from = Some(0);
        }
        let Some(from) = self.refill_from else {
            return false;
        };
        if from == 0 {
            self.repair.refill();
        }
        let page = self.ledger.list_chunks(from, REFILL_SLICE, |_| true);
        for listed in &page.items {
            let min_replicas = self.promised(namespace, listed.chunk);
            self.repair
                .set(now, listed.chunk, Some(listed.condition), min_replicas);
        }
        self.refill_from = page.next;
        true
    }

    fn promised(&self, namespace: &Namespace, chunk: ChunkId) -> usize {
        let info = namespace.chunk(chunk);
        let wanted = info.map_or(self.min_replicas, |info| info.replication);
        self.min_replicas.min(wanted).into()
    }

    /// Other limits, from the next plan on.
    pub(crate) fn set_repair_settings(&mut self, settings: RepairSettings) {
        if *self.repair.settings() != settings {
            self.repair.set_settings(settings);
        }
    }

    /// Plans what is to be done next, and has it ordered. Answers how many orders that were.
    pub(crate) fn plan_repair(&mut self, now: Duration, namespace: &Namespace) -> usize {
        let situation = Situation {
            now,
            view: &self.view,
            replicas: &self.replicas,
            policy: &self.policy,
        };
        let min_replicas = self.min_replicas;
        let orders = self.repair.plan(
            &situation,
            |chunk| Some(wanted(&namespace.chunk(chunk)?, min_replicas)),
            &mut self.rng,
            ORDERS_MAX,
        );
        let count = orders.len();
        for order in orders {
            self.order(order);
        }
        count
    }

    /// The next orders that are to leave for `datanode`, each of them right by what is known now.
    pub(crate) fn take_orders(
        &mut self,
        now: Duration,
        namespace: &Namespace,
        datanode: DatanodeId,
        limit: usize,
    ) -> Vec<Order> {
        let mut orders = self.next_orders(datanode, limit);
        let situation = Situation {
            now,
            view: &self.view,
            replicas: &self.replicas,
            policy: &self.policy,
        };
        let (min_replicas, repair) = (self.min_replicas, &mut self.repair);
        let wanted = |chunk: ChunkId| Some(wanted(&namespace.chunk(chunk)?, min_replicas));
        orders.retain(|order| repair.confirm(&situation, order, wanted));
        orders
    }

    /// Has all datanodes look in their quarantines for some of the chunks that nobody can read, from `from` on.
    pub(crate) fn search_quarantines(&mut self, namespace: &Namespace, from: u64) -> Searched {
        let page = self
            .ledger
            .list_chunks(from, SEARCHED_AT_ONCE, |condition| !condition.class.is_readable());
        let nodes: Vec<_> = self
            .view
            .nodes()
            .filter(|node| node.liveness.is_usable())
            .map(|node| node.id)
            .collect();
        let mut missed = None;
        for listed in page.items {
            let Some(info) = namespace.chunk(listed.chunk) else {
                continue;
            };
            let mut asked = 0;
            for &node in &nodes {
                asked += usize::from(self.order_restoration(node, info.chunk, info.generation));
            }
            if asked < nodes.len() {
                missed.get_or_insert(info.chunk.as_u64() & u64::from(u32::MAX));
            }
            if asked == 0 {
                return Searched { next: None, missed };
            }
        }
        Searched {
            next: page.next,
            missed,
        }
    }

    /// The next replicas that `datanode` is to look for: those of chunks that still nobody can read.
    pub(crate) fn take_restorations(
        &mut self,
        datanode: DatanodeId,
        limit: usize,
    ) -> Vec<(ChunkId, Generation)> {
        let mut next = self.next_restorations(datanode, limit);
        let missing = |chunk: ChunkId| {
            let condition = self.ledger.condition(chunk);
            condition.is_some_and(|condition| !condition.class.is_readable())
        };
        next.retain(|(chunk, _)| missing(*chunk));
        next
    }

    /// `datanode` could not do what it was ordered to.
    pub(crate) fn order_failed(
        &mut self,
        now: Duration,
        namespace: &Namespace,
        datanode: DatanodeId,
        chunk: ChunkId,
        why: &str,
    ) {
        tracing::debug!(%datanode, %chunk, why, "an order was not carried out");
        if let Some(replica) = self.replica_on(datanode, chunk) {
            // A deletion may have failed half way: what is left is to be read again before anything rests on it.
            self.replicas.doubt(replica.storage, chunk);
        }
        self.delete_again(now, namespace, datanode, chunk);
        self.repair.failed(now, datanode, chunk, why);
        self.balancer.failed(now, chunk);
    }
}

fn wanted(info: &ChunkInfo, min_replicas: u16) -> Wanted {
    Wanted {
        expected: expected(info),
        replicas: info.replication.into(),
        min_replicas: min_replicas.min(info.replication).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::orders::RESTORE_MAX;
    use super::super::testing::{World, node};
    use super::*;

    #[test]
    fn a_full_node_keeps_nobody_else_from_being_searched() {
        let mut world = World::of(2);
        world.count();
        let lost = world.file("/lost", 1, &[]);
        let slot = lost.chunk.as_u64() & u64::from(u32::MAX);
        let fill = |world: &mut World, n: u8| {
            for other in 1..=RESTORE_MAX as u64 {
                let other = ChunkId::new(1_000_000 + other).unwrap();
                world.cluster.order_restoration(node(n), other, Generation(1));
            }
        };
        let search = |world: &mut World| {
            let World {
                cluster, namespace, ..
            } = world;
            cluster.search_quarantines(namespace, 0)
        };
        fill(&mut world, 1);
        let missed = Searched {
            next: None,
            missed: Some(slot),
        };
        assert_eq!(search(&mut world), missed);
        let asked = world.cluster.take_restorations(node(2), 10);
        assert_eq!(asked, [(lost.chunk, lost.generation)]);
        while !world.cluster.next_restorations(node(1), 1_000).is_empty() {}
        assert_eq!(search(&mut world).missed, None);
    }
}
