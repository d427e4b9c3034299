//! The HTTP side: `/healthz` says that the process serves, `/readyz` whether it stores and is known to a master, `/metrics` is
//! for Prometheus. All other paths are what is mounted.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use env::net::TcpListener;
use serde::Serialize;

use crate::error::Failure;
use crate::node::Node;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    reason: Option<&'static str>,
    datanode: String,
    masters: usize,
}

/// Serves until the datanode ends.
pub(crate) async fn serve(node: Arc<Node>, listener: TcpListener) {
    let closed = {
        let node = Arc::clone(&node);
        async move { node.closed().await }
    };
    let served = httpd::serve(listener, router(&node), closed).await;
    if !node.is_closing() {
        let why = served.map_or_else(|error| error.to_string(), |()| "no more connections".to_owned());
        node.fail(Failure::Http { why });
    }
}

fn router(node: &Arc<Node>) -> Router {
    let own = Router::new()
        .route("/healthz", get(async || Json(Health { status: "ok" })))
        .route("/readyz", get(ready))
        .with_state(Arc::clone(node))
        .merge(httpd::metrics_route(node.telemetry.registry.clone()));
    node.mount.behind(own)
}

async fn ready(State(node): State<Arc<Node>>) -> (StatusCode, Json<Readiness>) {
    let masters = *node.registered().borrow();
    let reason = if node.is_closing() {
        Some("the datanode is shutting down")
    } else if node.replicas().is_none() {
        Some("no master has said to which cluster it belongs")
    } else if masters == 0 {
        Some("no master knows it and its replicas")
    } else {
        None
    };
    let code = match reason {
        None => StatusCode::OK,
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let readiness = Readiness {
        ready: reason.is_none(),
        reason,
        datanode: node.id.to_string(),
        masters,
    };
    (code, Json(readiness))
}
