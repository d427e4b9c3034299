//! A cluster in virtual time: nodes with disks, a master that hears of them late, and orders that take their time.
//!
//! What is destroyed is held against what is really on the disks, whatever the master believes.

use std::collections::BTreeMap;
use std::time::Duration;

use types::{ChunkExtent, ChunkId, DatanodeId, Generation, InodeId, StorageId};

use crate::{
    Admin, Class, ClusterView, Condition, DiskTimes, Expected, Facts, FailureDetector, First, Ledger, Order,
    Placement, Priority, Repair, RepairSettings, ReplicaMap, Situation, Spread, StorageReport, Thresholds,
    Wanted, classify,
};

pub(super) const MIB: u64 = 1 << 20;
const STEP: Duration = Duration::from_millis(200);
const HEARTBEAT: Duration = Duration::from_secs(3);
const MASTER: Duration = Duration::from_secs(10);

pub(super) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn chunk(n: u64) -> ChunkId {
    ChunkId::new(n).unwrap()
}

/// A number eight times over.
fn bytes(n: usize) -> [u8; 16] {
    let number = u16::try_from(n).unwrap().to_be_bytes();
    number.repeat(8).try_into().unwrap()
}

fn id(n: usize) -> DatanodeId {
    DatanodeId::from_random_bytes(bytes(n))
}

fn storage(n: usize) -> StorageId {
    StorageId::from_random_bytes(bytes(n))
}

struct TestNode {
    rack: String,
    alive: bool,
    heard: Duration,
    /// What is really on its disk: the version, and whether its bytes are good.
    disk: BTreeMap<ChunkId, (ChunkExtent, bool)>,
    /// When each was last read again, really.
    read: BTreeMap<ChunkId, Duration>,
    fails_to_receive: bool,
    answers_verifications: bool,
    deletes_after: Duration,
}

pub(super) struct World {
    pub(super) now: Duration,
    view: ClusterView,
    pub(super) replicas: ReplicaMap,
    pub(super) ledger: Ledger,
    pub(super) repair: Repair,
    rng: fastrand::Rng,
    nodes: Vec<TestNode>,
    wanted: BTreeMap<ChunkId, Wanted>,
    under_way: Vec<(Duration, Order)>,
    /// Every order, and when it was given.
    pub(super) orders: Vec<(Duration, Order)>,
    policy: Box<dyn Placement>,
    pub(super) bytes_per_s: u64,
}

impl World {
    /// Nodes in one rack, with the default settings.
    pub(super) fn of(nodes: usize) -> Self {
        let thresholds = Thresholds {
            reserve_bytes: 0,
            streams_max: 256,
        };
        let mut world = Self {
            now: secs(100),
            view: ClusterView::new(thresholds, FailureDetector::new(HEARTBEAT, MASTER)),
            replicas: ReplicaMap::new(),
            ledger: Ledger::new(),
            repair: Repair::new(RepairSettings::default()),
            rng: fastrand::Rng::with_seed(7),
            nodes: Vec::new(),
            wanted: BTreeMap::new(),
            under_way: Vec::new(),
            orders: Vec::new(),
            policy: Box::new(Spread),
            bytes_per_s: 64 * MIB,
        };
        for n in 0..nodes {
            world.nodes.push(TestNode {
                rack: "/a".to_owned(),
                alive: true,
                heard: world.now,
                disk: BTreeMap::new(),
                read: BTreeMap::new(),
                fails_to_receive: false,
                answers_verifications: true,
                deletes_after: Duration::ZERO,
            });
            world.register(n);
        }
        world.look_around();
        world
    }

    pub(super) fn in_racks(racks: &[&str]) -> Self {
        let mut world = Self::of(racks.len());
        for (n, rack) in racks.iter().enumerate() {
            world.nodes[n].rack = (*rack).to_owned();
            world.register(n);
        }
        world.look_around();
        world
    }

    pub(super) fn with_policy_first(mut self) -> Self {
        self.policy = Box::new(First);
        self
    }

    fn report(&self, n: usize) -> Vec<StorageReport> {
        let used: u64 = self.nodes[n].disk.values().map(|(extent, _)| extent.len).sum();
        vec![storage_report(storage(n), used)]
    }

