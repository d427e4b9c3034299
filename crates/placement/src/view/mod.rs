//! The datanodes as a master sees them.
//!
//! Invariants: a storage belongs to the one node that named it last. What is reserved on a storage, and the number of
//! reserved streams of a node, are the sums over the calls of [`ClusterView::reserve`] that were not released yet; reports
//! do not touch them.

mod candidate;
mod node;
mod reach;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use types::{DatanodeId, StorageId};

use crate::slow::SlowWatch;
use crate::{Admin, FailureDetector, Liveness, Observation, SlowChange, Target, Why};

pub(crate) use candidate::Candidate;
pub use node::{DiskTimes, Named, Node, Storage, StorageReport};

/// What a node must not exceed to take a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Bytes kept free on every storage.
    pub reserve_bytes: u64,
    /// Data streams of one node.
    pub streams_max: u32,
}

/// All datanodes.
#[derive(Debug, Clone)]
pub struct ClusterView {
    thresholds: Thresholds,
    detector: FailureDetector,
    nodes: BTreeMap<DatanodeId, Node>,
    owners: HashMap<StorageId, DatanodeId>,
    slow: SlowWatch,
    /// When the failure detector was asked last.
    assessed: Option<Duration>,
    paused: Option<Pause>,
    /// How many are silent, and how many were to be heard, as of then.
    silent: (usize, usize),
}

/// A time in which this process did nothing, and may have been deaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// When it was over.
    pub ended: Duration,
    /// How long it was.
    pub length: Duration,
}

impl ClusterView {
    /// A view without nodes.
    #[must_use]
    pub fn new(thresholds: Thresholds, detector: FailureDetector) -> Self {
        Self {
            thresholds,
            detector,
            nodes: BTreeMap::new(),
            owners: HashMap::new(),
            slow: SlowWatch::default(),
            assessed: None,
            paused: None,
            silent: (0, 0),
        }
    }

    pub(crate) const fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// Who decides who is alive.
    #[must_use]
    pub const fn detector(&self) -> &FailureDetector {
        &self.detector
    }

    /// Adds a member that has not registered yet. Nothing happens when it is there already.
    pub fn expect(&mut self, id: DatanodeId, host: String, data_port: u16, rack: String) {
        self.nodes
            .entry(id)
            .or_insert_with(|| Node::expected(id, (host, data_port, rack)));
    }

    /// A node says who it is. What is reserved on it, and what operators want of it, stays.
    pub fn register(&mut self, now: Duration, id: DatanodeId, named: Named, storages: Vec<StorageReport>) {
        let node = self
            .nodes
            .entry(id)
            .or_insert_with(|| Node::expected(id, named.clone()));
        (node.host, node.data_port, node.rack) = named;
        node.streams = 0;
        node.late_us = 0;
        node.update(storages);
        heard(&self.detector, node, now);
        self.own(id);
    }

    /// A node lives. False when it has to register first. Without `storages`, what is known of them stays.
    pub fn heartbeat(
        &mut self,
        now: Duration,
        id: DatanodeId,
        storages: Vec<StorageReport>,
        streams: u32,
    ) -> bool {
        let Some(node) = self.nodes.get_mut(&id) else {
            return false;
        };
        let Some(silence) = node.silent_for(now) else {
            return false;
        };
        node.late_us = self.detector.lateness(node.late_us, silence, node.liveness);
        heard(&self.detector, node, now);
        node.streams = streams;
        if !storages.is_empty() {
            let same = node
                .storages
                .iter()
                .map(|storage| storage.reported.id)
                .eq(storages.iter().map(|s| s.id));
            node.update(storages);
            if !same {
                self.own(id);
            }
        }
        true
    }

    /// What operators want of a node. False when there is no such node, or it is so already.
    pub fn set_admin(&mut self, id: DatanodeId, admin: Admin) -> bool {
        let Some(node) = self.nodes.get_mut(&id) else {
            return false;
        };
        std::mem::replace(&mut node.admin, admin) != admin
    }

    /// A node is a member no longer. What was known of it is answered.
    pub fn remove(&mut self, id: DatanodeId) -> Option<Node> {
        self.owners.retain(|_, owner| *owner != id);
        self.nodes.remove(&id)
    }

    /// Asks the failure detector about every node; answers with those that changed: which, from what, to what. To be called
    /// several times in each [`FailureDetector::pause_after`], or every call is taken for the end of a pause.
    pub fn assess(&mut self, now: Duration) -> Vec<(DatanodeId, Liveness, Liveness)> {
        self.excuse_pause(now);
        let observations: Vec<_> = self
            .nodes
            .values()
            .map(|node| Observation {
                datanode: node.id,
                silent_for: node
                    .silent_for(now)
                    .map(|silence| silence.saturating_sub(node.excused)),
                was: node.liveness,
                expected_away: node.admin.at(now) != Admin::InService,
            })
            .collect();
        let assessment = self.detector.assess(&observations);
        self.silent = (assessment.silent, assessment.silent + assessment.heard);
        let mut changed = Vec::new();
        for (node, verdict) in self.nodes.values_mut().zip(assessment.verdicts) {
            if node.liveness != verdict {
                changed.push((node.id, node.liveness, verdict));
                node.liveness = verdict;
                node.since = now;
            }
        }
        changed
    }

