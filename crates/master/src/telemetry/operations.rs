//! The calls that a master answers: how many, how long, with what errors.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::http::{Request, Response};
use metrics::{Histogram, RareCounter, Registry};
use pin_project_lite::pin_project;
use proto::v1::operation::Kind;
use proto::v1::operation_result::Result as Answer;
use tokio::time::Instant;
use tonic::Code;
use tonic::codegen::Service;

/// A method as it is told.
struct Operation {
    service: String,
    name: String,
    took: Histogram,
}

/// The calls by their path; those that nobody serves are not among them.
pub(crate) struct Operations {
    by_path: HashMap<String, Arc<Operation>>,
    errors: RareCounter<3>,
}

impl Operations {
    pub(super) fn new(registry: &Registry) -> Self {
        let names: Vec<_> = proto::METHODS
            .iter()
            .map(|(service, method)| {
                (
                    format!("/{service}/{method}"),
                    snake(last(service)),
                    snake(method),
                )
            })
            .collect();
        let kinds = names
            .iter()
            .map(|(_, service, name)| [("service", service.clone()), ("operation", name.clone())]);
        let histograms = registry.histograms(
            "distrifs_master_operation_seconds",
            "Time from a call to its answer, by gRPC service and operation; what comes in batches counts by itself",
            kinds,
        );
        let operation = |((path, service, name), took)| {
            let operation = Operation { service, name, took };
            (path, Arc::new(operation))
        };
        Self {
            by_path: names.into_iter().zip(histograms).map(operation).collect(),
            errors: registry.rare_counter(
                "distrifs_master_operation_errors",
                "Calls that were answered with an error, by gRPC service, operation and status code",
                ["service", "operation", "code"],
            ),
        }
    }

    fn failed(&self, operation: &Operation, code: Code) {
        let code = snake(&format!("{code:?}"));
        self.errors.inc([&operation.service, &operation.name, &code]);
    }
}

/// Calls of clients.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Calls {
    pub(crate) count: u64,
    /// The time that they took, together.
    pub(crate) us: u64,
}

impl Operations {
    /// Begins one that has come in a batch: it counts as if it had come alone.
    pub(crate) fn begin(&self, kind: &Kind) -> Begun<'_> {
        Begun {
            all: self,
            operation: self.by_path.get(path(kind)),
            begun: Instant::now(),
        }
    }

    /// Those on names and files, by now. A batch counts as what is in it.
    pub(crate) fn calls(&self) -> Calls {
        let of_clients = self
            .by_path
            .values()
            .filter(|operation| operation.service == "namespace" && operation.name != "batch");
        of_clients.fold(Calls::default(), |calls, operation| {
            let us = u64::try_from(operation.took.sum().as_micros()).unwrap_or(u64::MAX);
            Calls {
                count: calls.count.saturating_add(operation.took.count()),
                us: calls.us.saturating_add(us),
            }
        })
    }
}

/// An operation of a batch that is being carried out.
pub(crate) struct Begun<'a> {
    all: &'a Operations,
    operation: Option<&'a Arc<Operation>>,
    begun: Instant,
}

impl Begun<'_> {
    /// It is answered so.
    pub(crate) fn ended(self, answer: &Answer) {
        let Some(operation) = self.operation else { return };
        operation.took.observe(self.begun.elapsed());
        if let Answer::Error(error) = answer {
            self.all.failed(operation, proto::code(error));
        }
    }
}

/// What it would be called by if it came alone.
const fn path(kind: &Kind) -> &'static str {
    match kind {
        Kind::Stat(_) => "/distrifs.v1.Namespace/Stat",
        Kind::Locate(_) => "/distrifs.v1.Namespace/Locate",
        Kind::Mkdir(_) => "/distrifs.v1.Namespace/Mkdir",
        Kind::Rename(_) => "/distrifs.v1.Namespace/Rename",
        Kind::Delete(_) => "/distrifs.v1.Namespace/Delete",
        Kind::SetMode(_) => "/distrifs.v1.Namespace/SetMode",
        Kind::SetOwner(_) => "/distrifs.v1.Namespace/SetOwner",
        Kind::SetTimes(_) => "/distrifs.v1.Namespace/SetTimes",
        Kind::Create(_) => "/distrifs.v1.Namespace/Create",
        Kind::Complete(_) => "/distrifs.v1.Namespace/Complete",
    }
}

