//! What each datanode is to be told, until an answer to it leaves.
//!
//! Nothing in here is a promise: an order is judged once more when it leaves, and one that is lost is given again by who
//! gave it. A datanode whose answer is held back is woken as soon as there is something for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use placement::{Move, Order, Replica, ReplicaState};
use tokio::sync::Notify;
use types::{ChunkId, DatanodeId, Generation};

use super::Cluster;

/// Replicas that one datanode may be asked to look for in its quarantine. What does not fit is asked for again later.
pub(super) const RESTORE_MAX: usize = 20_000;

/// Replicas of one datanode that readers may say are bad, until it has looked.
const SUSPECTS_MAX: usize = 10_000;

/// What one datanode is to be told.
#[derive(Debug, Default)]
struct Outbox {
    orders: VecDeque<Order>,
    moves: VecDeque<Move>,
    restore: BTreeSet<(ChunkId, Generation)>,
    /// Replicas that somebody says are bad: only the datanode's own word is believed.
    suspects: BTreeSet<(ChunkId, Generation)>,
    bell: Arc<Notify>,
    /// How many heartbeats it has sent: only the last is told anything.
    turn: u64,
}

/// What all of them are to be told.
#[derive(Debug, Default)]
pub(super) struct Orders(BTreeMap<DatanodeId, Outbox>);

impl Cluster {
    fn outbox(&mut self, datanode: DatanodeId) -> &mut Outbox {
        self.orders.0.entry(datanode).or_default()
    }

    /// Rung when there is something for `datanode`.
    pub(crate) fn order_bell(&mut self, datanode: DatanodeId) -> Arc<Notify> {
        Arc::clone(&self.outbox(datanode).bell)
    }

    /// There is something for `datanode`: what it waits for is answered.
    pub(super) fn ring(&mut self, datanode: DatanodeId) {
        self.outbox(datanode).bell.notify_one();
    }

    /// `datanode` has sent a heartbeat, and no earlier one is answered with orders any more.
    pub(crate) fn next_turn(&mut self, datanode: DatanodeId) -> u64 {
        let outbox = self.outbox(datanode);
        outbox.turn += 1;
        // Who holds back the answer to the one before lets go of it.
        outbox.bell.notify_waiters();
        outbox.turn
    }

    /// Which heartbeat of `datanode` is the last.
    pub(crate) fn turn(&self, datanode: DatanodeId) -> u64 {
        self.orders.0.get(&datanode).map_or(0, |outbox| outbox.turn)
    }

    /// Somebody is to do something.
    pub(crate) fn order(&mut self, order: Order) {
        let recipient = order.recipient();
        self.outbox(recipient).orders.push_back(order);
        self.ring(recipient);
    }

    /// `datanode` is to look whether a replica rests in its quarantine. False when it has too much to look for already.
    pub(crate) fn order_restoration(
        &mut self,
        datanode: DatanodeId,
        chunk: ChunkId,
        generation: Generation,
    ) -> bool {
        let waiting = &mut self.outbox(datanode).restore;
        if waiting.len() >= RESTORE_MAX {
            return false;
        }
        waiting.insert((chunk, generation));
        self.ring(datanode);
        true
    }

    /// Somebody says that a replica is bad: its datanode is to look. When it has too much to look at already, it is left to
    /// the next reader.
    pub(crate) fn suspect(&mut self, datanode: DatanodeId, chunk: ChunkId, generation: Generation) {
        let suspects = &mut self.outbox(datanode).suspects;
        if suspects.len() < SUSPECTS_MAX && suspects.insert((chunk, generation)) {
            self.ring(datanode);
        }
    }

    /// The next replicas that `datanode` is to look at, of those that it has; they are not there any more.
    pub(crate) fn take_suspects(&mut self, datanode: DatanodeId, limit: usize) -> Vec<(ChunkId, Generation)> {
        let suspects = &mut self.outbox(datanode).suspects;
        let mut next: Vec<_> = std::iter::from_fn(|| suspects.pop_first()).take(limit).collect();
        next.retain(|(chunk, generation)| {
            let has = |replica: Replica| {
                replica.generation == *generation && replica.state == ReplicaState::Finalized
            };
            self.replica_on(datanode, *chunk).is_some_and(has)
        });
        next
    }

    /// A replica is to move: the datanode that has it is to send it.
    pub(super) fn order_move(&mut self, what: Move) {
        let sender = what.from.datanode;
        self.outbox(sender).moves.push_back(what);
        self.ring(sender);
    }

    /// The next moves for `datanode`; they are not there any more.
    pub(super) fn next_moves(&mut self, datanode: DatanodeId, limit: usize) -> Vec<Move> {
        let waiting = &mut self.outbox(datanode).moves;
        let count = waiting.len().min(limit);
        waiting.drain(..count).collect()
    }

    /// The next orders for `datanode`; they are not there any more.
    pub(super) fn next_orders(&mut self, datanode: DatanodeId, limit: usize) -> Vec<Order> {
        let waiting = &mut self.outbox(datanode).orders;
        let count = waiting.len().min(limit);
        waiting.drain(..count).collect()
    }

    /// The next replicas that `datanode` is to look for in its quarantine; they are not there any more.
    pub(super) fn next_restorations(
        &mut self,
        datanode: DatanodeId,
        limit: usize,
    ) -> Vec<(ChunkId, Generation)> {
        let waiting = &mut self.outbox(datanode).restore;
        std::iter::from_fn(|| waiting.pop_first()).take(limit).collect()
    }

    /// The lead is over: what was to be ordered is another master's to know.
    pub(super) fn drop_orders(&mut self) {
        for outbox in self.orders.0.values_mut() {
            outbox.orders.clear();
            outbox.moves.clear();
            outbox.restore.clear();
            outbox.suspects.clear();
            outbox.bell.notify_one();
        }
    }

    /// Nothing is told to `datanode` any more.
    pub(super) fn drop_orders_of(&mut self, datanode: DatanodeId) {
        self.orders.0.remove(&datanode);
    }
}
