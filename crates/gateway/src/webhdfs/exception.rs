//! What went wrong, as clients of HDFS expect to be told.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use client::Error;
use serde_json::json;

use crate::bytes::NotTaken;

/// An exception of Java, as JSON: the name that clients branch on, and the status that Hadoop gives it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exception {
    status: StatusCode,
    /// With its package.
    class: &'static str,
    message: String,
}

impl Exception {
    const fn new(status: StatusCode, class: &'static str, message: String) -> Self {
        Self {
            status,
            class,
            message,
        }
    }

    /// A parameter is wrong.
    pub(crate) const fn argument(message: String) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "java.lang.IllegalArgumentException",
            message,
        )
    }

    /// Nobody does this here.
    pub(crate) const fn unsupported(message: String) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "java.lang.UnsupportedOperationException",
            message,
        )
    }

    /// It can not be done.
    pub(crate) const fn io(message: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, "java.io.IOException", message)
    }

    /// There is nothing, or no file.
    pub(crate) const fn not_found(message: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, "java.io.FileNotFoundException", message)
    }

    /// The caller may not.
    pub(crate) const fn denied(message: String) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "org.apache.hadoop.security.AccessControlException",
            message,
        )
    }
}

impl From<Error> for Exception {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let forbidden = |class| Self::new(StatusCode::FORBIDDEN, class, message.clone());
        match error {
            // Clients look for these words.
            Error::NotFound(_) => Self::not_found(format!("it does not exist: {message}")),
            Error::IsDirectory(_) => Self::not_found(message),
            Error::Exists(_) => forbidden("org.apache.hadoop.fs.FileAlreadyExistsException"),
            Error::NotDirectory(_) => forbidden("org.apache.hadoop.fs.ParentNotDirectoryException"),
            Error::NotEmpty(_) => forbidden("org.apache.hadoop.fs.PathIsNotEmptyDirectoryException"),
            Error::PermissionDenied(_) => Self::denied(message),
            Error::Invalid(_) | Error::Config(_) => Self::argument(message),
            Error::Busy(_) => forbidden("org.apache.hadoop.hdfs.protocol.AlreadyBeingCreatedException"),
            Error::LeaseLost(_) => forbidden("org.apache.hadoop.hdfs.server.namenode.LeaseExpiredException"),
            Error::SafeMode(_) => forbidden("org.apache.hadoop.hdfs.server.namenode.SafeModeException"),
            // Clients that know several addresses ask the next one then.
            Error::Unavailable { .. } | Error::BrokenOff { .. } => {
                forbidden("org.apache.hadoop.ipc.StandbyException")
            }
            Error::WriteDenied(_)
            | Error::NotReplicated(_)
            | Error::DataUnavailable { .. }
            | Error::PipelineLost { .. }
            | Error::Changed { .. }
            | Error::Source { .. } => Self::io(message),
            Error::Master(_) | Error::Protocol { .. } => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "java.lang.RuntimeException",
                message,
            ),
        }
    }
}

impl From<NotTaken> for Exception {
    fn from(why: NotTaken) -> Self {
        match why {
            NotTaken::Cluster(error) => error.into(),
            NotTaken::Sender(why) => Self::io(format!("what was sent did not come whole: {why}")),
        }
    }
}

impl IntoResponse for Exception {
    fn into_response(self) -> Response {
        let name = self.class.rsplit('.').next().unwrap_or(self.class);
        let body = json!({
            "RemoteException": {
                "exception": name,
                "javaClassName": self.class,
                "message": self.message,
            }
        });
        (self.status, Json(body)).into_response()
    }
}
