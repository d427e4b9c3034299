//! The live picture of the cluster: who is there, who has which replica, what is being written, what is to be deleted.
//!
//! All of it is behind one lock and none of it is on disk: after a restart the datanodes tell it anew. They tell it to
//! every master, so that one that takes over knows it already. The rules are in the `placement` crate; here they are put
//! together.

mod balance;
mod draining;
mod extras;
mod holders;
mod invalidate;
mod judge;
mod lead;
mod members;
mod orders;
#[cfg(test)]
pub(crate) mod testing;
mod waiters;
mod writing;

use std::collections::BTreeMap;
use std::time::Duration;

use namespace::{ChunkInfo, Namespace};
use placement::{
    Balancer, Choice, ChunkFate, ClusterView, Expected, FailureDetector, Ledger, Node, Placement as _,
    Policy, Repair, Replica, ReplicaMap, Request, Storage, Sweep, Target, Thresholds,
};
use types::{ChunkId, DatanodeId, StorageId};

use crate::Config;
use draining::Left;
pub(crate) use draining::Looked;
use extras::Extras;
pub(crate) use extras::Traffic;
use invalidate::Invalidation;
pub(crate) use lead::Searched;
use orders::Orders;
pub(crate) use waiters::WaiterId;
use waiters::Waiters;
use writing::Writing;

/// See the module's text.
pub(crate) struct Cluster {
    pub(crate) view: ClusterView,
    pub(crate) replicas: ReplicaMap,
    pub(crate) waiters: Waiters,
    /// How each chunk is.
    pub(crate) ledger: Ledger,
    /// What is to be copied, verified and destroyed: of a master that leads. See [`Cluster::begin_lead`].
    pub(crate) repair: Repair,
    /// What is to be moved, once an operator wants it: of a master that leads.
    pub(crate) balancer: Balancer,
    /// From which slot on chunks are offered to it, and in which of its rounds: each sees all of them from the first on.
    offer_from: u32,
    offer_round: u32,
    writing: Writing,
    invalidation: Invalidation,
    orders: Orders,
    extras: Extras,
    sweep: Sweep,
    /// Whether the ledger is kept: from the moment on at which the picture is settled.
    counts: bool,
    /// Whether this master leads, and repair is fed.
    leads: bool,
    /// From where on the ledger is to be given to repair; none: it has all.
    refill_from: Option<u64>,
    /// Replicas that an acknowledgement promises.
    min_replicas: u16,
    /// What is left on the nodes that drain, as it was seen last.
    left: BTreeMap<DatanodeId, Left>,
    /// Storages that are nobody's, whose replicas are to be forgotten.
    to_forget: Vec<StorageId>,
    /// Which version of the members the view has.
    members_seen: Option<u64>,
    /// When a block report was last asked of a datanode that owes one.
    asked: BTreeMap<DatanodeId, Duration>,
    policy: Policy,
    rng: fastrand::Rng,
}

impl Cluster {
    pub(crate) fn new(config: &Config, seed: u64) -> Self {
        let thresholds = Thresholds {
            reserve_bytes: config.storage_reserve.0,
            streams_max: config.streams_max,
        };
        let detector = FailureDetector::new(config.heartbeat_interval, config.dead_after);
        Self {
            view: ClusterView::new(thresholds, detector),
            replicas: ReplicaMap::new(),
            waiters: Waiters::default(),
            ledger: Ledger::new(),
            repair: Repair::default(),
            balancer: Balancer::default(),
            offer_from: 0,
            offer_round: 0,
            writing: Writing::default(),
            invalidation: Invalidation::default(),
            orders: Orders::default(),
            extras: Extras::default(),
            sweep: Sweep::new(),
            counts: false,
            leads: false,
            refill_from: None,
            min_replicas: config.required_replicas(),
            left: BTreeMap::new(),
            to_forget: Vec::new(),
            members_seen: None,
            asked: BTreeMap::new(),
            policy: Policy::new(config.placement, config.ring_points),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// Asks the placement policy.
    pub(crate) fn choose(&mut self, request: &Request<'_>) -> Choice {
        self.policy.choose(&self.view, request, &mut self.rng)
    }

    /// A random number, to break ties.
    pub(crate) fn tie_breaker(&mut self) -> u32 {
        self.rng.u32(..)
    }

    /// Whether there are members, and all of them have registered and told all that they have.
    pub(crate) fn all_have_reported(&self) -> bool {
        let mut nodes = self.view.nodes().peekable();
        nodes.peek().is_some() && nodes.all(|node| self.has_reported(node))
    }

    /// Whether a member has registered and told all that it has.
    pub(crate) fn has_reported(&self, node: &Node) -> bool {
        let told = |s: &Storage| s.reported.failed.is_some() || self.replicas.has_reported(s.reported.id);
        node.last_heartbeat.is_some() && node.storages.iter().all(told)
    }

    /// Whether a member has not registered since the master started.
    pub(crate) fn somebody_is_absent(&self) -> bool {
        self.view.nodes().any(|node| node.last_heartbeat.is_none())
    }

    /// How many replicas on reachable storages are as `expected`.
    pub(crate) fn confirmed(&self, chunk: ChunkId, expected: Expected) -> usize {
        self.replicas
            .valid(chunk, expected)
            .filter(|replica| self.view.is_usable(replica.storage))
            .count()
    }

    /// The replica of `chunk` on a datanode.
    pub(crate) fn replica_on(&self, datanode: DatanodeId, chunk: ChunkId) -> Option<Replica> {
        let here = |replica: &&Replica| {
            self.view
                .owner(replica.storage)
                .is_some_and(|node| node.id == datanode)
        };
        self.replicas.replicas(chunk).iter().find(here).copied()
    }

    /// Whether a datanode has to be asked for a block report now: it registered a while ago, and still owes one.
    pub(crate) fn owes_report(&mut self, datanode: DatanodeId, now: Duration, patience: Duration) -> bool {
        let Some(node) = self.view.node(datanode) else {
            return false;
        };
        if node
            .storages
            .iter()
            .all(|storage| self.replicas.has_reported(storage.reported.id))
        {
            self.asked.remove(&datanode);
            return false;
        }
        let last = *self.asked.entry(datanode).or_insert(now);
        let overdue = now.saturating_sub(last) >= patience;
        if overdue {
            self.asked.insert(datanode, now);
        }
        overdue
    }

    /// Wakes everybody who waits for anything.
    pub(crate) fn wake_all(&self) {
        self.waiters.wake_all();
    }

    /// A write is reserved: see [`Writing`].
    pub(crate) fn reserve(&mut self, targets: &[Target], bytes: u64) {
        for &target in targets {
            self.view.reserve(target, bytes);
        }
    }

    /// Takes back a reservation that no chunk was added for.
    pub(crate) fn release(&mut self, targets: &[Target], bytes: u64) {
        for &target in targets {
            self.view.release(target, bytes);
        }
    }
}

/// What the metadata says of a chunk.
pub(crate) fn fate(namespace: &Namespace, chunk: ChunkId) -> ChunkFate {
    match namespace.chunk(chunk) {
        Some(info) => ChunkFate::Held(expected(&info)),
        None if namespace.was_given_out(chunk) => ChunkFate::Freed,
        None => ChunkFate::FromTheFuture,
    }
}

/// The version that the replicas of a chunk should have. While another generation is pending, the chunk counts as being
/// written: replicas of either may turn out to be the good ones.
pub(crate) fn expected(info: &ChunkInfo) -> Expected {
    Expected {
        generation: info.generation,
        len: info.len.filter(|_| info.pending_generation.is_none()),
    }
}
