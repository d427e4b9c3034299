//! Bytes of files by plain GET, HEAD and PUT, with ranges.
//!
//! A master sends whoever asks to a datanode (307), or tells where (`?where`), for browsers that can not be sent on with a body.
//! A page of the console is from a master and the bytes are at a datanode: to a browser that is another server. Datanodes answer
//! pages of masters only, which have the cluster's id in their requests (`cluster=`): see the guard.
//!
//! Conditions on the ETag are heeded. An upload looks at what it replaces before its bytes come and when they have come, and a file
//! that is to be new (`If-None-Match: *`) is made by the masters only where nothing is. What changes in the moment between the
//! second look and the end of an upload with `If-Match` is replaced all the same: the masters know no conditions.

use std::ops::Range;

use axum::Json;
use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION, ORIGIN, RANGE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use client::{CreateOptions, Error, FileStatus};
use serde_json::json;
use types::{ChunkSize, FsPath};

use super::conditions::{Conditions, Verdict};
use super::model;
use super::problem::Problem;
use super::request::Asked;
use crate::guard::is_console;
use crate::{Side, bytes, nodes};

const PREFIX: &str = "/api/v1/files";

pub(super) async fn get(asked: Asked) -> Response {
    let answer = read(&asked, false).await;
    allowed(&asked, answer.into_response()).await
}

pub(super) async fn head(asked: Asked) -> Response {
    let answer = read(&asked, true).await;
    allowed(&asked, answer.into_response()).await
}

async fn read(asked: &Asked, head_only: bool) -> Result<Response, Problem> {
    let path = asked.path(PREFIX)?;
    if asked.gateway.side == Side::Master {
        return elsewhere(asked, asked.gateway.nodes.reader(&asked.fs, &path, 0).await?);
    }
    let file = asked.fs.open(&path).await?;
    let (len, etag) = (file.len(), etag(file.status()));
    let conditions = Conditions(&asked.headers);
    match conditions.judge(Some(&etag)) {
        Verdict::GoOn => {}
        Verdict::IsThere => return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response()),
        Verdict::Differs => return Err(not_as_wanted(&path)),
    }
    let parts = !head_only && conditions.part_holds(&etag);
    let wanted = asked.headers.get(RANGE).filter(|_| parts);
    let wanted = wanted.and_then(|range| range.to_str().ok());
    let range = match wanted.map(|text| parse_range(text, len)) {
        Some(Asking::Part(range)) => Some(range),
        Some(Asking::Nothing) => {
            let all = format!("bytes */{len}");
            let why = format!("{path}: nothing of the range is in the file, which has {len} bytes");
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", why);
            return Ok(([(CONTENT_RANGE, all)], problem).into_response());
        }
        None | Some(Asking::All) => None,
    };
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let part = range.clone().unwrap_or(0..len);
    let mut put = |name, text: String| {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    };
    put(CONTENT_TYPE, "application/octet-stream".to_owned());
    put(CONTENT_LENGTH, (part.end - part.start).to_string());
    put(ACCEPT_RANGES, "bytes".to_owned());
    put(ETAG, etag);
    if asked.flag("download")? {
        let name = path.name().unwrap_or("file");
        let escaped = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        put(
            CONTENT_DISPOSITION,
            format!("attachment; filename*=UTF-8''{escaped}"),
        );
    }
    if let Some(range) = &range {
        put(
            CONTENT_RANGE,
            format!("bytes {}-{}/{len}", range.start, range.end - 1),
        );
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    if !head_only {
        *response.body_mut() = bytes::out(&file, part);
    }
    Ok(response)
}

/// Makes or replaces a file with the body.
pub(super) async fn put(mut asked: Asked) -> Response {
    let body = asked.take_body();
    let answer = write(&asked, body).await;
    allowed(&asked, answer.into_response()).await
}

async fn write(asked: &Asked, body: Body) -> Result<Response, Problem> {
    let path = asked.path(PREFIX)?;
    if bytes::is_part(&asked.headers) {
        return Err(Problem::request(bytes::NO_PARTS.to_owned()));
    }
    if asked.gateway.side == Side::Master {
        return elsewhere(asked, asked.gateway.nodes.writer(asked.from.as_deref()).await?);
    }
    let chunk_size = asked.number::<u64>("chunk_size")?.map(ChunkSize::new).transpose();
    let conditions = Conditions(&asked.headers);
    let options = CreateOptions {
        overwrite: !asked.flag("keep")? && !conditions.only_new(),
        parents: true,
        replication: asked.number("replication")?,
        chunk_size: chunk_size.map_err(|error| Problem::request(error.to_string()))?,
        ..CreateOptions::default()
    };
    let refused = |error| match error {
        Error::Exists(_) if conditions.only_new() => not_as_wanted(&path),
        error => error.into(),
    };
    as_wanted(asked, &path).await?;
    let file = asked.fs.create(&path, options).await.map_err(refused)?;
    let file = bytes::fill(file, body).await?;
    if let Err(problem) = as_wanted(asked, &path).await {
        // What was to be replaced stays.
        let _ = file.abort().await;
        return Err(problem);
    }
    let status = file.close().await.map_err(refused)?;
    let entry = model::entry(&status);
    Ok((StatusCode::CREATED, [(ETAG, etag(&status))], Json(entry)).into_response())
}

