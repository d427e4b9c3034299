//! The datanodes as a master sees them.
//!
//! Invariants: a storage belongs to the one node that named it last. What is reserved on a storage, and the number of reserved streams of a node, are the sums over the calls of
//! [`ClusterView::reserve`] that were not released yet; reports do not touch them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use types::{DatanodeId, StorageId};

use crate::{FailureDetector, Liveness, Observation, Reason, Refusal, Request, Target};

/// What a node must not exceed to take a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Bytes kept free on every storage.
    pub reserve_bytes: u64,
    /// Data streams of one node.
    pub streams_max: u32,
}

/// A storage as its datanode reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageReport {
    /// Which.
    pub id: StorageId,
    /// Bytes in all.
    pub capacity: u64,
    /// Bytes used by chunks.
    pub used: u64,
    /// Bytes that may still be used.
    pub available: u64,
    /// Replicas on it.
    pub chunks: u64,
    /// Why it can not be used; none when it can.
    pub failed: Option<String>,
}

/// A volume of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// What was last reported.
    pub reported: StorageReport,
    /// Bytes that writes in progress may still fill.
    pub reserved: u64,
}

impl Storage {
    /// Bytes that nobody has spoken for.
    #[must_use]
    pub const fn unclaimed(&self) -> u64 {
        self.reported.available.saturating_sub(self.reserved)
    }
}

/// A datanode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Which.
    pub id: DatanodeId,
    /// How it wants to be reached.
    pub host: String,
    /// The port of its data plane.
    pub data_port: u16,
    /// Its rack.
    pub rack: String,
    /// Its volumes.
    pub storages: Vec<Storage>,
    /// Data streams that it last reported.
    pub streams: u32,
    /// Writes in progress that were sent to it.
    pub reserved_streams: u32,
    /// When it last reported; none when it has not registered.
    pub last_heartbeat: Option<Duration>,
    /// What the failure detector made of it last.
    pub liveness: Liveness,
}

impl Node {
    /// `host:port` of the data plane.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.data_port)
    }

    /// The time since the last heartbeat; none when it has not registered.
    #[must_use]
    pub fn silent_for(&self, now: Duration) -> Option<Duration> {
        self.last_heartbeat.map(|at| now.saturating_sub(at))
    }

    /// Streams that run or are about to. A write in progress is in the node's own figure only since the last heartbeat,
    /// and reads are only in that figure: the larger of the two counts no stream twice.
    #[must_use]
    pub fn busy_streams(&self) -> u32 {
        self.streams.max(self.reserved_streams)
    }

    fn storage_mut(&mut self, id: StorageId) -> Option<&mut Storage> {
        self.storages.iter_mut().find(|storage| storage.reported.id == id)
    }

    fn update(&mut self, reports: Vec<StorageReport>) {
        let old = std::mem::take(&mut self.storages);
        self.storages = reports
            .into_iter()
            .map(|reported| {
                let same = old.iter().find(|storage| storage.reported.id == reported.id);
                Storage {
                    reserved: same.map_or(0, |storage| storage.reserved),
                    reported,
                }
            })
            .collect();
    }
}

/// A node that can take a chunk.
pub(crate) struct Candidate<'a> {
    pub(crate) node: &'a Node,
    pub(crate) target: Target,
    /// 0 is empty and idle; 2 is full and busy.
    pub(crate) load: f64,
}