fn last(service: &str) -> &str {
    service.rsplit('.').next().unwrap_or(service)
}

/// `ServerInfo` to `server_info`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// Measures what goes through it.
#[derive(Clone)]
pub(crate) struct Measure(pub(crate) Arc<Operations>);

impl<S> tower::Layer<S> for Measure {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Measured<S> {
        Measured {
            operations: Arc::clone(&self.0),
            inner,
        }
    }
}

/// What is measured.
#[derive(Clone)]
pub(crate) struct Measured<S> {
    operations: Arc<Operations>,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Measured<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Measuring<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let operation = self.operations.by_path.get(request.uri().path()).cloned();
        Measuring {
            begun: Instant::now(),
            operation: operation.map(|operation| (operation, Arc::clone(&self.operations))),
            answer: self.inner.call(request),
        }
    }
}

pin_project! {
    /// A call that is being answered. One that is given up is not counted.
    pub(crate) struct Measuring<F> {
        begun: Instant,
        operation: Option<(Arc<Operation>, Arc<Operations>)>,
        #[pin]
        answer: F,
    }
}

impl<F, R, E> Future for Measuring<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(context));
        if let Some((operation, all)) = &this.operation.take() {
            operation.took.observe(this.begun.elapsed());
            // An error of a call with one answer is in its first headers.
            let code = answer
                .as_ref()
                .ok()
                .and_then(|answer| answer.headers().get("grpc-status"));
            let code = code.map(|code| Code::from_bytes(code.as_bytes()));
            if let Some(code) = code.filter(|code| *code != Code::Ok) {
                all.failed(operation, code);
            }
        }
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests {
    use proto::v1;

    use super::*;

    #[test]
    fn every_method_has_a_name_of_its_own() {
        assert_eq!(snake("ServerInfo"), "server_info");
        let operations = Operations::new(&Registry::new());
        let stat = &operations.by_path["/distrifs.v1.Namespace/Stat"];
        assert_eq!((stat.service.as_str(), stat.name.as_str()), ("namespace", "stat"));
        assert_eq!(operations.by_path.len(), proto::METHODS.len());
    }

    #[test]
    fn what_comes_in_a_batch_counts_as_if_it_came_alone() {
        let registry = Registry::new();
        let operations = Operations::new(&registry);
        let kinds = [
            Kind::Stat(v1::StatRequest::default()),
            Kind::Locate(v1::LocateRequest::default()),
            Kind::Mkdir(v1::MkdirRequest::default()),
            Kind::Rename(v1::RenameRequest::default()),
            Kind::Delete(v1::DeleteRequest::default()),
            Kind::SetMode(v1::SetModeRequest::default()),
            Kind::SetOwner(v1::SetOwnerRequest::default()),
            Kind::SetTimes(v1::SetTimesRequest::default()),
            Kind::Create(v1::CreateRequest::default()),
            Kind::Complete(v1::CompleteRequest::default()),
        ];
        for kind in &kinds {
            operations.begin(kind).ended(&Answer::Done(v1::OperationDone {}));
        }
        let refused = v1::ErrorDetail {
            code: v1::ErrorCode::NotFound.into(),
            ..v1::ErrorDetail::default()
        };
        operations.begin(&kinds[1]).ended(&Answer::Error(refused));
        assert_eq!(operations.calls().count, 11);
        let text = registry.encode();
        let labels = "service=\"namespace\",operation=\"locate\"";
        for line in [
            format!("distrifs_master_operation_seconds_count{{{labels}}} 2"),
            format!("distrifs_master_operation_errors_total{{{labels},code=\"not_found\"}} 1"),
        ] {
            assert!(text.contains(&line), "{line} is not in {text}");
        }
    }
}
