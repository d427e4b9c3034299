//! What operators ask: who the masters are, and changes of them; safe mode; checkpoints and copies of the metadata.
//!
//! Who leads is answered by every master from its memory, without a lock or a word from others: that is what clients fall
//! back on when a leader is silent.

use std::pin::Pin;
use std::sync::Arc;

use consensus::{Backup, ChangeError, CheckpointError, Group, Role};
use futures_util::stream::{self, Stream};
use namespace::Command;
use proto::v1::{self, ErrorCode};
use tonic::{Request, Response, Status};
use types::MasterId;

use super::{answer, audited, caller, question};
use crate::core::Core;
use crate::machine::Machine;
use crate::rejection::Rejection;

/// What operators ask.
pub(crate) struct AdminApi {
    core: Arc<Core>,
}

impl AdminApi {
    pub(crate) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

/// A copy of the metadata, part by part.
type Parts = Pin<Box<dyn Stream<Item = Result<v1::BackupPart, Status>> + Send>>;

#[tonic::async_trait]
impl v1::admin_server::Admin for AdminApi {
    type BackupStream = Parts;

    async fn ping(&self, _: Request<v1::PingRequest>) -> Result<Response<v1::PingResponse>, Status> {
        Ok(Response::new(v1::PingResponse {}))
    }

    async fn masters(&self, _: Request<v1::MastersRequest>) -> Result<Response<v1::MastersResponse>, Status> {
        answer(masters(&self.core))
    }

    async fn add_master(
        &self,
        request: Request<v1::AddMasterRequest>,
    ) -> Result<Response<v1::AddMasterResponse>, Status> {
        let told = self.core.audit.of("add_master", &request);
        audited(told, add(&self.core, request.into_inner())).await
    }

    async fn remove_master(
        &self,
        request: Request<v1::RemoveMasterRequest>,
    ) -> Result<Response<v1::RemoveMasterResponse>, Status> {
        let told = self.core.audit.of("remove_master", &request);
        audited(told, remove(&self.core, request.into_inner())).await
    }

    async fn transfer_leadership(
        &self,
        request: Request<v1::TransferLeadershipRequest>,
    ) -> Result<Response<v1::TransferLeadershipResponse>, Status> {
        let told = self.core.audit.of("transfer_leadership", &request);
        audited(told, transfer(&self.core, request.into_inner())).await
    }

    async fn safe_mode_status(
        &self,
        _: Request<v1::SafeModeStatusRequest>,
    ) -> Result<Response<v1::SafeModeStatusResponse>, Status> {
        answer(safe_mode(&self.core).await)
    }

    async fn set_safe_mode(
        &self,
        request: Request<v1::SetSafeModeRequest>,
    ) -> Result<Response<v1::SetSafeModeResponse>, Status> {
        let told = self.core.audit.of("set_safe_mode", &request);
        audited(told, set_safe_mode(&self.core, request.into_inner())).await
    }

    async fn checkpoint(
        &self,
        request: Request<v1::CheckpointRequest>,
    ) -> Result<Response<v1::CheckpointResponse>, Status> {
        let told = self.core.audit.of("checkpoint", &request);
        audited(told, checkpoint(&self.core, request.into_inner())).await
    }