    fn register(&mut self, n: usize) {
        let named = (format!("node-{n}"), 9866, self.nodes[n].rack.clone());
        let reports = self.report(n);
        self.nodes[n].heard = self.now;
        self.view.register(self.now, id(n), named, reports);
        self.replicas.registered(storage(n));
        let listed: Vec<_> = self.nodes[n].disk.values().map(|(extent, _)| *extent).collect();
        let summary = self.replicas.report(storage(n), &crate::Buckets::all(), &listed);
        for chunk in summary.appeared.into_iter().chain(summary.gone) {
            self.note(chunk);
        }
    }

    /// A chunk of a file, with a good replica on each of these.
    pub(super) fn write(&mut self, n: u64, len: u64, on: &[usize]) {
        let extent = ChunkExtent {
            chunk: chunk(n),
            generation: Generation(1),
            len,
        };
        let expected = Expected {
            generation: Generation(1),
            len: Some(len),
        };
        let wanted = Wanted {
            expected,
            replicas: 3,
            min_replicas: 2,
        };
        self.wanted.insert(chunk(n), wanted);
        for &node in on {
            self.nodes[node].disk.insert(chunk(n), (extent, true));
            self.replicas.received(storage(node), extent);
        }
        self.note(chunk(n));
    }

    pub(super) fn want(&mut self, n: u64, replicas: usize) {
        self.wanted.get_mut(&chunk(n)).unwrap().replicas = replicas;
        self.note(chunk(n));
    }

    pub(super) fn wanted(&self, n: u64) -> usize {
        self.wanted[&chunk(n)].replicas
    }

    pub(super) fn remove_file(&mut self, n: u64) {
        self.wanted.remove(&chunk(n));
        self.note(chunk(n));
    }

    pub(super) fn kill(&mut self, n: usize) {
        self.nodes[n].alive = false;
    }

    pub(super) fn revive(&mut self, n: usize) {
        self.nodes[n].alive = true;
        self.register(n);
    }

    pub(super) fn wipe(&mut self, n: usize) {
        self.nodes[n].disk.clear();
    }

    pub(super) fn admin(&mut self, n: usize, admin: Admin) {
        self.view.set_admin(id(n), admin);
    }

    pub(super) fn refuse_copies(&mut self, n: usize) {
        self.nodes[n].fails_to_receive = true;
    }

    pub(super) fn answer_no_verifications(&mut self, n: usize) {
        self.nodes[n].answers_verifications = false;
    }

    pub(super) fn delete_slowly(&mut self, n: usize, after: Duration) {
        self.nodes[n].deletes_after = after;
    }

    /// The bytes of a replica change, and nobody notices.
    pub(super) fn rot(&mut self, n: usize, of: u64) {
        if let Some((_, good)) = self.nodes[n].disk.get_mut(&chunk(of)) {
            *good = false;
        }
    }

    /// A scrub of the node finds out.
    pub(super) fn find_rot(&mut self, n: usize, of: u64) {
        if self.nodes[n].disk.get(&chunk(of)).is_some_and(|(_, good)| !good) {
            self.replicas.corrupt(storage(n), chunk(of), Generation(1));
            self.note(chunk(of));
        }
    }

    /// Heartbeats, the failure detector, and a sweep if anything about the nodes is different.
    fn look_around(&mut self) {
        for n in 0..self.nodes.len() {
            if self.nodes[n].alive && self.now.saturating_sub(self.nodes[n].heard) >= HEARTBEAT {
                self.nodes[n].heard = self.now;
                let reports = self.report(n);
                self.view.heartbeat(self.now, id(n), reports, 0);
            }
        }
        self.view.assess(self.now);
        let places: BTreeMap<_, _> = self.view.places(self.now).collect();
        let changed = self
            .replicas
            .place(false, |storage| places.get(&storage).copied());
        if changed {
            let chunks: Vec<_> = self.wanted.keys().copied().collect();
            for chunk in chunks {
                self.note(chunk);
            }
        }
    }

    pub(super) fn facts(&self, chunk: ChunkId) -> Option<Facts> {
        let wanted = self.wanted.get(&chunk)?;
        Some(Facts::of(&self.replicas, chunk, wanted.expected, wanted.replicas))
    }

    /// What the master does with every event.
    fn note(&mut self, chunk: ChunkId) {
        let condition: Option<Condition> = self.facts(chunk).as_ref().map(classify);
        match condition {
            Some(condition) => {
                self.ledger
                    .set(self.now, chunk, InodeId(chunk.as_u64()), condition);
            }
            None => {
                self.ledger.remove(self.now, chunk);
            }
        }
        self.repair.set(self.now, chunk, condition, 2);
    }