/// Whether what is there now may be replaced, as the request's conditions are.
async fn as_wanted(asked: &Asked, path: &FsPath) -> Result<(), Problem> {
    let conditions = Conditions(&asked.headers);
    if !conditions.are_there() {
        return Ok(());
    }
    let there = match asked.fs.stat(path).await {
        Ok(status) => Some(etag(&status)),
        Err(Error::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match conditions.judge(there.as_deref()) {
        Verdict::GoOn => Ok(()),
        Verdict::IsThere | Verdict::Differs => Err(not_as_wanted(path)),
    }
}

fn not_as_wanted(path: &FsPath) -> Problem {
    let why =
        format!("{path}: what is there is not as If-Match or If-None-Match want it: ask for its ETag again");
    Problem::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", why)
}

/// What a browser asks before it sends something to another server than the page's.
pub(super) async fn options(asked: Asked) -> Response {
    let mut response = allowed(&asked, StatusCode::NO_CONTENT.into_response()).await;
    if response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        let methods = HeaderValue::from_static("GET, HEAD, PUT");
        let names = HeaderValue::from_static("x-distrifs-user, content-type, range");
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    response
}

fn elsewhere(asked: &Asked, address: Option<String>) -> Result<Response, Problem> {
    let address = address.ok_or_else(|| {
        let why = nodes::NOBODY_SERVES.to_owned();
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why)
    })?;
    let location = nodes::location(&address, &asked.uri, asked.by_header());
    if asked.flag("where")? {
        return Ok(Json(json!({ "location": location })).into_response());
    }
    Ok((StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response())
}

/// Lets the console of a master have the answer.
async fn allowed(asked: &Asked, mut response: Response) -> Response {
    let Some(origin) = asked.headers.get(ORIGIN) else {
        return response;
    };
    if is_console(&asked.gateway, &asked.headers, asked.uri.query()).await {
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}

/// What stays as long as the bytes do.
fn etag(status: &FileStatus) -> String {
    format!(
        "\"{:x}-{:x}-{:x}\"",
        status.inode.0,
        status.mtime.as_u64(),
        status.len
    )
}

#[derive(Debug, PartialEq, Eq)]
enum Asking {
    All,
    Part(Range<u64>),
    /// There is nothing of what is asked for.
    Nothing,
}

/// One range of bytes (RFC 9110); what is not understood asks for everything.
fn parse_range(text: &str, len: u64) -> Asking {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Asking::All;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(count) => len.saturating_sub(count)..len,
            None => return Asking::All,
        },
        (first, "") => match number(first) {
            Some(first) => first..len,
            None => return Asking::All,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..len.min(last.saturating_add(1)),
            _ => return Asking::All,
        },
    };
    if range.is_empty() {
        Asking::Nothing
    } else {
        Asking::Part(range)
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::{FromRequest as _, Request};

    use super::*;
    use crate::Gateway;

    #[tokio::test]
    async fn a_part_does_not_replace_a_file() {
        for side in [Side::Master, Side::Datanode] {
            let request = Request::put("/api/v1/files/f")
                .header("content-range", "bytes 5000-8892/8893")
                .body(Body::from("the tail"));
            let asked = Asked::from_request(request.unwrap(), &Gateway::alone(side)).await;
            assert_eq!(put(asked.unwrap()).await.status(), StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn ranges() {
        assert_eq!(parse_range("bytes=0-0", 10), Asking::Part(0..1));
        assert_eq!(parse_range("bytes=5-", 10), Asking::Part(5..10));
        assert_eq!(parse_range("bytes=5-99", 10), Asking::Part(5..10));
        assert_eq!(parse_range("bytes=-3", 10), Asking::Part(7..10));
        assert_eq!(parse_range("bytes=-30", 10), Asking::Part(0..10));
        assert_eq!(parse_range("bytes=10-", 10), Asking::Nothing);
        assert_eq!(parse_range("bytes=-0", 10), Asking::Nothing);
        for odd in ["bytes=", "lines=0-1", "bytes=a-b", "bytes=3-2", "bytes=0-1,4-5"] {
            assert_eq!(parse_range(odd, 10), Asking::All, "{odd}");
        }
    }
}