    async fn backup(
        &self,
        request: Request<v1::BackupRequest>,
    ) -> Result<Response<Self::BackupStream>, Status> {
        let told = self.core.audit.of("backup", &request);
        audited(told, backup(&self.core, request.into_inner())).await
    }
}

fn masters(core: &Core) -> Result<v1::MastersResponse, Rejection> {
    let group = core.open_group()?;
    let status = group.status().borrow().clone();
    let own = group.id();
    let followers = group.followers();
    let leads = status.role == Role::Leader;
    let master = |member: &consensus::Member| {
        let (role, is_own) = (role(&status, member), member.id == own);
        let follower = followers
            .iter()
            .find(|follower| leads && follower.id == member.id);
        let silent = follower.and_then(|follower| follower.silent);
        v1::MasterStatus {
            id: member.id.0,
            address: member.address.clone(),
            role: role.into(),
            last_index: match follower {
                Some(follower) => Some(follower.matched),
                None => is_own.then_some(status.last),
            },
            applied_index: is_own.then_some(status.applied),
            lag: match follower {
                Some(follower) => Some(status.last.saturating_sub(follower.matched)),
                None => (is_own && leads).then_some(0),
            },
            silent_ms: silent.map(|silent| u64::try_from(silent.as_millis()).unwrap_or(u64::MAX)),
            checkpoint_index: is_own.then_some(status.checkpoint),
        }
    };
    let mut masters: Vec<_> = status.members.iter().map(master).collect();
    if status.member(own).is_none() {
        masters.push(v1::MasterStatus {
            id: own.0,
            address: core.address.clone(),
            role: v1::MasterRole::Joining.into(),
            last_index: Some(status.last),
            applied_index: Some(status.applied),
            checkpoint_index: Some(status.checkpoint),
            ..v1::MasterStatus::default()
        });
    }
    Ok(v1::MastersResponse {
        asked: own.0,
        leader: status.leader.map_or(0, |leader| leader.0),
        term: status.term.as_u64(),
        masters,
        cluster_id: core
            .machine
            .read()
            .cluster()
            .map(|cluster| cluster.to_string())
            .unwrap_or_default(),
    })
}

fn role(status: &consensus::Status, member: &consensus::Member) -> v1::MasterRole {
    if status.leader == Some(member.id) {
        v1::MasterRole::Leader
    } else if !member.voter {
        v1::MasterRole::Learner
    } else if status.role == Role::Candidate && status.leader.is_none() {
        v1::MasterRole::Candidate
    } else {
        v1::MasterRole::Follower
    }
}

/// The door of what only the superuser may do, and only the leader does.
async fn operator(core: &Core, message: Option<&v1::Caller>) -> Result<Arc<Group<Machine>>, Rejection> {
    let caller = caller(core, message)?;
    core.lead().await?;
    if !caller.superuser {
        let why = format!(
            "{} may not do this: it is for the superuser, {}",
            caller.user, core.config.superuser
        );
        return Err(Rejection::new(ErrorCode::PermissionDenied, why));
    }
    core.open_group()
}

async fn add(core: &Core, request: v1::AddMasterRequest) -> Result<v1::AddMasterResponse, Rejection> {
    let group = operator(core, request.caller.as_ref()).await?;
    let id = group.add(&request.address).await?;
    tracing::info!(%id, address = request.address, "a master was added");
    Ok(v1::AddMasterResponse { id: id.0 })
}

async fn remove(
    core: &Core,
    request: v1::RemoveMasterRequest,
) -> Result<v1::RemoveMasterResponse, Rejection> {
    let group = operator(core, request.caller.as_ref()).await?;
    group.remove(MasterId(request.id)).await?;
    tracing::info!(id = %MasterId(request.id), "a master was removed");
    Ok(v1::RemoveMasterResponse {})
}

async fn transfer(
    core: &Core,
    request: v1::TransferLeadershipRequest,
) -> Result<v1::TransferLeadershipResponse, Rejection> {
    let group = operator(core, request.caller.as_ref()).await?;
    let to = Some(MasterId(request.id)).filter(|id| id.0 != 0);
    let id = group.transfer(to).await?;
    Ok(v1::TransferLeadershipResponse { id: id.0 })
}

/// The leader's: another master's picture is not what changes wait for.
async fn safe_mode(core: &Core) -> Result<v1::SafeModeStatusResponse, Rejection> {
    core.lead().await?;
    let mode = core.safe_mode();
    let reason = if mode.is_on() {
        Rejection::safe_mode(&mode).0.message
    } else {
        String::new()
    };
    Ok(v1::SafeModeStatusResponse {
        on: mode.is_on(),
        manual: mode.manual,
        chunks: mode.progress.chunks,
        confirmed: mode.progress.confirmed,
        needed_share: core.config.safe_mode_share,
        reason,
    })
}

async fn set_safe_mode(
    core: &Core,
    request: v1::SetSafeModeRequest,
) -> Result<v1::SetSafeModeResponse, Rejection> {
    let (caller, _) = question(core, request.caller.as_ref()).await?;
    let id = proto::request_id(request.caller.as_ref())?;
    core.propose(caller, id, Command::SetSafeMode { on: request.on })
        .await?;
    core.assess_picture();
    tracing::info!(on = request.on, "an operator has switched the safe mode");
    Ok(v1::SetSafeModeResponse {})
}

async fn checkpoint(
    core: &Core,
    request: v1::CheckpointRequest,
) -> Result<v1::CheckpointResponse, Rejection> {
    let group = operator(core, request.caller.as_ref()).await?;
    let info = group.checkpoint().await?;
    Ok(v1::CheckpointResponse {
        index: info.index,
        bytes: info.bytes,
    })
}

async fn backup(core: &Core, request: v1::BackupRequest) -> Result<Parts, Rejection> {
    let group = operator(core, request.caller.as_ref()).await?;
    let backup = group.backup().await?;
    let length = backup.length();
    let parts = stream::try_unfold((backup, length), async |(mut backup, length): (Backup, u64)| {
        let part = backup.next().await.map_err(|error| {
            let why = format!("the copy breaks off, as the checkpoint can not be read: {error}");
            Status::from(Rejection::new(ErrorCode::Internal, why))
        })?;
        // The length goes with the first part alone.
        Ok(part.map(|bytes| (v1::BackupPart { length, bytes }, (backup, 0))))
    });
    Ok(Box::pin(parts))
}

impl From<ChangeError> for Rejection {
    fn from(error: ChangeError) -> Self {
        let code = match error {
            ChangeError::NotLeader(error) => return error.into(),
            ChangeError::Busy => ErrorCode::Busy,
            ChangeError::Already { .. } => ErrorCode::Exists,
            ChangeError::Unknown(_) => ErrorCode::NotFound,
            ChangeError::Unknowable(_) | ChangeError::NotTaken(_) => ErrorCode::Internal,
            _ => ErrorCode::Invalid,
        };
        Self::new(code, error.to_string())
    }
}

impl From<CheckpointError> for Rejection {
    fn from(error: CheckpointError) -> Self {
        let code = match error {
            CheckpointError::Closed => ErrorCode::NotReady,
            _ => ErrorCode::Internal,
        };
        Self::new(code, error.to_string())
    }
}
