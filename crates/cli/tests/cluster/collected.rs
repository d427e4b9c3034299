//! With a collector of OpenTelemetry, a command is one trace: its own span, and below it those of the servers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::support::{Cluster, Content, Options, until};

/// Each span, with the name of the service that it is of.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, Span)>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_resource in request.into_inner().resource_spans {
            let attributes = of_resource.resource.unwrap().attributes;
            let service = attributes
                .into_iter()
                .find(|it| it.key == "service.name")
                .unwrap();
            let Some(Value::StringValue(service)) = service.value.unwrap().value else {
                panic!("the name of a service is a text");
            };
            let spans = of_resource
                .scope_spans
                .into_iter()
                .flat_map(|of_scope| of_scope.spans);
            let spans = spans.map(|span| (service.clone(), span));
            self.0.lock().unwrap().extend(spans);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    fn start(runtime: &tokio::runtime::Runtime) -> (Self, SocketAddr) {
        let collector = Self::default();
        let _inside = runtime.enter();
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .serve_with_incoming(incoming);
        runtime.spawn(server);
        (collector, address)
    }

    fn named(&self, service: &str, name: &str) -> Option<Span> {
        let spans = self.0.lock().unwrap();
        let mut found = spans
            .iter()
            .filter(|it| (it.0.as_str(), it.1.name.as_str()) == (service, name));
        found.next().map(|it| it.1.clone())
    }
}

#[test]
fn a_command_is_one_trace_at_all_servers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (collector, address) = Collector::start(&runtime);
    let endpoint = format!("http://{address}");
    let flags = ["--otlp-endpoint".to_owned(), endpoint.clone()];
    let mut options = Options {
        datanodes: 2,
        ..Options::default()
    };
    options.master.extend(flags.clone());
    options.datanode.extend(flags);
    let cluster = Cluster::with(options);
    let source = cluster.dir().join("source");
    Content::new(81, 200_000).write_file(&source);

    let run = |args: &[&str]| {
        let mut command = cluster.client.command(args);
        command.env("DISTRIFS_OTLP_ENDPOINT", &endpoint).output().unwrap()
    };
    let put = run(&["put", "--replication", "2", source.to_str().unwrap(), "/f"]);
    assert!(put.status.success(), "{put:?}");
    assert!(!run(&["mkdir", "/f/g"]).status.success());

    let wait = |service, name| {
        until(&format!("{service} has told of {name}"), || {
            collector.named(service, name)
        })
    };
    let asked = wait("distrifs-client", "put");
    assert!(asked.parent_span_id.is_empty(), "{asked:?}");
    for (service, name) in [("distrifs-master", "create"), ("distrifs-datanode", "WriteBlock")] {
        let served = wait(service, name);
        assert_eq!(served.trace_id, asked.trace_id, "{name}");
        assert_eq!(served.parent_span_id, asked.span_id, "{name}");
        assert!(
            asked.start_time_unix_nano <= served.start_time_unix_nano
                && served.start_time_unix_nano <= served.end_time_unix_nano,
            "{served:?}"
        );
    }
    let refused = wait("distrifs-master", "mkdir");
    assert!(
        refused.status.unwrap().message.contains("/f"),
        "what was refused says why"
    );
}

#[test]
fn an_endpoint_that_is_none_is_refused_and_one_that_is_silent_costs_nothing() {
    let cluster = Cluster::start(1);
    let list = |endpoint: &str| {
        let mut command = cluster.client.command(&["ls", "/"]);
        command.env("DISTRIFS_OTLP_ENDPOINT", endpoint).output().unwrap()
    };
    let wrong = list("not an address");
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    let why = String::from_utf8(wrong.stderr).unwrap();
    assert!(why.contains("otlp_endpoint") && why.contains("4317"), "{why}");
    let silent = list("http://127.0.0.1:1");
    assert!(silent.status.success(), "{silent:?}");
    let told = String::from_utf8(silent.stderr).unwrap();
    assert!(
        told.contains("export failed"),
        "it is said that spans are lost: {told}"
    );
}
