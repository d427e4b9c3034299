//! Whose request it is: each has an id, which goes with all that is asked of the cluster for it, as does the host that asks.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use client::Origin;
use tracing::Instrument as _;
use types::TraceId;

use crate::Gateway;

/// The id of a request, in the request and in its answer.
const HEADER: &str = "x-request-id";

/// Has the request carried out in the name of who asks. One that brings an id keeps it; the answer tells it.
pub(crate) async fn carry(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let named = request
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok());
    let named = named
        .and_then(|text| text.parse::<TraceId>().ok())
        .filter(|id| id.is_some());
    let trace = named.unwrap_or_else(|| TraceId(gateway.env.random.u64()));
    let remote = request.extensions().get::<ConnectInfo<httpd::Remote>>();
    let host = remote.map(|remote| remote.0.0.ip().to_canonical().to_string());
    let origin = Origin {
        trace,
        host: host.map(Arc::from),
    };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    // Named as the span of who asks: what servers do for it is told as a part of it.
    let span = tracing::debug_span!(target: "request", "root", id = %trace, operation = %method, path);
    let answer = Origin::carry(Some(origin), next.run(request));
    let mut response = answer.instrument(span.clone()).await;
    let status = response.status().as_u16();
    span.in_scope(|| tracing::debug!(target: "request", status, "request"));
    if let Ok(value) = HeaderValue::from_str(&trace.to_string()) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}
