//! Puts the comparison to the nodes of a view: disks with disks, nodes with nodes.
//!
//! A node is compared by its heartbeats, and by its best disk: one of which all disks are slow is slow, whatever the reason.

use std::collections::BTreeMap;
use std::time::Duration;

use types::{DatanodeId, StorageId};

use super::outliers::{Evidence, Outliers, Usual};
use super::{Measure, SlowChange};
use crate::{Liveness, Node};

/// No sync and no read of this time is slow, whatever the others do.
const DISK_FLOOR_US: u64 = 50_000;
/// No heartbeat is late enough below this, nor below an eighth of their interval.
const HEARTBEAT_FLOOR_US: u64 = 250_000;

/// The marks of all nodes and disks.
#[derive(Debug, Clone, Default)]
pub(crate) struct SlowWatch {
    nodes: Outliers<DatanodeId>,
    disks: Outliers<StorageId>,
    compared: Option<Duration>,
}

impl SlowWatch {
    /// Compares all of `nodes` that live, when `interval` has gone by since the last time, and marks them. Answers with
    /// what changed.
    pub(crate) fn compare(
        &mut self,
        now: Duration,
        interval: Duration,
        nodes: &mut BTreeMap<DatanodeId, Node>,
    ) -> Vec<SlowChange> {
        if self.compared.is_some_and(|at| now.saturating_sub(at) < interval) {
            return Vec::new();
        }
        self.compared = Some(now);
        let disks = disks(nodes);
        self.disks.update(now, &disks);
        let disks = disks.into_iter().collect();
        let heartbeat_floor = u64::try_from(interval.as_micros() / 8).unwrap_or(u64::MAX);
        let compared = compared(nodes, &disks, heartbeat_floor.max(HEARTBEAT_FLOOR_US));
        self.nodes.update(now, &compared);
        self.mark(nodes)
    }

    fn mark(&self, nodes: &mut BTreeMap<DatanodeId, Node>) -> Vec<SlowChange> {
        let mut changes = Vec::new();
        for node in nodes.values_mut() {
            let slow = self.nodes.slow(node.id);
            if slow.is_some() != node.slow.is_some() {
                changes.push(SlowChange {
                    datanode: node.id,
                    storage: None,
                    slow,
                });
            }
            node.slow = slow;
            for storage in &mut node.storages {
                let slow = self.disks.slow(storage.reported.id);
                if slow.is_some() != storage.slow.is_some() {
                    changes.push(SlowChange {
                        datanode: node.id,
                        storage: Some(storage.reported.id),
                        slow,
                    });
                }
                storage.slow = slow;
            }
        }
        changes
    }
}

fn living(nodes: &BTreeMap<DatanodeId, Node>) -> impl Iterator<Item = &Node> {
    let lives = |node: &&Node| matches!(node.liveness, Liveness::Live | Liveness::Late);
    nodes.values().filter(lives)
}

/// What speaks against each disk: the worse of its two figures.
fn disks(nodes: &BTreeMap<DatanodeId, Node>) -> Vec<(StorageId, Option<Evidence>)> {
    let working = || living(nodes).flat_map(Node::working);
    let known = |figure: u32| Some(u64::from(figure)).filter(|figure| *figure > 0);
    let syncs = Usual::of(
        working()
            .filter_map(|disk| known(disk.reported.times.sync_us))
            .collect(),
        DISK_FLOOR_US,
    );
    let reads = Usual::of(
        working()
            .filter_map(|disk| known(disk.reported.times.read_us))
            .collect(),
        DISK_FLOOR_US,
    );
    let judged = working().map(|disk| {
        let times = disk.reported.times;
        let sync = evidence(Measure::Sync, known(times.sync_us), syncs);
        let read = evidence(Measure::Read, known(times.read_us), reads);
        let worse = [sync, read].into_iter().flatten().max_by_key(Evidence::score);
        (disk.reported.id, worse)
    });
    judged.collect()
}

/// What speaks against each node: its heartbeats, or its best disk.
fn compared(
    nodes: &BTreeMap<DatanodeId, Node>,
    disks: &BTreeMap<StorageId, Option<Evidence>>,
    heartbeat_floor: u64,
) -> Vec<(DatanodeId, Option<Evidence>)> {
    let late = Usual::of(living(nodes).map(|node| node.late_us).collect(), heartbeat_floor);
    let judged = living(nodes).map(|node| {
        let heartbeat = evidence(Measure::Heartbeat, Some(node.late_us), late);
        let own = || {
            node.working()
                .map(|disk| disks.get(&disk.reported.id).copied().flatten())
        };
        let best = own()
            .all(|disk| disk.is_some())
            .then(|| own().flatten().min_by_key(Evidence::score))
            .flatten();
        let worse = [heartbeat, best]
            .into_iter()
            .flatten()
            .max_by_key(Evidence::score);
        (node.id, worse)
    });
    judged.collect()
}

fn evidence(measure: Measure, figure: Option<u64>, usual: Option<Usual>) -> Option<Evidence> {
    Some(Evidence {
        measure,
        figure: figure?,
        usual: usual?,
    })
}
