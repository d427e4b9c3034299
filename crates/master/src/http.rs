//! Health over HTTP, as JSON: `/healthz` says that the process serves, `/readyz` what it is in its group and
//! whether it can do that. `/metrics` is for Prometheus. All other paths are what is mounted.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use consensus::{Role, Standing, Status};
use serde::Serialize;

use crate::core::Core;
use crate::rejection::Rejection;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    reason: Option<String>,
    role: &'static str,
    leader: Option<String>,
    cluster_id: Option<String>,
    term: u64,
    safe_mode: bool,
    datanodes: usize,
    usable_datanodes: usize,
}

pub(crate) fn router(core: Arc<Core>) -> Router {
    let own = Router::new()
        .route("/healthz", get(async || Json(Health { status: "ok" })))
        .route("/readyz", get(ready))
        .with_state(Arc::clone(&core))
        .merge(httpd::metrics_route(core.telemetry.registry.clone()));
    core.mount.behind(own)
}

async fn ready(State(core): State<Arc<Core>>) -> (StatusCode, Json<Readiness>) {
    let status = core
        .group()
        .map(|group| group.status().borrow().clone())
        .unwrap_or_default();
    let reason = reason(&core, &status);
    let safe_mode = core.safe_mode().is_on();
    let cluster = core.cluster();
    let readiness = Readiness {
        ready: reason.is_none(),
        reason,
        role: role(status.role),
        leader: status.leader_address().map(str::to_owned),
        cluster_id: core.machine.read().cluster().map(|id| id.to_string()),
        term: status.term.as_u64(),
        safe_mode,
        datanodes: cluster.view.nodes().count(),
        usable_datanodes: cluster
            .view
            .nodes()
            .filter(|node| node.liveness.is_usable())
            .count(),
    };
    let code = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(readiness))
}

/// Why this master does not do what it is there for: to answer, or to be able to take over at once.
fn reason(core: &Core, status: &Status) -> Option<String> {
    let mode = core.safe_mode();
    let standing = core.group().map(|group| group.standing().borrow().clone());
    let reason = if *core.closing.borrow() {
        "the master is shutting down"
    } else if let Some(Standing::Joining(waiting)) = standing {
        return Some(waiting.to_string());
    } else if !status.formatted() {
        "the master belongs to no group yet"
    } else if status.leader.is_none() {
        "no master leads"
    } else if status.role == Role::Leader && core.leads_now().is_none() {
        "the master does not know whether it still leads"
    } else if mode.starting {
        return Some(Rejection::safe_mode(&mode).0.message);
    } else if !core.settled() {
        "waiting for datanodes to register and report"
    } else {
        return None;
    };
    Some(reason.to_owned())
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Unformatted => "joining",
        Role::Learner => "learner",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}
