//! The datanodes of the cluster, as datanodes are told of each other: what changed since the version that they have seen,
//! or all of it when that is too long ago to know.

use namespace::Member;
use proto::v1;
use types::{AdminState, DatanodeId};

use crate::cluster::Cluster;
use crate::core::Core;

/// What is new since `seen`; none when nothing is.
pub(super) fn members_update(core: &Core, seen: u64) -> Option<v1::MembersUpdate> {
    let namespace = core.machine.read();
    let version = namespace.members_version();
    if seen == version {
        return None;
    }
    let cluster = core.cluster();
    let state = |member: &Member| member_state(&cluster, member);
    // 0 is nothing at all, also when it is a version.
    let known = Some(seen).filter(|seen| *seen > 0);
    Some(match known.and_then(|seen| namespace.changes_since(seen)) {
        Some(changes) => v1::MembersUpdate {
            version: changes.version,
            full: false,
            members: changes.changed.into_iter().map(state).collect(),
            removed: changes.removed.iter().map(id_bytes).collect(),
        },
        None => v1::MembersUpdate {
            version,
            full: true,
            members: namespace.members().map(state).collect(),
            removed: Vec::new(),
        },
    })
}

fn id_bytes(id: &DatanodeId) -> bytes::Bytes {
    id.0.as_bytes().to_vec().into()
}

fn member_state(cluster: &Cluster, member: &Member) -> v1::MemberState {
    let (admin, until) = match member.admin {
        AdminState::InService => (v1::AdminState::InService, 0),
        AdminState::Decommissioning { .. } => (v1::AdminState::Decommissioning, 0),
        AdminState::Decommissioned { .. } => (v1::AdminState::Decommissioned, 0),
        AdminState::Maintenance { until } => (v1::AdminState::Maintenance, until.0),
    };
    v1::MemberState {
        datanode: Some(v1::Datanode {
            id: id_bytes(&member.id),
            host: member.host.clone(),
            data_port: member.data_port.into(),
            rack: member.rack.clone(),
        }),
        admin: admin.into(),
        alive: cluster
            .view
            .node(member.id)
            .is_some_and(|node| node.liveness.is_usable()),
        maintenance_until_ms: until,
    }
}
