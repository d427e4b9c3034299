//! The desk of recoveries: what datanodes say they have not finished, what is asked of them, and what they answered.
//!
//! All of it is in memory: a datanode tells everything again every few seconds, to every master, so that one that takes over
//! knows who has what. An order that is lost is no harm, for the recovery is tried again, under a newer generation.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use types::{ChunkExtent, ChunkId, DatanodeId, Generation, InodeId};

/// Orders that wait for one datanode, at most: one that never asks must not fill the memory.
const ORDERS_MAX: usize = 1_000;

/// What is asked of a datanode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) chunk: ChunkId,
    /// In force.
    pub(crate) generation: Generation,
    /// Of this recovery.
    pub(crate) recovery: Generation,
    /// What to finish it with; none: only to be stopped.
    pub(crate) len: Option<u64>,
}

/// What a datanode answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Nothing,
    Unfinished(u64),
    /// Of a datanode that has restarted since: it may have had more.
    Left(u64),
    Finished(u64),
    Failed(String),
}

/// What all datanodes said last that they have not finished.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unfinished {
    told_by: BTreeSet<DatanodeId>,
    chunks: HashMap<ChunkId, Vec<(DatanodeId, Generation)>>,
}

impl Unfinished {
    /// Whether a datanode has said what it has not finished; it may be nothing.
    pub(crate) fn is_told_by(&self, datanode: DatanodeId) -> bool {
        self.told_by.contains(&datanode)
    }

    /// Who has `chunk`, of this generation or a newer one.
    pub(crate) fn of(&self, chunk: ChunkId, from: Generation) -> impl Iterator<Item = DatanodeId> + '_ {
        let holders = self.chunks.get(&chunk).into_iter().flatten();
        holders
            .filter(move |(_, generation)| *generation >= from)
            .map(|(datanode, _)| *datanode)
    }
}

#[derive(Default)]
struct State {
    /// By everybody who has told, also that it is nothing.
    unfinished: HashMap<DatanodeId, Vec<ChunkExtent>>,
    orders: HashMap<DatanodeId, Vec<Order>>,
    /// Of the recoveries that run.
    answers: HashMap<(ChunkId, Generation), BTreeMap<DatanodeId, Answer>>,
    /// What files wait for that could not be recovered, and how often it was tried.
    waiting: HashMap<InodeId, (u32, String)>,
}

/// See the module's text.
pub(crate) struct Desk {
    state: Mutex<State>,
    /// Counts what changed.
    changed: watch::Sender<u64>,
    wanted: Notify,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            changed: watch::Sender::new(0),
            wanted: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// From here on no change is missed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// There is a file to be recovered.
    pub(crate) fn want(&self) {
        self.wanted.notify_one();
    }

    /// Waits until there is.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// All that a datanode has not finished.
    pub(crate) fn told(&self, datanode: DatanodeId, unfinished: Vec<ChunkExtent>) {
        self.lock().unfinished.insert(datanode, unfinished);
    }

    /// What all of them said last.
    pub(crate) fn unfinished(&self) -> Unfinished {
        let state = self.lock();
        let mut all = Unfinished::default();
        for (&datanode, extents) in &state.unfinished {
            all.told_by.insert(datanode);
            for extent in extents {
                let holders = all.chunks.entry(extent.chunk).or_default();
                holders.push((datanode, extent.generation));
            }
        }
        all
    }

    /// Who says to have not finished `chunk`, of this generation or a newer one.
    pub(crate) fn holders(&self, chunk: ChunkId, from: Generation) -> BTreeSet<DatanodeId> {
        let state = self.lock();
        let is_it = |extent: &ChunkExtent| extent.chunk == chunk && extent.generation >= from;
        let has = |(_, extents): &(&DatanodeId, &Vec<ChunkExtent>)| extents.iter().any(is_it);
        state.unfinished.iter().filter(has).map(|(id, _)| *id).collect()
    }

    /// A recovery begins: its answers are wanted until [`Desk::end`].
    pub(crate) fn begin(&self, chunk: ChunkId, recovery: Generation) {
        self.lock().answers.insert((chunk, recovery), BTreeMap::new());
    }

    /// Asks something of a datanode. What it answered before is forgotten.
    pub(crate) fn order(&self, datanode: DatanodeId, order: Order) {
        {
            let mut state = self.lock();
            if let Some(answers) = state.answers.get_mut(&(order.chunk, order.recovery)) {
                answers.remove(&datanode);
            }
            let orders = state.orders.entry(datanode).or_default();
            if orders.len() < ORDERS_MAX {
                orders.push(order);
            }
        }
        self.tell();
    }

    /// What is asked of a datanode: told once.
    pub(crate) fn take_orders(&self, datanode: DatanodeId) -> Vec<Order> {
        self.lock().orders.remove(&datanode).unwrap_or_default()
    }

