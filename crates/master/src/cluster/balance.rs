//! Balancing: chunks move from datanodes that are fuller than others to emptier ones, as long as an operator wants it.
//!
//! The planner is in `placement`. A move is a copy; the replica that is too many then is removed by repair, which verifies those
//! that stay. So a balancer that ends in the middle leaves nothing that is not cleaned up. It begins at rest with each lead; whether it is
//! wanted is the cluster's setting, and what the leader before has begun is waited for.

use std::time::Duration;

use namespace::{ChunkInfo, Namespace};
use placement::{
    BalancePlan, BalanceSettings, BalanceStatus, Class, Condition, Liveness, Move, Reach, Standing,
};
use types::{ChunkExtent, DatanodeId, StorageId};

use super::{Cluster, expected};

/// Chunks that are offered before others may have the lock.
const OFFERS: usize = 2_000;

impl Cluster {
    /// An operator wants it.
    pub(crate) fn start_balancing(&mut self) {
        self.balancer.start();
        self.offer_round = 0;
    }

    /// Nobody wants it any more: what is on its way still ends.
    pub(crate) fn stop_balancing(&mut self) {
        self.balancer.stop();
    }

    /// How it goes.
    pub(crate) fn balance_status(&self) -> BalanceStatus {
        self.balancer.status()
    }

    /// What would be moved for the nodes as they are now.
    pub(crate) fn balance_plan(&self, now: Duration, threshold: f64) -> BalancePlan {
        BalancePlan::of(&self.view, now, threshold)
    }

    /// Whether chunks have fewer copies than they should: then they come first.
    pub(crate) fn is_anything_at_risk(&self) -> bool {
        self.ledger.chunks().at_risk() > 0
    }

    /// Goes on with it. Whether there is more to be done now.
    pub(crate) fn balance(
        &mut self,
        now: Duration,
        namespace: &Namespace,
        settings: BalanceSettings,
    ) -> bool {
        self.balancer.set_settings(settings);
        let moving = self.is_anything_moving();
        if !self.balancer.tick(now, &self.view, moving) {
            return false;
        }
        if self.offer_round != self.balancer.rounds() {
            self.offer_round = self.balancer.rounds();
            self.offer_from = 0;
        }
        let infos: Vec<_> = namespace.chunks_from(self.offer_from).take(OFFERS).collect();
        for info in &infos {
            if let Some(what) = self.offer(now, info) {
                self.order_move(what);
            }
        }
        let last = infos.last().filter(|_| infos.len() == OFFERS);
        let next = last.map(|info| (info.chunk.as_u64() & u64::from(u32::MAX)) + 1);
        match next.and_then(|next| u32::try_from(next).ok()) {
            Some(next) => {
                self.offer_from = next;
                true
            }
            None => {
                self.offer_from = 0;
                self.balancer.passed();
                false
            }
        }
    }

    /// Whether datanodes copy replicas, as they said last, or have some too many.
    fn is_anything_moving(&self) -> bool {
        let mut live = self.view.nodes().filter(|node| node.liveness == Liveness::Live);
        self.ledger.chunks().of(Class::Surplus) > 0 || live.any(|node| self.transfers_of(node.id) > 0)
    }

    /// Offers a chunk, when nothing at all is wrong with it.
    fn offer(&mut self, now: Duration, info: &ChunkInfo) -> Option<Move> {
        if self.ledger.condition(info.chunk) != Some(Condition::HEALTHY) {
            return None;
        }
        let expected = expected(info);
        let extent = ChunkExtent {
            chunk: info.chunk,
            generation: info.generation,
            len: expected.len?,
        };
        let storages: Vec<StorageId> = self
            .replicas
            .located(info.chunk)
            .filter(|located| located.reach == Reach::Serving)
            .filter(|located| located.replica.standing(expected) == Standing::Valid)
            .map(|located| located.replica.storage)
            .collect();
        self.balancer.offer(now, extent, &storages, &mut self.rng)
    }

    /// The next moves that are to leave for `datanode`, which sends: those that are right by what is known now.
    pub(crate) fn take_moves(
        &mut self,
        now: Duration,
        namespace: &Namespace,
        datanode: DatanodeId,
        limit: usize,
    ) -> Vec<Move> {
        let mut moves = self.next_moves(datanode, limit);
        moves.retain(|what| {
            let right = self.is_move_right(namespace, what);
            if !right {
                self.balancer.failed(now, what.extent.chunk);
            }
            right
        });
        moves
    }

    fn is_move_right(&self, namespace: &Namespace, what: &Move) -> bool {
        let chunk = what.extent.chunk;
        let Some(info) = namespace.chunk(chunk) else {
            return false;
        };
        let expected = expected(&info);
        let same = (info.generation, expected.len) == (what.extent.generation, Some(what.extent.len));
        let mut located = self.replicas.located(chunk);
        let there = located.clone().any(|located| {
            located.node == Some(what.from.datanode) && located.replica.standing(expected) == Standing::Valid
        });
        same && there && !located.any(|located| located.node == Some(what.to.datanode))
    }

    /// How fast one copy may be; 0: no limit.
    pub(crate) fn balance_rate(&self) -> u64 {
        self.balancer.settings().rate()
    }
}
