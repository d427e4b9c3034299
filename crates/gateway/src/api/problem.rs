//! What went wrong, as JSON: `{"error": {"kind", "message"}}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use client::{Error, ErrorKind};
use serde_json::json;

use crate::bytes::NotTaken;

#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl Problem {
    pub(crate) const fn new(status: StatusCode, kind: &'static str, message: String) -> Self {
        Self {
            status,
            kind,
            message,
        }
    }

    /// The request makes no sense.
    pub(crate) const fn request(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, kind) = match error.kind() {
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            ErrorKind::Exists => (StatusCode::CONFLICT, "exists"),
            ErrorKind::NotDirectory => (StatusCode::CONFLICT, "not-a-directory"),
            ErrorKind::IsDirectory => (StatusCode::CONFLICT, "is-a-directory"),
            ErrorKind::NotEmpty => (StatusCode::CONFLICT, "not-empty"),
            ErrorKind::PermissionDenied => (StatusCode::FORBIDDEN, "permission-denied"),
            ErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid"),
            ErrorKind::Busy => (StatusCode::CONFLICT, "busy"),
            ErrorKind::Stale => (StatusCode::CONFLICT, "changed"),
            ErrorKind::WriteDenied => (StatusCode::INSUFFICIENT_STORAGE, "write-denied"),
            ErrorKind::ReadOnly => (StatusCode::SERVICE_UNAVAILABLE, "safe-mode"),
            ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            ErrorKind::Io => (StatusCode::INTERNAL_SERVER_ERROR, "io"),
            ErrorKind::Protocol => (StatusCode::BAD_GATEWAY, "protocol"),
        };
        Self::new(status, kind, error.to_string())
    }
}

impl From<NotTaken> for Problem {
    fn from(why: NotTaken) -> Self {
        match why {
            NotTaken::Cluster(error) => error.into(),
            NotTaken::Sender(why) => Self::request(format!("what was sent did not come whole: {why}")),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "kind": self.kind, "message": self.message } });
        (self.status, Json(body)).into_response()
    }
}
