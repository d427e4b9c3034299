//! Operations of the record, through the SDK.

use std::time::Duration;

use anyhow::Context as _;
use client::{Config, CreateOptions, Error, FileKind, FileStatus, FileSystem, Publish};
use env::Env;
use oracle::{Call, Entry, Kind, Outcome};
use types::{FsPath, UnixMillis};

use crate::system::USER;

/// How long a client tries. Longer than any failover, so that hardly an operation stays unanswered.
const PATIENCE: Duration = Duration::from_secs(60);

/// Times from here on were set by the clock and are no marks: 2001 in milliseconds.
const MARKS: u64 = 1_000_000_000_000;

/// A client of its own.
pub(super) fn connect(masters: &[String]) -> anyhow::Result<FileSystem> {
    let mut config = Config::new(masters.to_vec(), USER);
    config.timeouts.call_total = PATIENCE;
    FileSystem::connect(Env::real(), config).context("cannot set up a client")
}

/// The paths of a call: where, and for a rename where to.
pub(super) struct Paths {
    pub first: FsPath,
    pub second: Option<FsPath>,
}

/// Does it. None: whether it was done is not known.
pub(super) async fn perform(fs: &FileSystem, call: &Call, paths: &Paths) -> Option<Outcome> {
    let path = &paths.first;
    let done = match *call {
        Call::Stat { .. } => {
            return match fs.stat(path).await {
                Ok(status) => Some(Outcome::Found(entry(&status))),
                Err(error) => outcome(call, &error),
            };
        }
        Call::Create { entry, .. } => match entry.kind {
            Kind::Directory => fs.mkdir(path, entry.mode, false).await,
            Kind::File => create(fs, path, entry.mode).await,
        },
        Call::Delete { .. } => fs.delete(path, false).await,
        Call::Rename { replace, .. } => {
            fs.rename(path, paths.second.as_ref().unwrap_or(path), replace)
                .await
        }
        Call::SetMode { mode, .. } => fs.set_mode(path, mode).await,
        Call::SetMark { mark, .. } => fs.set_times(path, Some(UnixMillis(mark)), None).await,
    };
    match done {
        Ok(()) => Some(Outcome::Done),
        Err(error) => outcome(call, &error),
    }
}

/// An empty file, which appears when it is closed.
async fn create(fs: &FileSystem, path: &FsPath, mode: u16) -> Result<(), Error> {
    let options = CreateOptions {
        mode,
        publish: Publish::AtComplete,
        ..CreateOptions::default()
    };
    fs.create(path, options).await?.close().await.map(drop)
}

fn outcome(call: &Call, error: &Error) -> Option<Outcome> {
    let exists = matches!(call, Call::Create { .. });
    match error {
        Error::NotFound(_) => Some(Outcome::NotFound),
        Error::Exists(_) => Some(Outcome::Exists),
        // A file that is to be made where a directory is.
        Error::IsDirectory(_) if exists => Some(Outcome::Exists),
        Error::NotDirectory(_)
        | Error::IsDirectory(_)
        | Error::NotEmpty(_)
        | Error::PermissionDenied(_)
        | Error::Invalid(_)
        | Error::Busy(_)
        | Error::LeaseLost(_)
        | Error::WriteDenied(_) => Some(Outcome::Refused),
        // No master answered, or what it answered says nothing about the change.
        _ => None,
    }
}

/// What a status says, as the record has it.
pub(super) fn entry(status: &FileStatus) -> Entry {
    Entry {
        kind: match status.kind {
            FileKind::File => Kind::File,
            FileKind::Directory => Kind::Directory,
        },
        mode: status.mode,
        mark: mark(status.mtime.as_u64()),
    }
}

/// The mark that a time is; 0 for one that was set by the clock.
pub(super) const fn mark(mtime_ms: u64) -> u64 {
    if mtime_ms < MARKS { mtime_ms } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_clock_are_no_marks() {
        assert_eq!(mark(7), 7);
        assert_eq!(mark(1_700_000_000_000), 0);
    }
}
