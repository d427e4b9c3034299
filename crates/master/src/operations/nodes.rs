//! The datanodes: who is there, in what state, with what on them.

use std::time::Duration;

use namespace::Member;
use placement::{Liveness, Node, Storage};
use types::{AdminState, DatanodeId, StorageId, UnixMillis};

use crate::cluster::{Cluster, Traffic};
use crate::core::Core;

/// A datanode.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NodeStatus {
    pub(crate) id: DatanodeId,
    /// `host:port` of the data plane.
    pub(crate) address: String,
    /// Where it serves HTTP; 0: nowhere.
    pub(crate) http_port: u16,
    pub(crate) rack: String,
    /// Data that it has moved.
    pub(crate) traffic: Traffic,
    pub(crate) liveness: Liveness,
    pub(crate) admin: AdminState,
    /// Since its last heartbeat; none when it has not registered with this master.
    pub(crate) silent_for: Option<Duration>,
    /// Data streams that run on it.
    pub(crate) streams: u32,
    /// Of these, copies for repair and balance.
    pub(crate) transfers: u32,
    /// Why it is held to be slow; none when it is not.
    pub(crate) slow: Option<String>,
    pub(crate) volumes: Vec<VolumeStatus>,
    /// How far it is drained, while it is being decommissioned.
    pub(crate) draining: Option<Draining>,
}

/// A volume of a datanode.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct VolumeStatus {
    pub(crate) id: StorageId,
    pub(crate) directory: String,
    pub(crate) capacity: u64,
    pub(crate) used: u64,
    pub(crate) available: u64,
    /// Replicas, as the datanode counts them.
    pub(crate) replicas: u64,
    /// Bytes of destroyed replicas that rest; counted as available.
    pub(crate) quarantined: u64,
    /// Why it can not be used; none when it can.
    pub(crate) failed: Option<String>,
    /// When the round of scrubbing began that runs, and how far it is, 0 to 1.
    pub(crate) scrub: Option<(UnixMillis, f64)>,
}

/// How far a node is drained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draining {
    pub(crate) since: UnixMillis,
    /// Replicas on it that are still needed: their chunks have too few elsewhere.
    pub(crate) left: u64,
    /// False as long as not all of its chunks have been looked at since the drain began: `left` may grow.
    pub(crate) counted: bool,
}

/// All datanodes, in the order of their ids.
pub(crate) fn node_statuses(core: &Core) -> Vec<NodeStatus> {
    let now = core.now();
    let namespace = core.machine.read();
    let cluster = core.cluster();
    let status = |node: &Node| {
        let member = namespace.member(node.id);
        NodeStatus {
            id: node.id,
            address: node.address(),
            http_port: cluster.http_port_of(node.id),
            rack: node.rack.clone(),
            traffic: cluster.traffic_of(node.id),
            liveness: node.liveness,
            admin: member.map(|member| member.admin).unwrap_or_default(),
            silent_for: node.silent_for(now),
            streams: node.busy_streams(),
            transfers: cluster.transfers_of(node.id),
            slow: node.slow.map(|slow| slow.to_string()),
            volumes: (cluster.volumes_of(node))
                .map(|storage| volume(&cluster, storage))
                .collect(),
            draining: draining(&cluster, member),
        }
    };
    cluster.view.nodes().map(status).collect()
}

fn volume(cluster: &Cluster, storage: &Storage) -> VolumeStatus {
    let reported = &storage.reported;
    let extra = cluster.volume_extra(reported.id);
    VolumeStatus {
        id: reported.id,
        directory: extra.directory,
        capacity: reported.capacity,
        used: reported.used,
        available: reported.available,
        replicas: reported.chunks,
        quarantined: extra.quarantined,
        failed: reported.failed.clone(),
        scrub: extra.scrub,
    }
}

/// How far a node is drained; none when it is not being decommissioned.
fn draining(cluster: &Cluster, member: Option<&Member>) -> Option<Draining> {
    let member = member?;
    let AdminState::Decommissioning { since } = member.admin else {
        return None;
    };
    let left = cluster.left_on(member.id);
    Some(Draining {
        since,
        left: left.map_or(0, |left| left.replicas),
        counted: left.is_some(),
    })
}
