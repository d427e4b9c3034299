//! Health over HTTP, as JSON: `/healthz` says that the process serves, `/readyz` whether it has a picture of its cluster.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use env::net::{TcpListener, TcpStream};
use serde::Serialize;

use crate::core::Core;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    reason: Option<&'static str>,
    cluster_id: String,
    term: u64,
    datanodes: usize,
    usable_datanodes: usize,
}

pub(crate) fn router(core: Arc<Core>) -> Router {
    Router::new()
        .route("/healthz", get(async || Json(Health { status: "ok" })))
        .route("/readyz", get(ready))
        .with_state(core)
}

async fn ready(State(core): State<Arc<Core>>) -> (StatusCode, Json<Readiness>) {
    let reason = if *core.closing.borrow() {
        Some("the master is shutting down")
    } else if !core.settled() {
        Some("waiting for datanodes to register and report")
    } else {
        None
    };
    let cluster = core.cluster();
    let readiness = Readiness {
        ready: reason.is_none(),
        reason,
        cluster_id: core.cluster_id.to_string(),
        term: core.term.as_u64(),
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

/// The network seam's listener, as the HTTP server wants it.
pub(crate) struct Listener(pub(crate) TcpListener);

impl axum::serve::Listener for Listener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok(connection) => return connection,
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