    /// Plans, and lets the orders arrive after `delay`.
    pub(super) fn plan(&mut self) -> Vec<Order> {
        let situation = Situation {
            now: self.now,
            view: &self.view,
            replicas: &self.replicas,
            policy: self.policy.as_ref(),
        };
        let wanted = &self.wanted;
        self.repair.plan(
            &situation,
            |chunk| wanted.get(&chunk).copied(),
            &mut self.rng,
            1_000,
        )
    }

    pub(super) fn confirm(&mut self, order: &Order) -> bool {
        let situation = Situation {
            now: self.now,
            view: &self.view,
            replicas: &self.replicas,
            policy: self.policy.as_ref(),
        };
        let wanted = &self.wanted;
        self.repair
            .confirm(&situation, order, |chunk| wanted.get(&chunk).copied())
    }

    fn send(&mut self, order: Order) {
        self.orders.push((self.now, order));
        let takes = match order {
            Order::Copy { extent, .. } => Duration::from_millis(extent.len * 1000 / self.bytes_per_s + 20),
            Order::Verify { .. } => Duration::from_millis(100),
            Order::Delete { node, .. } => self.nodes[index(node)].deletes_after,
        };
        self.under_way.push((self.now + takes, order));
    }

    fn arrive(&mut self, order: Order) {
        match order {
            Order::Copy {
                extent,
                source,
                target,
                ..
            } => {
                let (from, to) = (index(source), index(target.datanode));
                let there = self.nodes[from].disk.get(&extent.chunk);
                let can = there.is_some_and(|(_, good)| *good) && self.nodes[from].alive;
                if can && self.nodes[to].fails_to_receive {
                    self.repair
                        .failed(self.now, source, extent.chunk, "connection refused");
                    self.note(extent.chunk);
                } else if can && self.nodes[to].alive {
                    self.nodes[to].disk.insert(extent.chunk, (extent, true));
                    self.replicas.received(storage(to), extent);
                    self.repair.received(extent.chunk, target.datanode);
                    self.note(extent.chunk);
                }
            }
            Order::Verify { node, chunk, .. } => {
                let n = index(node);
                if !self.nodes[n].alive || !self.nodes[n].answers_verifications {
                    return;
                }
                if let Some((extent, good)) = self.nodes[n].disk.get(&chunk).copied() {
                    if good {
                        self.nodes[n].read.insert(chunk, self.now);
                        self.replicas.verified(self.now, storage(n), extent);
                    } else {
                        self.replicas.corrupt(storage(n), chunk, extent.generation);
                    }
                    self.repair.verified(chunk, node);
                    self.note(chunk);
                }
            }
            Order::Delete {
                node,
                chunk,
                only_corrupt,
                ..
            } => {
                let n = index(node);
                let there = self.nodes[n].disk.get(&chunk).copied();
                if !self.nodes[n].alive || there.is_some_and(|(_, good)| good && only_corrupt) {
                    return;
                }
                if there.is_some() {
                    self.check_destruction(n, chunk);
                    self.nodes[n].disk.remove(&chunk);
                }
                self.replicas.deleted(storage(n), chunk);
                self.repair.deleted(chunk, node);
                self.note(chunk);
            }
        }
    }

    /// Whether enough good ones are really there, and were really read, when one is destroyed.
    fn check_destruction(&self, on: usize, chunk: ChunkId) {
        let Some(wanted) = self.wanted.get(&chunk) else {
            return;
        };
        let read = (0..self.nodes.len()).filter(|n| {
            let node = &self.nodes[*n];
            let read = node.read.get(&chunk);
            *n != on
                && node.disk.contains_key(&chunk)
                && read.is_some_and(|at| self.now.saturating_sub(*at) <= secs(660))
        });
        let read: Vec<_> = read.collect();
        assert!(
            read.len() >= wanted.replicas,
            "chunk {chunk} was destroyed on node {on} at {:?}, and others were read on {read:?} only",
            self.now
        );
    }

    /// No node sends or receives more than it may.
    fn check_limits(&self) {
        let settings = self.repair.settings();
        for n in 0..self.nodes.len() {
            let copies = || {
                self.under_way.iter().filter_map(|(_, order)| match order {
                    Order::Copy {
                        extent,
                        source,
                        target,
                        urgency,
                        ..
                    } if extent.len > 8 * MIB => Some((*source, target.datanode, *urgency)),
                    _ => None,
                })
            };
            let urgent = copies().any(|(.., urgency)| urgency.is_urgent());
            let factor = if urgent { settings.urgent_factor } else { 1 };
            let max = usize::try_from(settings.streams_per_node * factor).unwrap();
            let sent = copies().filter(|(source, ..)| *source == id(n)).count();
            let received = copies().filter(|(_, target, _)| *target == id(n)).count();
            assert!(
                sent <= max && received <= max,
                "node {n}: {sent} out, {received} in"
            );
        }
    }