    /// What a datanode answered. Nobody waits for the answers of a recovery that is over.
    pub(crate) fn answered(
        &self,
        datanode: DatanodeId,
        chunk: ChunkId,
        recovery: Generation,
        answer: Answer,
    ) {
        if let Some(answers) = self.lock().answers.get_mut(&(chunk, recovery)) {
            answers.insert(datanode, answer);
        }
        self.tell();
    }

    /// The answers by now.
    pub(crate) fn answers(&self, chunk: ChunkId, recovery: Generation) -> BTreeMap<DatanodeId, Answer> {
        let state = self.lock();
        state.answers.get(&(chunk, recovery)).cloned().unwrap_or_default()
    }

    /// The recovery is over.
    pub(crate) fn end(&self, chunk: ChunkId, recovery: Generation) {
        let mut state = self.lock();
        state.answers.remove(&(chunk, recovery));
        state.orders.retain(|_, orders| {
            orders.retain(|order| (order.chunk, order.recovery) != (chunk, recovery));
            !orders.is_empty()
        });
    }

    /// A file could not be recovered yet. Gives how long to wait before the next attempt.
    pub(crate) fn failed(&self, inode: InodeId, why: String) -> Duration {
        let attempts = {
            let mut state = self.lock();
            let waiting = state.waiting.entry(inode).or_default();
            *waiting = (waiting.0 + 1, why);
            waiting.0
        };
        self.tell();
        Duration::from_millis(100 << attempts.min(6)).min(Duration::from_secs(5))
    }

    /// A file is closed.
    pub(crate) fn closed(&self, inode: InodeId) {
        self.lock().waiting.remove(&inode);
        self.tell();
    }

    /// Why a file is not recovered yet.
    pub(crate) fn waits_for(&self, inode: InodeId) -> Option<String> {
        self.lock().waiting.get(&inode).map(|(_, why)| why.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_told_once_and_only_of_recoveries_that_run() {
        let desk = Desk::new();
        let (node, chunk) = (DatanodeId::from_random_bytes([1; 16]), ChunkId::new(1).unwrap());
        let order = |recovery| Order {
            chunk,
            generation: Generation(1),
            recovery: Generation(recovery),
            len: None,
        };
        desk.begin(chunk, Generation(2));
        desk.order(node, order(2));
        assert_eq!(desk.take_orders(node), [order(2)]);
        assert!(desk.take_orders(node).is_empty());
        desk.answered(node, chunk, Generation(2), Answer::Unfinished(7));
        desk.answered(node, chunk, Generation(1), Answer::Unfinished(9));
        assert_eq!(
            desk.answers(chunk, Generation(2)),
            BTreeMap::from([(node, Answer::Unfinished(7))])
        );
        assert!(desk.answers(chunk, Generation(1)).is_empty());
        desk.order(node, order(2));
        assert!(desk.answers(chunk, Generation(2)).is_empty(), "asked anew");
        desk.end(chunk, Generation(2));
        assert!(desk.take_orders(node).is_empty());
    }

    #[test]
    fn who_has_not_finished_a_chunk_is_known_as_of_the_last_word() {
        let desk = Desk::new();
        let [one, two] = [[1; 16], [2; 16]].map(DatanodeId::from_random_bytes);
        let extent = |id| ChunkExtent {
            chunk: ChunkId::new(id).unwrap(),
            generation: Generation(1),
            len: 5,
        };
        desk.told(one, vec![extent(1), extent(2)]);
        desk.told(two, vec![extent(2)]);
        assert_eq!(
            desk.holders(extent(2).chunk, Generation(1)),
            BTreeSet::from([one, two])
        );
        assert!(
            desk.holders(extent(2).chunk, Generation(2)).is_empty(),
            "an older one"
        );
        desk.told(one, vec![extent(1)]);
        assert_eq!(
            desk.holders(extent(2).chunk, Generation(1)),
            BTreeSet::from([two])
        );
        desk.told(two, Vec::new());
        assert_eq!(desk.holders(extent(2).chunk, Generation(1)), BTreeSet::new());
        let all = desk.unfinished();
        assert!(
            all.is_told_by(one) && all.is_told_by(two),
            "also that it is nothing"
        );
        assert!(!all.is_told_by(DatanodeId::from_random_bytes([3; 16])));
        let of = |from| all.of(extent(1).chunk, Generation(from)).collect::<Vec<_>>();
        assert_eq!((of(1), of(2)), (vec![one], vec![]));
    }

    #[test]
    fn attempts_become_rarer() {
        let desk = Desk::new();
        let pauses: Vec<_> = (0..9).map(|_| desk.failed(InodeId(1), "x".to_owned())).collect();
        assert!(pauses.is_sorted());
        assert_eq!(pauses[8], Duration::from_secs(5));
        assert_eq!(desk.waits_for(InodeId(1)).as_deref(), Some("x"));
        desk.closed(InodeId(1));
        assert_eq!(desk.waits_for(InodeId(1)), None);
    }
}
