//! Background jobs, the settings that bound them, and the balancer.

use namespace::Command;
use proto::v1::{self, ErrorCode};

use super::super::question;
use super::message;
use crate::core::Core;
use crate::operations::{self, NodeStatus, VolumeStatus};
use crate::rejection::Rejection;

pub(super) async fn list(core: &Core, request: &v1::JobsRequest) -> Result<v1::JobsResponse, Rejection> {
    question(core, request.caller.as_ref()).await?;
    let own = core.jobs.statuses(core).into_iter().map(message::job);
    let nodes = operations::node_statuses(core);
    let scrubs = nodes.iter().flat_map(|node| {
        let volumes = node.volumes.iter();
        volumes.filter_map(|volume| scrub(node, volume))
    });
    Ok(v1::JobsResponse {
        jobs: own.chain(scrubs).collect(),
        settings: core.machine.read().setting_texts().map(setting).collect(),
    })
}

/// The scrubbing of a volume, as its datanode tells of it with heartbeats.
fn scrub(node: &NodeStatus, volume: &VolumeStatus) -> Option<v1::Job> {
    let (_, done) = volume.scrub?;
    let state = match volume.failed {
        Some(_) => v1::JobState::Stopped,
        None => v1::JobState::Running,
    };
    Some(v1::Job {
        name: "scrub".to_owned(),
        host: node.address.clone(),
        state: state.into(),
        progress: Some(done),
        detail: format!("{} replicas in {}", volume.replicas, volume.directory),
        last_error: volume.failed.clone().unwrap_or_default(),
        ..v1::Job::default()
    })
}

fn setting(setting: namespace::Setting) -> v1::Setting {
    v1::Setting {
        key: setting.key.to_owned(),
        value: setting.value,
        default_value: setting.default.to_owned(),
        what: setting.what.to_owned(),
    }
}

pub(super) async fn set(
    core: &Core,
    request: v1::SetSettingRequest,
) -> Result<v1::SetSettingResponse, Rejection> {
    let (caller, _) = question(core, request.caller.as_ref()).await?;
    let id = proto::request_id(request.caller.as_ref())?;
    let (key, value) = (request.key.clone(), request.value);
    core.propose(caller, id, Command::SetSetting { key, value })
        .await?;
    let namespace = core.machine.read();
    let found = namespace
        .setting_texts()
        .find(|setting| setting.key == request.key);
    Ok(v1::SetSettingResponse {
        setting: found.map(setting),
    })
}

pub(super) async fn rebalance(
    core: &Core,
    request: &v1::RebalanceRequest,
) -> Result<v1::RebalanceResponse, Rejection> {
    let (caller, _) = question(core, request.caller.as_ref()).await?;
    let _ = caller;
    Err(Rejection::new(ErrorCode::Invalid, "this master has no balancer"))
}