    pub(super) fn step(&mut self) {
        self.now += STEP;
        self.look_around();
        let now = self.now;
        let (due, later) = std::mem::take(&mut self.under_way)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.under_way = later;
        let due: Vec<(Duration, Order)> = due;
        for (_, order) in due {
            self.arrive(order);
        }
        for order in self.plan() {
            if self.confirm(&order) {
                self.send(order);
            }
        }
        self.check_limits();
        self.check_counts();
    }

    fn check_counts(&self) {
        assert_eq!(self.ledger.chunks().total(), self.wanted.len() as u64);
    }

    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    /// Runs until the ledger says that all chunks are healthy; how long it took.
    pub(super) fn run_until_healthy(&mut self, at_most: Duration) -> Duration {
        let begin = self.now;
        while self.ledger.chunks().of(Class::Healthy) < self.wanted.len() as u64 {
            assert!(
                self.now - begin < at_most,
                "not healed after {at_most:?}: {:?}, {:?}",
                self.ledger.chunks(),
                self.repair.status()
            );
            self.step();
        }
        self.now - begin
    }

    /// The nodes that live and really have a good replica.
    pub(super) fn good(&self, n: u64) -> Vec<usize> {
        let has = |node: &TestNode| node.alive && node.disk.get(&chunk(n)).is_some_and(|(_, good)| *good);
        (0..self.nodes.len()).filter(|n| has(&self.nodes[*n])).collect()
    }

    /// The nodes that have anything of a chunk on disk.
    pub(super) fn has(&self, n: u64) -> Vec<usize> {
        let has = |node: &TestNode| node.disk.contains_key(&chunk(n));
        (0..self.nodes.len()).filter(|n| has(&self.nodes[*n])).collect()
    }

    /// When each copy was ordered, and how urgent it was.
    pub(super) fn copies(&self) -> Vec<(Duration, Priority, ChunkId)> {
        self.orders
            .iter()
            .filter_map(|(at, order)| match order {
                Order::Copy { extent, urgency, .. } => Some((*at, *urgency, extent.chunk)),
                _ => None,
            })
            .collect()
    }

    pub(super) fn deletions(&self) -> usize {
        let deletes = |(_, order): &&(Duration, Order)| matches!(order, Order::Delete { .. });
        self.orders.iter().filter(deletes).count()
    }

    pub(super) fn verifications(&self) -> usize {
        let verifies = |(_, order): &&(Duration, Order)| matches!(order, Order::Verify { .. });
        self.orders.iter().filter(verifies).count()
    }

    pub(super) fn class(&self, n: u64) -> Class {
        self.ledger.condition(chunk(n)).unwrap().class
    }

    pub(super) fn first_target(&self) -> usize {
        let target = self.orders.iter().find_map(|(_, order)| match order {
            Order::Copy { target, .. } => Some(index(target.datanode)),
            _ => None,
        });
        target.unwrap()
    }

    pub(super) fn first_source(&self) -> usize {
        let source = self.orders.iter().find_map(|(_, order)| match order {
            Order::Copy { source, .. } => Some(index(*source)),
            _ => None,
        });
        source.unwrap()
    }
}

fn index(node: DatanodeId) -> usize {
    let bytes = node.0.as_bytes();
    usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
}

fn storage_report(id: StorageId, used: u64) -> StorageReport {
    StorageReport {
        id,
        capacity: 1 << 40,
        used,
        available: (1 << 40) - used,
        chunks: 0,
        failed: None,
        times: DiskTimes::default(),
    }
}

impl World {
    /// An order is carried out at once.
    pub(super) fn answer(&mut self, order: Order) {
        self.arrive(order);
    }

    /// A good replica on another node than `node` is gone, and the master has heard of it.
    pub(super) fn lose_another_than(&mut self, node: DatanodeId, of: u64) {
        let other = self.good(of).into_iter().find(|n| id(*n) != node).unwrap();
        self.nodes[other].disk.remove(&chunk(of));
        self.replicas.deleted(storage(other), chunk(of));
        self.note(chunk(of));
    }
}
