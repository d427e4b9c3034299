//! A request that was understood: who asks, about what.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequest, Request};
use axum::http::{HeaderMap, Uri};
use client::FileSystem;
use serde_json::{Map, Value};
use types::FsPath;

use super::problem::Problem;
use crate::query::Query;
use crate::{Gateway, NOBODY, path};

/// Who asks, where it is not in the query.
const USER: &str = "x-distrifs-user";

/// What a body of JSON may have.
const JSON_BYTES_MAX: usize = 1 << 20;

/// See the module's text.
pub(crate) struct Asked {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) fs: FileSystem,
    pub(crate) user: String,
    pub(crate) query: Query,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// The host that asks.
    pub(crate) from: Option<String>,
    /// Behind a lock for the sake of its type alone: a body can not be shared between threads, and what is asked is.
    body: Mutex<Body>,
}

/// The fields of a body of JSON.
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_u64()
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }
}

impl FromRequest<Arc<Gateway>> for Asked {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let query = Query::parse(parts.uri.query());
        let named = parts.headers.get(USER).and_then(|user| user.to_str().ok());
        let user = query.text("user.name").or(named).filter(|user| !user.is_empty());
        let from = parts.extensions.get::<ConnectInfo<httpd::Remote>>();
        Ok(Self {
            fs: gateway.users.file_system(user),
            user: user.unwrap_or(NOBODY).to_owned(),
            from: from.map(|remote| remote.0.0.ip().to_canonical().to_string()),
            gateway: Arc::clone(gateway),
            query,
            uri: parts.uri,
            headers: parts.headers,
            body: Mutex::new(body),
        })
    }
}

impl Asked {
    /// Who asks, where only a header says so.
    pub(crate) fn by_header(&self) -> Option<&str> {
        let by_query = self.query.text("user.name").is_some();
        Some(self.user.as_str()).filter(|user| !by_query && *user != NOBODY)
    }

    /// What follows `prefix` in the path of the URL, as the path of a file.
    pub(crate) fn path(&self, prefix: &str) -> Result<FsPath, Problem> {
        path::of_url(self.uri.path(), prefix).map_err(Problem::request)
    }

    /// The path that a parameter names; the root when it does not.
    pub(crate) fn path_of(&self, parameter: &str) -> Result<FsPath, Problem> {
        path::parse(self.query.text(parameter).unwrap_or("/")).map_err(Problem::request)
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        Ok(self.query.flag(name).map_err(Problem::request)?.unwrap_or(false))
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.query.number(name).map_err(Problem::request)
    }

    /// The last part of the path, in plain text.
    pub(crate) fn last(&self) -> Result<String, Problem> {
        let last = self.uri.path().rsplit('/').next().unwrap_or_default();
        let decoded = percent_encoding::percent_decode_str(last).decode_utf8();
        let decoded = decoded.map_err(|_| Problem::request(format!("{last} is not UTF-8")))?;
        Ok(decoded.into_owned())
    }

    /// The body. The first who takes it has it.
    pub(crate) fn take_body(&mut self) -> Body {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(body)
    }

    /// The body, which is an object of JSON.
    pub(crate) async fn json(mut self) -> Result<(Self, Fields), Problem> {
        let bytes = axum::body::to_bytes(self.take_body(), JSON_BYTES_MAX)
            .await
            .map_err(|error| Problem::request(format!("the body does not come whole: {error}")))?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Problem::request(format!("the body is not JSON: {error}")))?;
        match value {
            Value::Object(fields) => Ok((self, Fields(fields))),
            _ => Err(Problem::request("the body is not an object of JSON".to_owned())),
        }
    }
}