    /// Nobody's silence counts for a time in which this process did not listen.
    fn excuse_pause(&mut self, now: Duration) {
        let gap = self.assessed.map_or(Duration::ZERO, |at| now.saturating_sub(at));
        self.assessed = Some(now);
        if gap < self.detector.pause_after {
            return;
        }
        self.paused = Some(Pause {
            ended: now,
            length: gap,
        });
        for node in self.nodes.values_mut() {
            let silence = node
                .last_heartbeat
                .map_or(Duration::ZERO, |at| now.saturating_sub(at));
            node.excused = node.excused.saturating_add(gap.min(silence));
        }
    }

    /// The last time that this process was found to have been paused.
    #[must_use]
    pub const fn last_pause(&self) -> Option<Pause> {
        self.paused
    }

    /// Compares nodes and disks with their peers, at most once in a heartbeat interval; answers with the marks that came and
    /// went.
    pub fn compare(&mut self, now: Duration) -> Vec<SlowChange> {
        self.slow
            .compare(now, self.detector.heartbeat_interval, &mut self.nodes)
    }

    /// Why a node is held to be as alive as it is.
    #[must_use]
    pub fn why(&self, node: &Node, now: Duration) -> Why {
        let silent_for = node.silent_for(now).unwrap_or_default();
        match node.liveness {
            Liveness::Absent => Why::NeverRegistered,
            Liveness::Live => match self.probation(node, now) {
                Some(wait) => Why::Unsteady {
                    comebacks: self.detector.flapping.count(node.comebacks, now),
                    wait,
                },
                None => Why::Heard,
            },
            Liveness::Late => Why::Late { silent_for },
            Liveness::Dead => Why::Silent { silent_for },
            Liveness::Suspicious => Why::NotBelieved {
                silent_for,
                silent: self.silent.0,
                of: self.silent.1,
            },
        }
    }

    /// How much longer a node that comes and goes has to be heard without a gap before it counts for new writes; none when
    /// it counts.
    #[must_use]
    pub fn probation(&self, node: &Node, now: Duration) -> Option<Duration> {
        let wait = self.detector.flapping.probation(node.comebacks, now);
        let steady = match node.liveness {
            Liveness::Live => now.saturating_sub(node.since),
            _ => Duration::ZERO,
        };
        wait.checked_sub(steady).filter(|left| !left.is_zero())
    }

    /// One node.
    #[must_use]
    pub fn node(&self, id: DatanodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// All nodes, in the order of their ids.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// The node that `storage` belongs to.
    #[must_use]
    pub fn owner(&self, storage: StorageId) -> Option<&Node> {
        self.owners.get(&storage).and_then(|id| self.nodes.get(id))
    }

    /// Whether data on `storage` is expected to be reachable: its node lives, and the storage has not failed.
    #[must_use]
    pub fn is_usable(&self, storage: StorageId) -> bool {
        self.owner(storage).is_some_and(|node| {
            let works = |s: &Storage| s.reported.id == storage && s.reported.failed.is_none();
            node.liveness.is_usable() && node.storages.iter().any(works)
        })
    }

    fn own(&mut self, id: DatanodeId) {
        self.owners.retain(|_, owner| *owner != id);
        if let Some(node) = self.nodes.get(&id) {
            self.owners
                .extend(node.storages.iter().map(|storage| (storage.reported.id, id)));
        }
    }

    /// Counts a write of up to `bytes` as load of `target` until it is released.
    pub fn reserve(&mut self, target: Target, bytes: u64) {
        if let Some(node) = self.nodes.get_mut(&target.datanode) {
            node.reserved_streams += 1;
            if let Some(storage) = node.storage_mut(target.storage) {
                storage.reserved = storage.reserved.saturating_add(bytes);
            }
        }
    }

    /// Takes back a [`ClusterView::reserve`] with the same arguments.
    pub fn release(&mut self, target: Target, bytes: u64) {
        if let Some(node) = self.nodes.get_mut(&target.datanode) {
            node.reserved_streams = node.reserved_streams.saturating_sub(1);
            if let Some(storage) = node.storage_mut(target.storage) {
                storage.reserved = storage.reserved.saturating_sub(bytes);
            }
        }
    }
}

/// A node was heard.
fn heard(detector: &FailureDetector, node: &mut Node, now: Duration) {
    if node.liveness == Liveness::Dead && node.admin.at(now) == Admin::InService {
        node.comebacks = detector.flapping.again(node.comebacks, now);
    }
    if node.liveness != Liveness::Live {
        node.liveness = Liveness::Live;
        node.since = now;
    }
    node.last_heartbeat = Some(now);
    node.excused = Duration::ZERO;
}

#[cfg(test)]
mod tests;
