//! Names and attributes.

use namespace::{Command, SetAttributes};
use proto::v1;
use types::{FsPath, UnixMillis, limits};

use super::{Change, change};
use crate::core::Core;
use crate::rejection::Rejection;

/// The bits of a mode that a file or directory can have.
pub(super) fn mode(mode: u32) -> Result<u16, Rejection> {
    match u16::try_from(mode) {
        Ok(bits) if bits <= 0o7777 => Ok(bits),
        _ => Err(Rejection::invalid(format!(
            "mode {mode:o} is not allowed: it must be from 0 to 7777"
        ))),
    }
}

/// A number of replicas that can be asked for.
pub(super) fn replication(replication: u32) -> Result<u16, Rejection> {
    match u16::try_from(replication) {
        Ok(replicas @ 1..=limits::REPLICATION_MAX) => Ok(replicas),
        _ => Err(Rejection::invalid(format!(
            "replication {replication} is not allowed: it must be from 1 to {}",
            limits::REPLICATION_MAX
        ))),
    }
}

pub(super) async fn mkdir(core: &Core, request: v1::MkdirRequest) -> Result<v1::MkdirResponse, Rejection> {
    let Change { caller, id, .. } = change(core, request.caller.as_ref()).await?;
    let command = Command::Mkdir {
        path: FsPath::parse(&request.path)?,
        mode: mode(request.mode)?,
        parents: request.parents,
    };
    core.propose(caller, id, command).await?;
    Ok(v1::MkdirResponse {})
}

pub(super) async fn rename(core: &Core, request: v1::RenameRequest) -> Result<v1::RenameResponse, Rejection> {
    let Change { caller, id, .. } = change(core, request.caller.as_ref()).await?;
    let command = Command::Rename {
        from: FsPath::parse(&request.from)?,
        to: FsPath::parse(&request.to)?,
        replace: request.replace,
    };
    core.propose(caller, id, command).await?;
    core.drain_freed();
    Ok(v1::RenameResponse {})
}

async fn set(
    core: &Core,
    caller: Option<&v1::Caller>,
    path: &str,
    set: SetAttributes,
) -> Result<(), Rejection> {
    let Change { caller, id, .. } = change(core, caller).await?;
    let path = FsPath::parse(path)?;
    core.propose(caller, id, Command::SetAttributes { path, set })
        .await?;
    Ok(())
}

pub(super) async fn set_mode(
    core: &Core,
    request: v1::SetModeRequest,
) -> Result<v1::SetModeResponse, Rejection> {
    let attributes = SetAttributes {
        mode: Some(mode(request.mode)?),
        ..SetAttributes::default()
    };
    set(core, request.caller.as_ref(), &request.path, attributes).await?;
    Ok(v1::SetModeResponse {})
}

pub(super) async fn set_owner(
    core: &Core,
    request: v1::SetOwnerRequest,
) -> Result<v1::SetOwnerResponse, Rejection> {
    for name in request.owner.iter().chain(&request.group) {
        if !(1..=limits::PRINCIPAL_BYTES_MAX).contains(&name.len()) || name.contains(['\0', '\n', ':']) {
            return Err(Rejection::invalid(format!(
                "{name:?} is not the name of a user or a group"
            )));
        }
    }
    let attributes = SetAttributes {
        owner: request.owner,
        group: request.group,
        ..SetAttributes::default()
    };
    set(core, request.caller.as_ref(), &request.path, attributes).await?;
    Ok(v1::SetOwnerResponse {})
}

pub(super) async fn set_replication(
    core: &Core,
    request: v1::SetReplicationRequest,
) -> Result<v1::SetReplicationResponse, Rejection> {
    let attributes = SetAttributes {
        replication: Some(replication(request.replication)?),
        ..SetAttributes::default()
    };
    set(core, request.caller.as_ref(), &request.path, attributes).await?;
    Ok(v1::SetReplicationResponse {})
}

pub(super) async fn set_times(
    core: &Core,
    request: v1::SetTimesRequest,
) -> Result<v1::SetTimesResponse, Rejection> {
    let attributes = SetAttributes {
        mtime: request.mtime_ms.map(UnixMillis),
        atime: request.atime_ms.map(UnixMillis),
        ..SetAttributes::default()
    };
    set(core, request.caller.as_ref(), &request.path, attributes).await?;
    Ok(v1::SetTimesResponse {})
}
