//! An empty gRPC call as the library does it: no layers, no metrics, connections as they come.
//!
//! The service is the library's own health check. It looks one name up and answers with one byte.

use std::net::SocketAddr;

use anyhow::{Context as _, anyhow};
use tokio::runtime::Runtime;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::peer;
use crate::process::Process;

/// A process that answers, and connections to it.
#[derive(Debug)]
pub(crate) struct Calls {
    process: Process,
    connections: Vec<Channel>,
}

impl Calls {
    /// Starts it. Connections are made when they are first used.
    pub(crate) fn start(runtime: &Runtime, connections: usize) -> anyhow::Result<Self> {
        let (process, address) = peer::start("bare calls", &["bare-calls"])?;
        let endpoint = Channel::from_shared(format!("http://{address}"))?;
        let _entered = runtime.enter();
        Ok(Self {
            process,
            connections: (0..connections.max(1)).map(|_| endpoint.connect_lazy()).collect(),
        })
    }

    /// The connection of the caller of this number.
    pub(crate) fn connection(&self, caller: usize) -> anyhow::Result<Channel> {
        let place = caller % self.connections.len().max(1);
        self.connections
            .get(place)
            .cloned()
            .context("there is no connection")
    }

    /// CPU seconds of the process so far.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        Ok(self.process.cpu_seconds()?)
    }
}

/// Calls it once.
pub(crate) async fn call(channel: Channel) -> anyhow::Result<()> {
    HealthClient::new(channel)
        .check(HealthCheckRequest::default())
        .await?;
    Ok(())
}

/// The task of the process: answers until it is killed.
pub(crate) fn calls() -> anyhow::Result<()> {
    Runtime::new()?.block_on(async {
        let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .map_err(|error| anyhow!("can not listen: {error}"))?
            .with_nodelay(Some(true));
        peer::announce(incoming.local_addr().context("no address to tell")?);
        let (_, health) = tonic_health::server::health_reporter();
        Server::builder()
            .add_service(health)
            .serve_with_incoming(incoming)
            .await
            .context("cannot serve")
    })
}
