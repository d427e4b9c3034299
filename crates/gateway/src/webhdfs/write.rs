//! Operations that take bytes; a datanode's side.

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse as _, Response};
use client::CreateOptions;
use types::ChunkSize;

use super::Call;
use super::exception::Exception;
use crate::{bytes, path};

pub(super) async fn create(call: &Call, body: Body) -> Result<Response, Exception> {
    let chunk_size = call.number::<u64>("blocksize")?.map(ChunkSize::new);
    let options = CreateOptions {
        overwrite: call.flag("overwrite")?.unwrap_or(false),
        parents: call.flag("createparent")?.unwrap_or(true),
        replication: call.number("replication")?,
        chunk_size: chunk_size
            .transpose()
            .map_err(|error| Exception::argument(format!("blocksize: {error}")))?,
        mode: call.mode("permission")?.unwrap_or(0o644),
        ..CreateOptions::default()
    };
    let file = call.fs.create(&call.path, options).await?;
    bytes::take(file, body).await?;
    let location = format!("webhdfs://{}{}", call.host, path::to_url(&call.path));
    Ok((StatusCode::CREATED, [(LOCATION, location)]).into_response())
}

pub(super) async fn append(call: &Call, body: Body) -> Result<Response, Exception> {
    let file = call.fs.append(&call.path).await?;
    bytes::take(file, body).await?;
    Ok(StatusCode::OK.into_response())
}
