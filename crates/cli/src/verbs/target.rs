//! Where copies and renamed things go: into an existing directory, or under a new name.

use types::FsPath;

use crate::failure::{Exit, Failure, Result};
use crate::remote::{RemotePath, join, stat_if_there};
use crate::run::Context;

/// What the last argument of `put`, `cp` and `mv` means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// An existing directory: things go into it under their own names.
    Into(FsPath),
    /// A new name, or the name of a file.
    As(FsPath),
}

impl Target {
    /// Where something called `name` goes.
    ///
    /// # Errors
    /// When the path becomes too long, or the name can not be one.
    pub(crate) fn path_for(&self, name: &str) -> Result<FsPath> {
        match self {
            Self::Into(directory) => join(directory, name),
            Self::As(path) => Ok(path.clone()),
        }
    }
}

/// What `remote` means for so many sources. `make`: a directory that is not there yet is made, where only one can be meant.
///
/// # Errors
/// When a directory is needed and there is none.
pub(crate) async fn of(context: &Context, remote: &RemotePath, sources: usize, make: bool) -> Result<Target> {
    let path = &remote.path;
    let needed = sources > 1 || remote.slash;
    match stat_if_there(context, path).await? {
        Some(status) if status.is_directory() => Ok(Target::Into(path.clone())),
        None if needed && make => {
            let mode = 0o777 & !context.umask;
            let made = context.fs.mkdir(path, mode, true).await;
            made.map_err(|error| Failure::from_client(path, &error))?;
            Ok(Target::Into(path.clone()))
        }
        None if needed => Err(Failure::new(Exit::NotFound, path, "no such directory")
            .next(format!("make it first: distrifs mkdir -p {path}"))),
        Some(_) if needed => Err(Failure::new(Exit::InTheWay, path, "is not a directory")),
        _ => Ok(Target::As(path.clone())),
    }
}
