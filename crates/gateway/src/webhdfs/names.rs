//! Operations that change names and attributes.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use client::Error;
use types::UnixMillis;

use super::exception::Exception;
use super::{Call, answer};
use crate::path;

pub(super) async fn mkdirs(call: &Call) -> Result<Response, Exception> {
    let mode = call.mode("permission")?.unwrap_or(0o755);
    call.fs.mkdir(&call.path, mode, true).await?;
    Ok(answer::boolean(true))
}

/// As HDFS does it: into a directory that has the name. Without `renameoptions` what is in the way is an answer of false,
/// with them an exception.
pub(super) async fn rename(call: &Call) -> Result<Response, Exception> {
    let to = path::parse(call.needed("destination")?).map_err(Exception::argument)?;
    if let Some(options) = call.query.text("renameoptions") {
        let replace = options.to_ascii_uppercase().contains("OVERWRITE");
        call.fs.rename(&call.path, &to, replace).await?;
        return Ok(StatusCode::OK.into_response());
    }
    let into = match call.fs.stat(&to).await {
        Ok(status) if status.is_directory() => {
            let name = call.path.name().unwrap_or_default();
            to.join(name)
                .map_err(|error| Exception::argument(error.to_string()))?
        }
        Ok(_) => return Ok(answer::boolean(call.path == to)),
        Err(_) => to,
    };
    match call.fs.rename(&call.path, &into, false).await {
        Ok(()) => Ok(answer::boolean(true)),
        Err(
            Error::NotFound(_)
            | Error::Exists(_)
            | Error::NotDirectory(_)
            | Error::NotEmpty(_)
            | Error::IsDirectory(_)
            | Error::Invalid(_),
        ) => Ok(answer::boolean(false)),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn delete(call: &Call) -> Result<Response, Exception> {
    let recursive = call.flag("recursive")?.unwrap_or(false);
    match call.fs.delete(&call.path, recursive).await {
        Ok(()) => Ok(answer::boolean(true)),
        Err(Error::NotFound(_)) => Ok(answer::boolean(false)),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn set_permission(call: &Call) -> Result<Response, Exception> {
    let mode = call.mode("permission")?.unwrap_or(0o755);
    call.fs.set_mode(&call.path, mode).await?;
    Ok(StatusCode::OK.into_response())
}

pub(super) async fn set_owner(call: &Call) -> Result<Response, Exception> {
    let (owner, group) = (call.query.text("owner"), call.query.text("group"));
    if owner.is_none() && group.is_none() {
        return Err(Exception::argument("both owner and group are missing".to_owned()));
    }
    call.fs.set_owner(&call.path, owner, group).await?;
    Ok(StatusCode::OK.into_response())
}

pub(super) async fn set_replication(call: &Call) -> Result<Response, Exception> {
    let replication = match call.number::<u16>("replication")? {
        Some(replication) => replication,
        None => call.fs.server_info().await?.replication,
    };
    match call.fs.set_replication(&call.path, replication).await {
        Ok(()) => Ok(answer::boolean(true)),
        Err(Error::IsDirectory(_) | Error::NotFound(_)) => Ok(answer::boolean(false)),
        Err(error) => Err(error.into()),
    }
}

/// A time of -1 stays as it is.
pub(super) async fn set_times(call: &Call) -> Result<Response, Exception> {
    let time = |name| -> Result<Option<UnixMillis>, Exception> {
        let ms = call.number::<i64>(name)?;
        Ok(ms.and_then(|ms| u64::try_from(ms).ok()).map(UnixMillis))
    };
    let (mtime, atime) = (time("modificationtime")?, time("accesstime")?);
    call.fs.set_times(&call.path, mtime, atime).await?;
    Ok(StatusCode::OK.into_response())
}

/// False while datanodes are still cutting what is decided to be cut.
pub(super) async fn truncate(call: &Call) -> Result<Response, Exception> {
    let missing = || Exception::argument("parameter newlength is missing".to_owned());
    let len = call.number::<u64>("newlength")?.ok_or_else(missing)?;
    Ok(answer::boolean(call.fs.truncate(&call.path, len).await?))
}

pub(super) async fn concat(call: &Call) -> Result<Response, Exception> {
    let sources: Result<Vec<_>, _> = call.needed("sources")?.split(',').map(path::parse).collect();
    let sources = sources.map_err(Exception::argument)?;
    call.fs.concat(&call.path, &sources).await?;
    Ok(StatusCode::OK.into_response())
}
