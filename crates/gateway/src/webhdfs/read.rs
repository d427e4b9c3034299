//! Operations that change nothing.

use std::io;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use client::{FileStatus, ListPages};
use futures_util::stream;
use serde_json::{Value, json};

use super::exception::Exception;
use super::{Call, answer};
use crate::{Gateway, bytes};

pub(super) async fn open(call: &Call) -> Result<Response, Exception> {
    let offset = call.number::<u64>("offset")?.unwrap_or(0);
    let length = call.number::<u64>("length")?.unwrap_or(u64::MAX);
    let file = call.fs.open(&call.path).await?;
    let len = file.len();
    if offset > len {
        return Err(Exception::io(format!(
            "{}: offset {offset} is behind the end of the file, which has {len} bytes",
            call.path
        )));
    }
    let range = offset..len.min(offset.saturating_add(length));
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_LENGTH, (range.end - range.start).to_string()),
    ];
    Ok((headers, bytes::out(&file, range)).into_response())
}

pub(super) async fn checksum(call: &Call) -> Result<Response, Exception> {
    let sum = call.fs.checksum(&call.path).await?;
    Ok(answer::json(&json!({
        "FileChecksum": {
            "algorithm": "COMPOSITE-CRC32C",
            "bytes": format!("{:08x}", sum.crc32c),
            "length": 4,
        }
    })))
}

pub(super) async fn status(call: &Call) -> Result<Response, Exception> {
    let status = call.fs.stat(&call.path).await?;
    Ok(answer::json(
        &json!({ "FileStatus": answer::file_status(&status, "") }),
    ))
}

/// The entries as JSON, with commas between them; of a file, itself without a name.
fn entries(page: &[FileStatus], of_file: bool) -> Vec<Value> {
    let name = |status: &FileStatus| {
        if of_file {
            String::new()
        } else {
            status.name.clone()
        }
    };
    page.iter()
        .map(|status| answer::file_status(status, &name(status)))
        .collect()
}

