//! One file into the cluster.

use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use client::{CreateOptions, Error, FileSystem, FileWriter, Publish};
use types::{FsPath, UnixMillis};

use super::put::mode_of;
use crate::failure::{Failure, Result};
use crate::local::{Opened, ReadAhead};
use crate::progress::Progress;

/// How files are put.
#[derive(Clone)]
pub(super) struct Put {
    /// The cluster.
    pub(super) fs: FileSystem,
    /// Who counts.
    pub(super) progress: Progress,
    /// Whether existing files are replaced.
    pub(super) overwrite: bool,
    /// Whether missing directories are made.
    pub(super) parents: bool,
    /// Whether times are kept.
    pub(super) preserve: bool,
}

/// Puts a local file.
///
/// # Errors
/// When it can not be read or stored; then there is nothing at `to` that was not there before.
pub(super) async fn put_file(put: &Put, from: PathBuf, to: &FsPath) -> Result<()> {
    let name = from.display().to_string();
    let opened = ReadAhead::open(from).await;
    let Opened { bytes, metadata } = opened.map_err(|error| Failure::local(&name, &error))?;
    put.progress.expect(to.name().unwrap_or_default(), metadata.len());
    let writer = create(put, to, mode_of(&metadata)).await?;
    fill(put, writer, bytes, &name).await?;
    if put.preserve {
        let [modified, accessed] = [metadata.modified(), metadata.accessed()].map(unix_millis);
        let set = put.fs.set_times(to, modified, accessed).await;
        set.map_err(|error| Failure::from_client(to, &error))?;
    }
    Ok(())
}

/// Puts stdin.
///
/// # Errors
/// As [`put_file`].
pub(super) async fn put_pipe(put: &Put, to: &FsPath, mode: u16) -> Result<()> {
    put.progress.expect(to.name().unwrap_or_default(), 0);
    let writer = create(put, to, mode).await?;
    fill(put, writer, ReadAhead::stdin(), "stdin").await
}

async fn create(put: &Put, to: &FsPath, mode: u16) -> Result<FileWriter> {
    let options = CreateOptions {
        overwrite: put.overwrite,
        parents: put.parents,
        mode,
        publish: Publish::AtComplete,
        ..CreateOptions::default()
    };
    put.fs.create(to, options).await.map_err(|error| match &error {
        Error::Exists(_) => Failure::from_client(to, &error).next("--overwrite replaces it"),
        _ => no_parent(to, &error),
    })
}

/// A failure to make `path`, perhaps because its directory is missing.
pub(super) fn no_parent(path: &FsPath, error: &Error) -> Failure {
    let failure = Failure::from_client(path, error);
    match (error, path.parent()) {
        (Error::NotFound(_), Some(parent)) => failure.next(format!(
            "make its directory first: distrifs mkdir -p {parent}; or give --parents"
        )),
        _ => failure,
    }
}

async fn fill(put: &Put, mut writer: FileWriter, mut bytes: ReadAhead, source: &str) -> Result<()> {
    let to = writer.path().clone();
    let poured = async {
        while let Some(block) = bytes.next().await {
            let block = block.map_err(|error| Failure::local(source, &error))?;
            let written = writer.write(&block).await;
            written.map_err(|error| Failure::from_client(&to, &error))?;
            put.progress.moved(block.len());
        }
        Ok(())
    };
    if let Err(failure) = poured.await {
        // What went wrong is told; that the rest was not tidied up as well helps nobody: the lease will end.
        let _ = writer.abort().await;
        return Err(failure);
    }
    writer
        .close()
        .await
        .map_err(|error| Failure::from_client(&to, &error))?;
    put.progress.file();
    Ok(())
}

fn unix_millis(time: io::Result<SystemTime>) -> Option<UnixMillis> {
    let since = time.ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(UnixMillis)
}
