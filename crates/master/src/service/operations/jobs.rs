//! Background jobs, the settings that bound them, and the balancer.

use namespace::Command;
use placement::{BalancePlan, NodeBalance};
use proto::v1::{self, ErrorCode};
use types::ByteSize;

use super::super::question;
use super::message;
use crate::cluster::Cluster;
use crate::core::Core;
use crate::jobs::{BALANCE_SWITCH, Job as _};
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
    let told: Vec<_> = {
        let cluster = core.cluster();
        let jobs = |node: &NodeStatus| {
            let jobs = cluster.jobs_of(node.id).to_vec().into_iter();
            let host = node.address.clone();
            jobs.map(move |job| v1::Job {
                host: host.clone(),
                ..job
            })
        };
        nodes.iter().flat_map(jobs).collect()
    };
    Ok(v1::JobsResponse {
        jobs: own.chain(scrubs).chain(told).collect(),
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

/// Starts or stops the balancer; the answer is in any case what is out of balance now, and how far the balancer is.
pub(super) async fn rebalance(
    core: &Core,
    request: &v1::RebalanceRequest,
) -> Result<v1::RebalanceResponse, Rejection> {
    use v1::RebalanceAction as Action;

    let (caller, _) = question(core, request.caller.as_ref()).await?;
    let action = request.action();
    if matches!(action, Action::Start | Action::Stop) && !caller.superuser {
        let why = format!(
            "user {} may not start or stop the balancer: that is the superuser's",
            caller.user
        );
        return Err(Rejection::new(ErrorCode::PermissionDenied, why));
    }
    match action {
        Action::Start | Action::Stop => {
            let id = proto::request_id(request.caller.as_ref())?;
            let value = if action == Action::Start { "on" } else { "" };
            let (key, value) = (BALANCE_SWITCH.to_owned(), value.to_owned());
            core.propose(caller, id, Command::SetSetting { key, value })
                .await?;
        }
        Action::Plan | Action::Status => {}
        Action::Unspecified => return Err(Rejection::invalid("what the balancer is to do is not said")),
    }
    core.jobs.balance.step(core).await;
    let threshold = core.machine.read().settings().balance_threshold;
    let job = core
        .jobs
        .statuses(core)
        .into_iter()
        .find(|job| job.name == core.jobs.balance.name());
    let cluster = core.cluster();
    let plan = cluster.balance_plan(core.now(), threshold);
    let mut nodes: Vec<_> = plan.nodes.iter().collect();
    nodes.sort_by(|a, b| b.share().total_cmp(&a.share()));
    let imbalance = |node: &&NodeBalance| v1::Imbalance {
        datanode: cluster
            .view
            .node(node.datanode)
            .map(super::super::message::datanode),
        used_share: node.share(),
        off: node.share() - plan.mean,
        bytes_to_move: node.gives,
    };
    Ok(v1::RebalanceResponse {
        job: job.map(message::job),
        volumes: nodes.iter().map(imbalance).collect(),
        moves: plan.bytes.div_ceil(mean_replica(&cluster).max(1)),
        bytes: plan.bytes,
        threshold,
        explanation: explanation(&plan),
    })
}

/// The mean length of a replica, about.
fn mean_replica(cluster: &Cluster) -> u64 {
    let storages = cluster.view.nodes().flat_map(|node| node.working());
    let (used, count) = storages.fold((0u64, 0u64), |(used, count), storage| {
        let reported = &storage.reported;
        (
            used.saturating_add(reported.used),
            count.saturating_add(reported.chunks),
        )
    });
    used / count.max(1)
}

fn explanation(plan: &BalancePlan) -> Vec<String> {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let mut lines = vec![format!(
        "together the datanodes are {} full; each may be {} above or below that",
        percent(plan.mean),
        percent(plan.threshold)
    )];
    for node in &plan.nodes {
        let (what, bytes) = match (node.gives, node.takes) {
            (0, 0) => continue,
            (0, takes) => ("gets", takes),
            (gives, _) => ("gives", gives),
        };
        lines.push(format!(
            "{} is {} full: {what} {}, and is {} full then",
            node.address,
            percent(node.share()),
            ByteSize(bytes),
            percent(node.share_after())
        ));
    }
    let out = plan.left_out.iter();
    lines.extend(out.map(|node| format!("{} takes no part: {}", node.address, node.why)));
    if plan.is_balanced() {
        lines.push("nothing has to be moved".to_owned());
    }
    lines
}
