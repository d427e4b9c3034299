//! Datanodes: who they are, and what operators say of them.

use std::time::Duration;

use namespace::Command;
use placement::Liveness;
use proto::v1::{self, ErrorCode};
use types::{AdminState, DatanodeId, UnixMillis, format_duration};

use super::super::question;
use super::message;
use crate::core::Core;
use crate::operations;
use crate::rejection::Rejection;

/// The longest maintenance: for so long data with too few copies is left alone.
const MAINTENANCE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

pub(super) async fn list(core: &Core, request: &v1::NodesRequest) -> Result<v1::NodesResponse, Rejection> {
    question(core, request.caller.as_ref()).await?;
    let mut nodes = operations::node_statuses(core);
    // Of the picture, what the log has by now: it follows a moment later.
    let namespace = core.machine.read();
    nodes.retain_mut(|node| match namespace.member(node.id) {
        Some(member) => {
            node.admin = member.admin;
            true
        }
        None => false,
    });
    let nodes = nodes.into_iter();
    Ok(v1::NodesResponse {
        nodes: nodes.map(|node| message::node(core, node)).collect(),
    })
}

pub(super) async fn set_state(
    core: &Core,
    request: &v1::SetNodeStateRequest,
) -> Result<v1::SetNodeStateResponse, Rejection> {
    let (caller, _) = question(core, request.caller.as_ref()).await?;
    let call = proto::request_id(request.caller.as_ref())?;
    let id = resolve(core, &request.node)?;
    let now = core.env.clock.wall();
    let state = match request.state() {
        v1::AdminState::InService => AdminState::InService,
        v1::AdminState::Decommissioning => AdminState::Decommissioning { since: now },
        v1::AdminState::Maintenance => AdminState::Maintenance {
            until: until(now, request.maintenance_ms)?,
        },
        v1::AdminState::Decommissioned | v1::AdminState::Unspecified => {
            return Err(Rejection::invalid(
                "a datanode is put in service, decommissioned, or in maintenance; that it is drained is found by the master",
            ));
        }
    };
    let drained = {
        let namespace = core.machine.read();
        let admin = namespace.member(id).map(|member| member.admin);
        matches!(admin, Some(AdminState::Decommissioned { .. }))
    };
    // One that is drained already need not be looked at again.
    let stays = drained && matches!(state, AdminState::Decommissioning { .. });
    if stays && caller.superuser {
        tracing::info!(datanode = %id, "datanode is decommissioned already");
    } else {
        core.propose(caller, call, Command::SetMemberState { id, state })
            .await?;
        tracing::info!(datanode = %id, ?state, "an operator has changed how a datanode takes part");
        // What is answered from now on, `health` too, knows of it.
        core.picture.members(core);
    }
    // What was just logged counts, also where the picture could not follow.
    let admin = core.machine.read().member(id).map(|member| member.admin);
    let mut found = operations::node_statuses(core).into_iter();
    let node = found.find(|node| node.id == id).map(|mut node| {
        node.admin = admin.unwrap_or(node.admin);
        message::node(core, node)
    });
    Ok(v1::SetNodeStateResponse { node })
}

fn until(now: UnixMillis, limit_ms: u64) -> Result<UnixMillis, Rejection> {
    let limit = Duration::from_millis(limit_ms);
    if limit.is_zero() || limit > MAINTENANCE_MAX {
        return Err(Rejection::invalid(format!(
            "a maintenance has a time limit of up to {}, not of {}: data that is on the datanode and has too few other \
             copies is not repaired for so long",
            format_duration(MAINTENANCE_MAX),
            format_duration(limit)
        )));
    }
    Ok(UnixMillis(now.0.saturating_add(limit_ms)))
}

pub(super) async fn remove(
    core: &Core,
    request: &v1::RemoveNodeRequest,
) -> Result<v1::RemoveNodeResponse, Rejection> {
    let (caller, _) = question(core, request.caller.as_ref()).await?;
    let call = proto::request_id(request.caller.as_ref())?;
    let id = resolve(core, &request.node)?;
    {
        let cluster = core.cluster();
        let known = cluster.view.node(id);
        if let Some(node) = known
            && !matches!(node.liveness, Liveness::Dead | Liveness::Absent)
        {
            return Err(Rejection::new(
                ErrorCode::Invalid,
                format!(
                    "datanode {} is not dead: `distrifs nodes decommission {}` drains it; then stop it, and remove it when \
                     it is held to be dead",
                    node.address(),
                    node.address()
                ),
            ));
        }
    }
    if caller.superuser && !request.force {
        not_needed(core, id, &request.node).await?;
    }
    core.propose(caller, call, Command::RemoveMember { id }).await?;
    tracing::info!(datanode = %id, force = request.force, "an operator has removed a datanode");
    core.picture.members(core);
    Ok(v1::RemoveNodeResponse {})
}

/// Refuses when `id` has the only copy of something.
async fn not_needed(core: &Core, id: DatanodeId, name: &str) -> Result<(), Rejection> {
    match operations::only_there(core, id).await {
        Ok(only) if only.chunks == 0 => Ok(()),
        Ok(only) => Err(Rejection::new(
            ErrorCode::Invalid,
            format!(
                "datanode {name} has, or may have, the only copy of {}: bring it back, or give that up with `distrifs nodes \
                 remove {name} --force`",
                only.words()
            ),
        )),
        Err(operations::Counting) => Err(Rejection::new(
            ErrorCode::NotReady,
            format!(
                "whether datanode {name} has the only copy of something is not known yet: the chunks are being counted; try \
                 again in a while"
            ),
        )),
    }
}

/// The datanode that an operator means: by its id, `host:port`, or a host that only one of them has.
///
/// # Errors
/// `NOT_FOUND` when there is none, `INVALID` when there are several.
pub(super) fn resolve(core: &Core, name: &str) -> Result<DatanodeId, Rejection> {
    let namespace = core.machine.read();
    if let Ok(id) = name.parse::<DatanodeId>()
        && namespace.member(id).is_some()
    {
        return Ok(id);
    }
    let address = |member: &namespace::Member| format!("{}:{}", member.host, member.data_port);
    let matching: Vec<_> = namespace
        .members()
        .filter(|member| address(member) == name || member.host == name)
        .collect();
    match matching.as_slice() {
        [one] => Ok(one.id),
        [] => Err(Rejection::new(
            ErrorCode::NotFound,
            format!("{name}: no datanode of this cluster has this id or address; see `distrifs nodes`"),
        )),
        several => Err(Rejection::invalid(format!(
            "{name}: {} datanodes are there; name one by its port or id: {}",
            several.len(),
            several
                .iter()
                .map(|member| address(member))
                .collect::<Vec<_>>()
                .join(", ")
        ))),
    }
}
