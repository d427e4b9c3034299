//! What is wrong with datanodes and their volumes, or is about to be.

use namespace::Namespace;
use placement::{Admin, Liveness, Node};
use types::{ByteSize, about_duration};

use super::data::plural;
use super::{Clock, Level, Problem};
use crate::cluster::Cluster;

/// Less than this share of a datanode's space free is too little.
const FREE_SHARE: u64 = 20;

/// Of all datanodes.
pub(super) fn problems(cluster: &Cluster, namespace: &Namespace, clock: &Clock) -> Vec<Problem> {
    let of = |node: &Node| {
        let mut found = Vec::new();
        found.extend(liveness(cluster, node, clock));
        found.extend(admin(cluster, namespace, node, clock));
        if node.liveness.is_usable() {
            found.extend(volumes(cluster, node));
            found.extend(slow(node, clock));
            found.extend(full(node));
        }
        found
    };
    cluster.view.nodes().flat_map(of).collect()
}

fn problem(level: Level, kind: &'static str, what: String, action: &str) -> Problem {
    Problem {
        level,
        kind,
        what,
        since: None,
        action: action.to_owned(),
        eta: None,
    }
}

fn liveness(cluster: &Cluster, node: &Node, clock: &Clock) -> Option<Problem> {
    let address = node.address();
    let silent = node.silent_for(clock.now).unwrap_or_default();
    let replicas: usize = node
        .storages
        .iter()
        .map(|storage| cluster.replicas.storage_count(storage.reported.id))
        .sum();
    let replicas = plural(replicas as u64, "replica");
    let mut found = match (node.liveness, node.admin.at(clock.now)) {
        (Liveness::Live | Liveness::Late, _) => return None,
        (Liveness::Dead | Liveness::Absent, Admin::Decommissioned) => return None,
        (Liveness::Dead, Admin::Maintenance { .. }) => return None,
        (Liveness::Dead, _) => problem(
            Level::Degraded,
            "node-dead",
            format!(
                "datanode {address} with {replicas} is dead: no heartbeat for {}",
                about_duration(silent)
            ),
            "its chunks are copied elsewhere; bring it back, or remove it for good: distrifs nodes remove",
        ),
        (Liveness::Suspicious, _) => problem(
            Level::AtRisk,
            "node-silent",
            format!(
                "datanode {address} is silent for {}, together with too many others to believe that they are dead",
                about_duration(silent)
            ),
            "nothing is copied because of it; check the network between the masters and the datanodes",
        ),
        (Liveness::Absent, _) => problem(
            Level::Degraded,
            "node-absent",
            format!("datanode {address} has not registered since this master started"),
            "start it, or remove it for good: distrifs nodes remove",
        ),
    };
    found.since = node.last_heartbeat.map(|at| clock.at(at));
    Some(found)
}

fn admin(cluster: &Cluster, namespace: &Namespace, node: &Node, clock: &Clock) -> Option<Problem> {
    let address = node.address();
    let mut found = match node.admin.at(clock.now) {
        Admin::InService => return None,
        Admin::Decommissioning => {
            let left = match cluster.left_on(node.id) {
                _ if !cluster.has_told(node.id) => {
                    "it has not told all that it has since this master started".to_owned()
                }
                Some(left) => format!("{} on it are still needed", plural(left.replicas, "replica")),
                None => "what is still needed of it is being counted".to_owned(),
            };
            problem(
                Level::Degraded,
                "node-draining",
                format!("datanode {address} is being decommissioned: {left}"),
                "its chunks are copied elsewhere; 'distrifs explain' says what it waits for",
            )
        }
        Admin::Decommissioned => problem(
            Level::Degraded,
            "node-drained",
            format!("datanode {address} is drained"),
            "switch it off and remove it: distrifs nodes remove",
        ),
        Admin::Maintenance { until } => problem(
            Level::Degraded,
            "node-maintenance",
            format!(
                "datanode {address} is in maintenance for {} more",
                about_duration(until.saturating_sub(clock.now))
            ),
            "its chunks are not copied elsewhere until then, but for last copies",
        ),
    };
    use types::AdminState;
    found.since = match namespace.member(node.id).map(|member| member.admin) {
        Some(AdminState::Decommissioning { since } | AdminState::Decommissioned { since }) => Some(since),
        _ => None,
    };
    Some(found)
}

fn volumes(cluster: &Cluster, node: &Node) -> Vec<Problem> {
    let failed = |storage: &placement::Storage| {
        let why = storage.reported.failed.as_ref()?;
        Some(problem(
            Level::Degraded,
            "volume-failed",
            format!(
                "volume {} of datanode {} has failed: {why}",
                storage.reported.id,
                node.address()
            ),
            "its chunks are copied elsewhere; replace the disk, or take the volume out of the configuration",
        ))
    };
    cluster.volumes_of(node).filter_map(failed).collect()
}

fn slow(node: &Node, clock: &Clock) -> Vec<Problem> {
    let marks = node
        .slow
        .iter()
        .map(|slow| (format!("datanode {}", node.address()), slow));
    let disks = node.storages.iter().filter_map(|storage| {
        let name = format!("volume {} of datanode {}", storage.reported.id, node.address());
        Some((name, storage.slow.as_ref()?))
    });
    let told = marks.chain(disks).map(|(name, slow)| Problem {
        since: Some(clock.at(slow.since)),
        ..problem(
            Level::Degraded,
            "slow",
            format!("{name} is slow: {slow}"),
            "it is used last for new chunks and for reads",
        )
    });
    told.collect()
}

fn full(node: &Node) -> Option<Problem> {
    let (used, usable) = node.space();
    let free = usable.saturating_sub(used);
    (usable > 0 && free < usable / FREE_SHARE).then(|| {
        problem(
            Level::Degraded,
            "node-full",
            format!(
                "datanode {} is nearly full: {} of {} are free",
                node.address(),
                ByteSize(free),
                ByteSize(usable)
            ),
            "add disks or datanodes, then: distrifs rebalance",
        )
    })
}
