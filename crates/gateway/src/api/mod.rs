//! `/api/v1`: what the command line's commands for operators do and show, and files by plain GET and PUT, as JSON over HTTP.
//!
//! Everything is in one table ([`endpoints`]): the routes, and the OpenAPI document at `/api/v1/openapi.json`.

mod cluster;
mod conditions;
mod files;
mod masters;
pub(crate) mod model;
mod names;
mod openapi;
mod problem;
mod request;
pub(crate) mod watch;

use std::sync::Arc;

use axum::http::{Method, StatusCode, Uri};
use axum::routing::{MethodRouter, any, delete, get, head, options, post, put};
use axum::{Json, Router};

pub(crate) use problem::Problem;

use crate::Gateway;

/// Where a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Path,
    Query,
}

/// A parameter of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    name: &'static str,
    place: Place,
    what: &'static str,
}

/// Something that can be asked.
pub(crate) struct Endpoint {
    method: &'static str,
    path: &'static str,
    what: &'static str,
    parameters: Vec<Parameter>,
    /// The fields of a body of JSON: name, type, what.
    body: &'static [(&'static str, &'static str, &'static str)],
    status: &'static str,
    answer: &'static str,
    route: MethodRouter<Arc<Gateway>>,
}

impl Endpoint {
    fn new(
        method: &'static str,
        path: &'static str,
        what: &'static str,
        answer: &'static str,
        route: MethodRouter<Arc<Gateway>>,
    ) -> Self {
        let named = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let parameters = named.map(|name| Parameter {
            name: name.trim_start_matches('*'),
            place: Place::Path,
            what: "see the path",
        });
        Self {
            method,
            path,
            what,
            parameters: parameters.collect(),
            body: &[],
            status: "200",
            answer,
            route,
        }
    }

    fn query(mut self, name: &'static str, what: &'static str) -> Self {
        self.parameters.push(Parameter {
            name,
            place: Place::Query,
            what,
        });
        self
    }

    const fn body(mut self, fields: &'static [(&'static str, &'static str, &'static str)]) -> Self {
        self.body = fields;
        self
    }

    const fn status(mut self, status: &'static str) -> Self {
        self.status = status;
        self
    }

    fn name(&self) -> String {
        let parts = self.path.split('/').skip(3).filter(|part| !part.starts_with('{'));
        parts.collect::<Vec<_>>().join("_").replace(['-', '.'], "_")
    }
}

#[rustfmt::skip]
fn endpoints() -> Vec<Endpoint> {
    let new = Endpoint::new;
    vec![
        new("get", "/api/v1/me", "who asks, and of which cluster", "user, superuser, cluster, defaults of new files", get(cluster::me)),
        new("get", "/api/v1/status", "masters, health and counts together", "health, masters, files, directories, chunks", get(cluster::status)),
        new("get", "/api/v1/health", "what is wrong, since when, what is being done about it", "level, problems, chunks, files, repair, space", get(cluster::health)),
        new("get", "/api/v1/activity", "who asks the most at present, and about which directories", "clients, directories", get(cluster::activity)),
        new("get", "/api/v1/masters", "the masters", "leader, term, masters", get(masters::list)),
        new("post", "/api/v1/masters", "makes a master that was started with an empty directory a member; it has caught up when this answers", "its id", post(masters::add))
            .body(&[("address", "string", "host:port, as the other masters reach it")]),
        new("delete", "/api/v1/masters/{master}", "takes a master (id or host:port) out of the group", "nothing", delete(masters::remove)).status("204"),
        new("put", "/api/v1/leader", "hands the lead over", "the masters, as GET", put(masters::transfer))
            .body(&[("to", "string", "id or host:port of the one that is to lead; without: the one whose log is furthest")]),
        new("get", "/api/v1/safemode", "whether the cluster can only be read, and why", "on, manual, chunks, confirmed, reason", get(masters::safe_mode)),
        new("put", "/api/v1/safemode", "makes the cluster read-only, or ends that", "safe mode, as GET", put(masters::set_safe_mode))
            .body(&[("on", "boolean", "whether it can only be read")]),
        new("post", "/api/v1/checkpoint", "has the leader write a checkpoint; it is durable when this answers", "index, bytes", post(masters::checkpoint)),
        new("get", "/api/v1/backup", "all metadata as of now: the file that `distrifs admin backup` makes, for `distrifs admin restore`", "the bytes", get(masters::backup)),
        new("get", "/api/v1/nodes", "the datanodes", "nodes, with their volumes", get(cluster::nodes)),
        new("put", "/api/v1/nodes/{node}", "changes how a datanode (id or host:port) takes part", "the node", put(cluster::change_node))
            .body(&[("state", "string", "in-service, decommission or maintenance"), ("for_ms", "integer", "how long a maintenance may take")]),
        new("delete", "/api/v1/nodes/{node}", "forgets a datanode that is dead", "nothing", delete(cluster::remove_node)).status("204")
            .query("force", "true: also when it has the only copy of something, which is lost then"),
        new("get", "/api/v1/jobs", "background jobs and settings", "jobs, settings", get(cluster::jobs)),
        new("put", "/api/v1/settings/{key}", "changes a setting of the cluster", "the setting", put(cluster::set))
            .body(&[("value", "string", "the new value; empty: the default")]),
        new("post", "/api/v1/rebalance", "starts or stops the balancer, or tells of it", "job, moves, bytes, explanation", post(cluster::rebalance))
            .body(&[("action", "string", "plan, start, stop or status")]),
        new("get", "/api/v1/explain", "why a file, a datanode or a chunk is as it is", "subject, condition, paragraphs", get(cluster::explain))
            .query("path", "a file").query("node", "a datanode").query("chunk", "a chunk"),
        new("get", "/api/v1/fsck", "looks at all files below a path", "files, counts by condition", get(cluster::fsck))
            .query("path", "where; the root").query("show", "none, all, unhealthy, at-risk or lost").query("replicas", "true: with the healthy chunks")
            .query("verify", "true: compare the checksums of all replicas, and tell the files that have one that differs or does not answer"),
        new("get", "/api/v1/usage", "how much is below a path", "files, directories, len, space", get(names::usage)).query("path", "where; the root"),
        new("get", "/api/v1/names/{*path}", "a file, or a page of a directory", "itself, entries, next", get(names::list))
            .query("after", "go on behind this name").query("itself", "true: without the entries"),
        new("post", "/api/v1/names/{*path}", "makes a directory, renames, changes attributes, closes what a writer left open", "what is there then; recover-lease: and what it waits for", post(names::change))
            .body(&[("do", "string", "mkdir, rename, attributes or recover-lease"), ("to", "string", "rename: the whole new path"), ("replace", "boolean", "rename: whether a file in the way goes"),
                    ("mode", "string", "attributes: octal"), ("owner", "string", "attributes"), ("group", "string", "attributes"), ("replication", "integer", "attributes")]),
        new("delete", "/api/v1/names/{*path}", "removes a file or directory", "nothing", delete(names::delete)).status("204").query("recursive", "true: with everything in it"),
        new("get", "/api/v1/files/{*path}", "the bytes of a file; ranges are served", "the bytes", get(files::get))
            .query("download", "true: to be saved").query("where", "true: tell where the bytes are, instead of sending there"),
        new("head", "/api/v1/files/{*path}", "the length of a file", "no body", head(files::head)),
        new("put", "/api/v1/files/{*path}", "makes or replaces a file with the body", "the file", put(files::put)).status("201")
            .query("keep", "true: do not replace").query("replication", "replicas").query("chunk_size", "bytes").query("where", "true: tell where to send the bytes to"),
        new("options", "/api/v1/files/{*path}", "for pages that come from a master", "headers", options(files::options)).status("204"),
        new("get", "/api/v1/history", "samples of the last hour, as this master has seen it", "every_ms, samples", get(watch::history)),
        new("get", "/api/v1/events", "what has happened, as this master has seen it, newest first", "events", get(watch::events)),
        new("get", "/api/v1/live", "how the cluster is, every second, as server-sent events", "a stream", get(watch::live)),
    ]
}