/// All entries, sent page by page: a directory of any size takes the memory of a page.
pub(super) async fn list(call: &Call) -> Result<Response, Exception> {
    let itself = call.fs.stat(&call.path).await?;
    if itself.is_file() {
        let alone = entries(&[itself], true);
        return Ok(answer::json(&json!({ "FileStatuses": { "FileStatus": alone } })));
    }
    let mut pages = call.fs.list(&call.path);
    // What can be refused is refused before the answer begins.
    let first = pages.next_page().await?.unwrap_or_default();
    let begin = String::from("{\"FileStatuses\":{\"FileStatus\":[");
    let text = begin + &joined(&entries(&first, false), true);
    let rest = stream::unfold(Some((pages, first.is_empty())), more);
    let end = stream::once(async { Ok("]}}".to_owned()) });
    let parts = stream::once(async { Ok(text) });
    let body = Body::from_stream(futures_util::StreamExt::chain(
        futures_util::StreamExt::chain(parts, rest),
        end,
    ));
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

type Rest = Option<(ListPages, bool)>;

async fn more(rest: Rest) -> Option<(Result<String, io::Error>, Rest)> {
    let (mut pages, is_first) = rest?;
    match pages.next_page().await {
        Ok(None) => None,
        Ok(Some(page)) => {
            let text = joined(&entries(&page, false), is_first);
            Some((Ok(text), Some((pages, is_first && page.is_empty()))))
        }
        Err(error) => Some((Err(io::Error::other(error)), None)),
    }
}

fn joined(entries: &[Value], is_first: bool) -> String {
    let mut text = String::new();
    for (place, entry) in entries.iter().enumerate() {
        if place > 0 || !is_first {
            text.push(',');
        }
        text.push_str(&entry.to_string());
    }
    text
}

pub(super) async fn list_batch(call: &Call) -> Result<Response, Exception> {
    let itself = call.fs.stat(&call.path).await?;
    if itself.is_file() {
        let alone = entries(&[itself], true);
        return Ok(answer::json(&json!({
            "DirectoryListing": {
                "partialListing": { "FileStatuses": { "FileStatus": alone } },
                "remainingEntries": 0,
            }
        })));
    }
    let mut pages = call.fs.list(&call.path);
    if let Some(name) = call.query.text("startafter") {
        pages = pages.behind(name);
    }
    let page = pages.next_page().await?.unwrap_or_default();
    Ok(answer::json(&json!({
        "DirectoryListing": {
            "partialListing": { "FileStatuses": { "FileStatus": entries(&page, false) } },
            "remainingEntries": u8::from(!pages.is_over()),
        }
    })))
}

pub(super) async fn content_summary(call: &Call) -> Result<Response, Exception> {
    let summary = call.fs.content_summary(&call.path).await?;
    Ok(answer::json(&answer::content_summary(&summary)))
}

pub(super) async fn quota_usage(call: &Call) -> Result<Response, Exception> {
    let summary = call.fs.content_summary(&call.path).await?;
    Ok(answer::json(&json!({
        "QuotaUsage": {
            "fileAndDirectoryCount": summary.files + summary.directories,
            "quota": -1,
            "spaceConsumed": summary.space,
            "spaceQuota": -1,
            "typeQuota": {},
        }
    })))
}

pub(super) async fn block_locations(gateway: &Gateway, call: &Call) -> Result<Response, Exception> {
    let offset = call.number::<u64>("offset")?.unwrap_or(0);
    let length = call.number::<u64>("length")?.unwrap_or(u64::MAX);
    let end = offset.saturating_add(length);
    let found = call.fs.locations(&call.path, offset..end).await?;
    let nodes = gateway.nodes.all().await?;
    let rack = |id| {
        let node = nodes.iter().find(|node| node.id == id);
        node.map(|node| node.rack.clone()).unwrap_or_default()
    };
    let chunk = |chunk: &client::Location| {
        let of = |each: &dyn Fn(&client::Node) -> String| -> Vec<String> {
            chunk.replicas.iter().map(each).collect()
        };
        json!({
            "cachedHosts": [],
            "corrupt": chunk.replicas.is_empty() && chunk.len > 0,
            "hosts": of(&|node| node.host.clone()),
            "length": chunk.len,
            "names": of(&client::Node::address),
            "offset": chunk.offset,
            "storageTypes": of(&|_| "DISK".to_owned()),
            "topologyPaths": of(&|node| format!("{}/{}", rack(node.id), node.address())),
        })
    };
    let chunks: Vec<_> = found.iter().map(chunk).collect();
    Ok(answer::json(
        &json!({ "BlockLocations": { "BlockLocation": chunks } }),
    ))
}

pub(super) async fn server_defaults(call: &Call) -> Result<Response, Exception> {
    let info = call.fs.server_info().await?;
    Ok(answer::json(&json!({
        "FsServerDefaults": {
            "blockSize": info.chunk_size.bytes(),
            "bytesPerChecksum": 512,
            "checksumType": 2,
            "defaultStoragePolicyId": 0,
            "encryptDataTransfer": "false",
            "fileBufferSize": 4096,
            "keyProviderUri": "",
            "replication": info.replication,
            "trashInterval": 0,
            "writePacketSize": 65536,
        }
    })))
}

pub(super) async fn fs_status(call: &Call) -> Result<Response, Exception> {
    let space = call.fs.cluster_space().await?;
    Ok(answer::json(&json!({
        "FsStatus": {
            "capacity": space.capacity,
            "remaining": space.available,
            "used": space.used,
        }
    })))
}

/// Whether the bits of a file allow what is asked; the way to it is checked by the master as for everything else.
pub(super) async fn check_access(gateway: &Gateway, call: &Call) -> Result<Response, Exception> {
    let wanted = wanted(call.query.text("fsaction").unwrap_or("---")).map_err(Exception::argument)?;
    let status = call.fs.stat(&call.path).await?;
    let shift = if status.owner == call.user {
        6
    } else if call.fs.config().groups.contains(&status.group) {
        3
    } else {
        0
    };
    let granted = (status.mode >> shift) & 0o7;
    if granted & wanted == wanted || gateway.superuser().await?.as_deref() == Some(call.user.as_str()) {
        return Ok(StatusCode::OK.into_response());
    }
    Err(Exception::denied(format!(
        "{}: permission denied for user {}: owner {}, group {}, mode {:o}",
        call.path, call.user, status.owner, status.group, status.mode
    )))
}

/// `r-x` as bits.
fn wanted(action: &str) -> Result<u16, String> {
    let bits = action
        .chars()
        .zip([('r', 4), ('w', 2), ('x', 1)])
        .map(|(letter, (name, bit))| {
            if letter == name {
                Some(bit)
            } else {
                (letter == '-').then_some(0)
            }
        });
    let bits: Option<Vec<u16>> = bits.collect();
    match bits {
        Some(bits) if action.len() == 3 => Ok(bits.iter().sum()),
        _ => Err(format!("fsaction {action:?} is not three of r, w, x or -")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_bits() {
        assert_eq!(wanted("r-x"), Ok(5));
        assert_eq!(wanted("---"), Ok(0));
        assert!(wanted("rw").is_err() && wanted("xwr").is_err() && wanted("rwxr").is_err());
    }
}
