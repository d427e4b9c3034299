//! Background jobs, the settings that bound them, and the balancer.

use namespace::Command;
use placement::{BalancePlan, NodeBalance};
use proto::v1::{self, ErrorCode};
use types::ByteSize;

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
    question(core, request.caller.as_ref()).await?;
    match request.action() {
        v1::RebalanceAction::Plan | v1::RebalanceAction::Status => {}
        v1::RebalanceAction::Start | v1::RebalanceAction::Stop => {
            let why =
                "this version of the master tells what would be moved (--dry-run), and moves nothing yet";
            return Err(Rejection::new(ErrorCode::Invalid, why));
        }
        v1::RebalanceAction::Unspecified => return Err(proto::Malformed::Missing("action").into()),
    }
    let threshold = core.machine.read().settings().balance_threshold;
    let cluster = core.cluster();
    let plan = BalancePlan::of(&cluster.view, core.now(), threshold);
    let mut nodes: Vec<_> = plan.nodes.iter().collect();
    nodes.sort_by(|a, b| b.share().total_cmp(&a.share()));
    let imbalance = |node: &NodeBalance| {
        Some(v1::Imbalance {
            datanode: Some(super::super::message::datanode(cluster.view.node(node.datanode)?)),
            used_share: node.share(),
            off: node.share() - plan.mean,
            bytes_to_move: node.gives,
        })
    };
    let volumes = nodes.iter().filter_map(|node| imbalance(node)).collect();
    let chunks = cluster.ledger.chunks().total().max(1);
    drop(cluster);
    let used: u64 = plan.nodes.iter().map(|node| node.used).sum();
    // As long as replicas are on the whole.
    let replica_bytes = (used / chunks).max(1);
    Ok(v1::RebalanceResponse {
        job: None,
        volumes,
        moves: plan.bytes.div_ceil(replica_bytes),
        bytes: plan.bytes,
        threshold,
        explanation: explained(&plan),
    })
}

/// A plan in words.
fn explained(plan: &BalancePlan) -> Vec<String> {
    let mut lines = Vec::new();
    if plan.is_balanced() {
        lines.push("nothing is to be moved: every datanode is near enough to the mean".to_owned());
    }
    for node in &plan.nodes {
        if node.gives > 0 {
            lines.push(format!("{} gives {}", node.address, ByteSize(node.gives)));
        } else if node.takes > 0 {
            lines.push(format!("{} takes {}", node.address, ByteSize(node.takes)));
        }
    }
    let out = plan.left_out.iter();
    lines.extend(out.map(|node| format!("{} takes no part: {}", node.address, node.why)));
    lines
}
