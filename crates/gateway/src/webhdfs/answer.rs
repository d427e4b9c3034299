//! Answers, in the shapes that the documentation of WebHDFS gives.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use client::{ContentSummary, FileStatus};
use serde_json::{Value, json};

pub(crate) fn json(value: &Value) -> Response {
    Json(value).into_response()
}

pub(crate) fn boolean(value: bool) -> Response {
    json(&json!({ "boolean": value }))
}

pub(crate) fn path(path: &str) -> Response {
    json(&json!({ "Path": path }))
}

/// `name`: as the entry of a directory; empty for what was asked about itself.
pub(crate) fn file_status(status: &FileStatus, name: &str) -> Value {
    json!({
        "accessTime": status.atime.as_u64(),
        "blockSize": status.chunk_size.map_or(0, types::ChunkSize::bytes),
        "childrenNum": status.children,
        "fileId": status.inode.0,
        "group": status.group,
        "length": status.len,
        "modificationTime": status.mtime.as_u64(),
        "owner": status.owner,
        "pathSuffix": name,
        "permission": format!("{:o}", status.mode),
        "replication": status.replication,
        "storagePolicy": 0,
        "type": if status.is_directory() { "DIRECTORY" } else { "FILE" },
    })
}

pub(crate) fn content_summary(summary: &ContentSummary) -> Value {
    json!({
        "ContentSummary": {
            "directoryCount": summary.directories,
            "fileCount": summary.files,
            "length": summary.len,
            "quota": -1,
            "spaceConsumed": summary.space,
            "spaceQuota": -1,
            "typeQuota": {},
        }
    })
}
