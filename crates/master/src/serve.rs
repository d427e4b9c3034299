//! The servers of a master, as tasks.

use std::sync::Arc;
use std::time::Duration;

use env::net::{Incoming, TcpListener};
use proto::v1::admin_server::AdminServer;
use proto::v1::membership_server::MembershipServer;
use proto::v1::namespace_server::NamespaceServer;
use proto::v1::operations_server::OperationsServer;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};

use crate::core::Core;
use crate::service::{AdminApi, MembershipApi, NamespaceApi, OperationsApi};
use crate::telemetry::Measure;
use crate::{Failure, http};

/// The largest message that is taken from a datanode or a client.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Serves clients, datanodes, operators and other masters until the master is told to stop.
pub(crate) fn serve_grpc(
    core: Arc<Core>,
    listener: TcpListener,
    end: watch::Sender<Option<Failure>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let Some(consensus) = core.group().map(|group| group.service()) else {
            return;
        };
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<NamespaceServer<NamespaceApi>>().await;
        health.set_serving::<MembershipServer<MembershipApi>>().await;
        health.set_serving::<AdminServer<AdminApi>>().await;
        health.set_serving::<OperationsServer<OperationsApi>>().await;
        let namespace = NamespaceServer::new(NamespaceApi::new(Arc::clone(&core)));
        let membership = MembershipServer::new(MembershipApi::new(Arc::clone(&core)));
        let admin = AdminServer::new(AdminApi::new(Arc::clone(&core)));
        let operations = OperationsServer::new(OperationsApi::new(Arc::clone(&core)));
        let served = tonic::transport::Server::builder()
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .http2_keepalive_interval(Some(Duration::from_secs(10)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .layer(Measure(Arc::clone(&core.telemetry.operations)))
            .add_service(health_service)
            .add_optional_service(reflection())
            .add_service(namespace.max_decoding_message_size(MESSAGE_BYTES_MAX))
            .add_service(membership.max_decoding_message_size(MESSAGE_BYTES_MAX))
            .add_service(admin)
            .add_service(operations)
            .add_service(consensus)
            .serve_with_incoming_shutdown(Incoming::new(listener), core.closed())
            .await;
        report_end(
            &core,
            &end,
            "gRPC server",
            served.map_err(|error| error.to_string()),
        );
    })
}

/// What tools ask for the schemas of all services; none when these can not be read, which a test would see.
fn reflection() -> Option<ServerReflectionServer<impl ServerReflection>> {
    let built = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    built
        .inspect_err(|error| tracing::error!(%error, "no reflection: the schemas can not be read"))
        .ok()
}

/// Serves health, metrics and what is mounted until the master is told to stop.
pub(crate) fn serve_http(
    core: Arc<Core>,
    listener: TcpListener,
    end: watch::Sender<Option<Failure>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let closed = {
            let core = Arc::clone(&core);
            async move { core.closed().await }
        };
        let served = httpd::serve(listener, http::router(Arc::clone(&core)), closed).await;
        report_end(
            &core,
            &end,
            "HTTP server",
            served.map_err(|error| error.to_string()),
        );
    })
}

/// A server that ends before the master is told to stop has failed.
fn report_end(
    core: &Core,
    end: &watch::Sender<Option<Failure>>,
    what: &'static str,
    served: Result<(), String>,
) {
    if !*core.closing.borrow() {
        let why = served.err().unwrap_or_else(|| "no more connections".to_owned());
        end.send_replace(Some(Failure::Ended { what, why }));
    }
}
