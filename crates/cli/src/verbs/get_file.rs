//! One file out of the cluster.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use client::{FileStatus, FileSystem};
use types::{FsPath, UnixMillis};

use crate::failure::{Failure, Result};
use crate::local::{Keep, Sink, check_free};
use crate::progress::Progress;

/// How files are fetched.
#[derive(Clone)]
pub(super) struct Get {
    /// The cluster.
    pub(super) fs: FileSystem,
    /// Who counts.
    pub(super) progress: Progress,
    /// Whether existing files are replaced.
    pub(super) overwrite: bool,
    /// Whether times are kept.
    pub(super) preserve: bool,
}

/// Fetches a file.
///
/// # Errors
/// When it can not be read or written; then there is nothing at `to` that was not there before.
pub(super) async fn get_file(get: &Get, path: &FsPath, status: &FileStatus, to: PathBuf) -> Result<()> {
    let name = to.display().to_string();
    let local = |error: io::Error| {
        let taken = error.kind() == io::ErrorKind::AlreadyExists;
        let failure = Failure::local(&name, &error);
        if taken {
            failure.next("--overwrite replaces it")
        } else {
            failure
        }
    };
    // Asked again when the file gets its name; this spares the fetching.
    check_free(&to, get.overwrite).map_err(local)?;
    let file = get.fs.open(path).await;
    let file = file.map_err(|error| Failure::from_client(path, &error))?;
    get.progress.expect(path.name().unwrap_or_default(), file.len());
    let time = |millis: UnixMillis| UNIX_EPOCH + Duration::from_millis(millis.as_u64());
    let keep = Keep {
        mode: Some(u32::from(status.mode) & 0o1777),
        times: get.preserve.then(|| (time(status.mtime), time(status.atime))),
    };
    let mut sink = Sink::create(to, get.overwrite, keep);
    let mut bytes = file.stream_all();
    while let Some(block) = bytes.next().await {
        let block = block.map_err(|error| Failure::from_client(path, &error))?;
        let len = block.len();
        sink.write(block).await.map_err(local)?;
        get.progress.moved(len);
    }
    sink.finish().await.map_err(local)?;
    get.progress.file();
    Ok(())
}
