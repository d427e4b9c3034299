//! Remote paths as arguments, and what is at them.

use std::str::FromStr;

use client::{Error, FileStatus};
use types::FsPath;

use crate::failure::{Exit, Failure, Result};
use crate::run::Context;

/// A path that a user typed: absolute or relative to `/`, `.` and `..` resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemotePath {
    /// The path.
    pub(crate) path: FsPath,
    /// Whether it can only mean a directory: it ended with a slash.
    pub(crate) slash: bool,
}

impl FromStr for RemotePath {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text.is_empty() {
            return Err("an empty path; the root is /".to_owned());
        }
        let path = types::normalize(text).map_err(|error| error.to_string())?;
        Ok(Self {
            path,
            slash: text.ends_with('/'),
        })
    }
}

/// A path of the local file system, or the pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LocalPath {
    /// `-`: stdin or stdout.
    Pipe,
    /// A file or a directory.
    Path(std::path::PathBuf),
}

impl FromStr for LocalPath {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "" => Err("an empty path".to_owned()),
            "-" => Ok(Self::Pipe),
            path => Ok(Self::Path(path.into())),
        }
    }
}

/// What is at `path`; none where there is nothing.
///
/// # Errors
/// When it can not be known.
pub(crate) async fn stat_if_there(context: &Context, path: &FsPath) -> Result<Option<FileStatus>> {
    match context.fs.stat(path).await {
        Ok(status) => Ok(Some(status)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(Failure::from_client(path, &error)),
    }
}

/// What is at `path`.
///
/// # Errors
/// When there is nothing, or it can not be known.
pub(crate) async fn stat(context: &Context, path: &FsPath) -> Result<FileStatus> {
    context
        .fs
        .stat(path)
        .await
        .map_err(|error| Failure::from_client(path, &error))
}

/// A name below a directory of the cluster.
///
/// # Errors
/// When it can not be one there.
pub(crate) fn join(directory: &FsPath, name: &str) -> Result<FsPath> {
    directory
        .join(name)
        .map_err(|error| Failure::new(Exit::Failed, format_args!("{directory}/{name}"), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_paths_are_resolved() {
        let path = |text: &str| text.parse::<RemotePath>().map(|remote| remote.path.to_string());
        assert_eq!(path("a/../b").unwrap(), "/b");
        assert_eq!(path("/").unwrap(), "/");
        assert!("/d/".parse::<RemotePath>().unwrap().slash);
        assert!(path("").is_err());
    }

    #[test]
    fn a_dash_is_the_pipe() {
        assert_eq!("-".parse(), Ok(LocalPath::Pipe));
        assert_eq!("./-".parse(), Ok(LocalPath::Path("./-".into())));
    }
}
