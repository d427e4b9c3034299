//! WebHDFS: the REST interface that clients of HDFS know (the Hadoop documentation's "WebHDFS REST API").
//!
//! A master answers what is about names, and sends on (307, or a `Location` where `noredirect` asks for it) what moves bytes;
//! a datanode does all of it itself. Every operation is one call of the SDK, or few. Where this differs from HDFS:
//! - a file appears when it is whole, and one that it replaces stays until then;
//! - `remainingEntries` of a listing in batches is 1 when there are more, however many;
//! - checksums are `COMPOSITE-CRC32C`, which do not depend on how a file was written.

mod answer;
mod exception;
mod names;
mod read;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{HOST, LOCATION};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use client::FileSystem;
use serde_json::json;
use types::FsPath;

use crate::query::Query;
use crate::{Gateway, NOBODY, Side, bytes, nodes, path};
pub(crate) use exception::Exception;

pub(crate) const PREFIX: &str = "/webhdfs/v1";

pub(crate) fn routes(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route(PREFIX, any(serve))
        .route(&format!("{PREFIX}/"), any(serve))
        .route(&format!("{PREFIX}/{{*path}}"), any(serve))
        .with_state(gateway)
}

/// A request that was understood.
pub(crate) struct Call {
    pub(crate) fs: FileSystem,
    pub(crate) user: String,
    pub(crate) path: FsPath,
    pub(crate) query: Query,
    pub(crate) uri: Uri,
    /// How the caller calls this server.
    pub(crate) host: String,
    /// The host that asks.
    pub(crate) from: Option<String>,
}

async fn serve(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let done = dispatch(&gateway, &method, uri, request).await;
    done.unwrap_or_else(|exception| {
        tracing::debug!(?exception, %method, "a WebHDFS request is refused");
        exception.into_response()
    })
}

async fn dispatch(
    gateway: &Gateway,
    method: &Method,
    uri: Uri,
    request: Request,
) -> Result<Response, Exception> {
    let query = Query::parse(uri.query());
    let path = path::of_url(uri.path(), PREFIX).map_err(Exception::argument)?;
    let user = query.text("doas").or(query.text("user.name"));
    let from = request.extensions().get::<ConnectInfo<httpd::Remote>>();
    let call = Call {
        fs: gateway.users.file_system(user),
        user: user.unwrap_or(NOBODY).to_owned(),
        from: from.map(|remote| remote.0.0.ip().to_canonical().to_string()),
        host: host(&request),
        path,
        query,
        uri,
    };
    let operation = call.query.text("op").unwrap_or_default().to_ascii_uppercase();
    match (method.as_str(), operation.as_str()) {
        ("GET", "OPEN") => match gateway.side {
            Side::Master => call.to_reader(gateway).await,
            Side::Datanode => read::open(&call).await,
        },
        ("GET", "GETFILECHECKSUM") => match gateway.side {
            Side::Master => call.to_reader(gateway).await,
            Side::Datanode => read::checksum(&call).await,
        },
        ("PUT", "CREATE") if bytes::is_part(request.headers()) => {
            Err(Exception::argument(bytes::NO_PARTS.to_owned()))
        }
        ("PUT", "CREATE") => match gateway.side {
            Side::Master => call.to_writer(gateway).await,
            Side::Datanode => write::create(&call, request.into_body()).await,
        },
        ("POST", "APPEND") => match gateway.side {
            Side::Master => call.to_writer(gateway).await,
            Side::Datanode => write::append(&call, request.into_body()).await,
        },
        ("GET", "GETFILESTATUS" | "GETFILELINKSTATUS") => read::status(&call).await,
        ("GET", "LISTSTATUS") => read::list(&call).await,
        ("GET", "LISTSTATUS_BATCH") => read::list_batch(&call).await,
        ("GET", "GETCONTENTSUMMARY") => read::content_summary(&call).await,
        ("GET", "GETQUOTAUSAGE") => read::quota_usage(&call).await,
        ("GET", "GETFILEBLOCKLOCATIONS") => read::block_locations(gateway, &call).await,
        ("GET", "GETHOMEDIRECTORY") => Ok(answer::path(&format!("/user/{}", call.user))),
        ("GET", "GETTRASHROOT") => Ok(answer::path(&format!("/user/{}/.Trash", call.user))),
        ("GET", "GETSERVERDEFAULTS") => read::server_defaults(&call).await,
        ("GET", "GETSTATUS") => read::fs_status(&call).await,
        ("GET", "CHECKACCESS") => read::check_access(gateway, &call).await,
        ("PUT", "MKDIRS") => names::mkdirs(&call).await,
        ("PUT", "RENAME") => names::rename(&call).await,
        ("PUT", "SETPERMISSION") => names::set_permission(&call).await,
        ("PUT", "SETOWNER") => names::set_owner(&call).await,
        ("PUT", "SETREPLICATION") => names::set_replication(&call).await,
        ("PUT", "SETTIMES") => names::set_times(&call).await,
        ("POST", "TRUNCATE") => names::truncate(&call).await,
        ("POST", "CONCAT") => names::concat(&call).await,
        ("DELETE", "DELETE") => names::delete(&call).await,
        (_, "") => Err(Exception::argument("no operation is named: add ?op=…".to_owned())),
        (method, operation) => Err(Exception::unsupported(format!(
            "{method} with op={operation} is not served here; docs/operations/webhdfs.md lists what is"
        ))),
    }
}

fn host(request: &Request) -> String {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    host.unwrap_or_default().to_owned()
}

impl Call {
    /// Sends it to a datanode that has the bytes.
    async fn to_reader(&self, gateway: &Gateway) -> Result<Response, Exception> {
        let offset = self.number::<u64>("offset")?.unwrap_or(0);
        self.redirect(gateway.nodes.reader(&self.fs, &self.path, offset).await?)
    }

    /// Sends it to a datanode that takes bytes.
    async fn to_writer(&self, gateway: &Gateway) -> Result<Response, Exception> {
        self.redirect(gateway.nodes.writer(self.from.as_deref()).await?)
    }

    fn redirect(&self, address: Option<String>) -> Result<Response, Exception> {
        let address = address.ok_or_else(|| Exception::io(nodes::NOBODY_SERVES.to_owned()))?;
        let location = nodes::location(&address, &self.uri, None);
        if self.flag("noredirect")? == Some(true) {
            return Ok(answer::json(&json!({ "Location": location })));
        }
        Ok((
            StatusCode::TEMPORARY_REDIRECT,
            [(LOCATION, location)],
            Body::empty(),
        )
            .into_response())
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Exception> {
        self.query.number(name).map_err(Exception::argument)
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, Exception> {
        self.query.flag(name).map_err(Exception::argument)
    }

    fn mode(&self, name: &str) -> Result<Option<u16>, Exception> {
        self.query.mode(name).map_err(Exception::argument)
    }

    /// A parameter that there must be.
    fn needed(&self, name: &str) -> Result<&str, Exception> {
        let found = self.query.text(name);
        found.ok_or_else(|| Exception::argument(format!("parameter {name} is missing")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_does_not_replace_a_file() {
        for side in [Side::Master, Side::Datanode] {
            let request = Request::put("/webhdfs/v1/f?op=CREATE&overwrite=true")
                .header("content-range", "bytes 5000-8892/8893")
                .body(Body::from("the tail"));
            let answer = serve(State(Gateway::alone(side)), request.unwrap()).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        }
    }
}