/// All datanodes.
#[derive(Debug, Clone)]
pub struct ClusterView {
    thresholds: Thresholds,
    detector: FailureDetector,
    nodes: BTreeMap<DatanodeId, Node>,
    owners: HashMap<StorageId, DatanodeId>,
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
        }
    }

    /// Adds a member that has not registered yet. Nothing happens when it is there already.
    pub fn expect(&mut self, id: DatanodeId, host: String, data_port: u16, rack: String) {
        self.nodes.entry(id).or_insert_with(|| Node {
            id,
            host,
            data_port,
            rack,
            storages: Vec::new(),
            streams: 0,
            reserved_streams: 0,
            last_heartbeat: None,
            liveness: Liveness::Absent,
        });
    }

    /// A node says who it is. What is reserved on it stays.
    pub fn register(
        &mut self,
        now: Duration,
        id: DatanodeId,
        (host, data_port, rack): (String, u16, String),
        storages: Vec<StorageReport>,
    ) {
        self.expect(id, host.clone(), data_port, rack.clone());
        if let Some(node) = self.nodes.get_mut(&id) {
            node.host = host;
            node.data_port = data_port;
            node.rack = rack;
            node.streams = 0;
            node.last_heartbeat = Some(now);
            node.liveness = Liveness::Live;
            node.update(storages);
        }
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
        let registered = |node: &&mut Node| node.last_heartbeat.is_some();
        let Some(node) = self.nodes.get_mut(&id).filter(registered) else {
            return false;
        };
        node.last_heartbeat = Some(now);
        node.liveness = Liveness::Live;
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

    /// Asks the failure detector about every node; answers with those that changed: which, from what, to what.
    pub fn assess(&mut self, now: Duration) -> Vec<(DatanodeId, Liveness, Liveness)> {
        let observations: Vec<_> = self
            .nodes
            .values()
            .map(|node| Observation {
                datanode: node.id,
                silent_for: node.silent_for(now),
                was: node.liveness,
            })
            .collect();
        let verdicts = self.detector.assess(&observations);
        let mut changed = Vec::new();
        for (node, verdict) in self.nodes.values_mut().zip(verdicts) {
            if node.liveness != verdict {
                changed.push((node.id, node.liveness, verdict));
                node.liveness = verdict;
            }
        }
        changed
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

    /// The nodes that can take what `request` asks for, and why each other one can not; both in the order of their ids.
    /// Every policy starts from here.
    pub(crate) fn candidates(&self, request: &Request<'_>) -> (Vec<Candidate<'_>>, Vec<Refusal>) {
        let (mut candidates, mut refusals) = (Vec::new(), Vec::new());
        for node in self.nodes.values() {
            match self.judge(node, request) {
                Ok(candidate) => candidates.push(candidate),
                Err(reason) => refusals.push(Refusal {
                    datanode: node.id,
                    address: node.address(),
                    reason,
                }),
            }
        }
        (candidates, refusals)
    }

    fn judge<'a>(&self, node: &'a Node, request: &Request<'_>) -> Result<Candidate<'a>, Reason> {
        let silent_for = node.silent_for(request.now);
        if request.existing.contains(&node.id) {
            return Err(Reason::HasReplica);
        }
        if request.exclude.contains(&node.id) {
            let conspicuous = |age: &Duration| *age >= self.detector.late_after;
            return Err(Reason::Excluded {
                silent_for: silent_for.filter(conspicuous),
            });
        }
        match (node.liveness, silent_for) {
            (Liveness::Absent, _) | (_, None) => return Err(Reason::Absent),
            (Liveness::Dead, Some(silent_for)) => return Err(Reason::Dead { silent_for }),
            _ => {}
        }
        let Some(storage) = node
            .storages
            .iter()
            .filter(|storage| storage.reported.failed.is_none())
            .max_by_key(|storage| storage.unclaimed())
        else {
            let failed = node
                .storages
                .iter()
                .find_map(|storage| storage.reported.failed.clone());
            return Err(failed.map_or(Reason::NoStorage, |why| Reason::Failed { why }));
        };
        let reserve = self.thresholds.reserve_bytes;
        let left = storage.unclaimed();
        if left < request.bytes.saturating_add(reserve) {
            return Err(Reason::Full {
                left,
                needed: request.bytes,
                reserve,
            });
        }
        let (streams, max) = (node.busy_streams(), self.thresholds.streams_max);
        if streams >= max {
            return Err(Reason::Busy { streams, max });
        }
        Ok(Candidate {
            node,
            target: Target {
                datanode: node.id,
                storage: storage.reported.id,
            },
            load: load(storage, streams, max),
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a score: the lowest bits of a size do not matter"
)]
fn load(storage: &Storage, streams: u32, max: u32) -> f64 {
    let full = 1.0 - storage.unclaimed() as f64 / storage.reported.capacity.max(1) as f64;
    full.max(0.0) + f64::from(streams) / f64::from(max.max(1))
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