pub(crate) fn routes(gateway: Arc<Gateway>) -> Router {
    let endpoints = endpoints();
    let document = openapi::document(&endpoints);
    let mut router = Router::new()
        .route("/api/v1/names/", get(names::list))
        .route("/api/v1/openapi.json", get(move || async move { Json(document) }));
    for endpoint in endpoints {
        router = router.route(endpoint.path, endpoint.route);
    }
    router
        .route("/api/v1/", any(nothing_here))
        .route("/api/v1/{*path}", any(nothing_here))
        .method_not_allowed_fallback(wrong_method)
        .with_state(gateway)
}

const DESCRIBED: &str = "/api/v1/openapi.json describes what there is";

async fn nothing_here(uri: Uri) -> Problem {
    let why = format!("there is no {}: {DESCRIBED}", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "not-found", why)
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let why = format!("{method} is not served at {}: {DESCRIBED}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "invalid", why)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::body::Body;
    use axum::http::Request;
    use axum::http::header::{ALLOW, HOST, ORIGIN};
    use tower::ServiceExt as _;

    use super::*;
    use crate::Side;

    /// The status, what is allowed, and the kind of the error.
    async fn refused(request: axum::http::request::Builder) -> (u16, Option<String>, String) {
        let gateway = Gateway::alone(Side::Datanode);
        let request = request.body(Body::empty()).unwrap();
        let answer = crate::served(gateway).oneshot(request).await.unwrap();
        let allowed = answer.headers().get(ALLOW);
        let allowed = allowed.map(|methods| methods.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(!told["error"]["message"].as_str().unwrap().is_empty());
        (
            status,
            allowed,
            told["error"]["kind"].as_str().unwrap().to_owned(),
        )
    }

    #[tokio::test]
    async fn every_error_is_one_for_programs() {
        for nowhere in ["/api/v1/nope", "/api/v1/", "/api/v1/nodes/a/b"] {
            let told = refused(Request::get(nowhere)).await;
            assert_eq!(told, (404, None, "not-found".to_owned()), "{nowhere}");
        }
        let told = refused(Request::post("/api/v1/health")).await;
        assert_eq!(told, (405, Some("GET,HEAD".to_owned()), "invalid".to_owned()));
        let foreign = Request::put("/api/v1/safemode").header(HOST, "here:9864");
        let foreign = foreign.header(ORIGIN, "http://evil.example:9864");
        assert_eq!(refused(foreign).await, (403, None, "foreign-page".to_owned()));
    }

    #[test]
    fn every_endpoint_is_described_once() {
        let endpoints = endpoints();
        let document = openapi::document(&endpoints);
        let mut ids = BTreeSet::new();
        for endpoint in &endpoints {
            let path = endpoint.path.replace("{*path}", "{path}");
            let operation = &document["paths"][&path][endpoint.method];
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            assert!(!operation["summary"].as_str().unwrap().is_empty());
            assert!(operation["responses"][endpoint.status].is_object(), "{id}");
        }
    }
}
