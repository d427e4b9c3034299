//! Every file and directory of a state, each with its path and its chunks, parents before what is in them.

use namespace::{ChunkInfo, FileKind, FileStatus, Namespace, NamespaceError};
use types::{Caller, FsPath};

use crate::failure::{Exit, Failure, Result};

/// One of them.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// Where it is.
    pub(crate) path: &'a FsPath,
    /// What is known of it.
    pub(crate) status: &'a FileStatus,
    /// Of a file: its chunks in their order.
    pub(crate) chunks: Vec<ChunkInfo>,
}

/// A directory on the way, with a page of its entries, last first.
struct Level {
    path: FsPath,
    page: Vec<FileStatus>,
    more: bool,
}

/// Shows all of them to `show`, directories in the order of their names. Needs memory for a page of each directory on the
/// way down.
///
/// # Errors
/// When `show` fails; or the state is not what it should be.
pub(crate) fn walk(namespace: &Namespace, mut show: impl FnMut(Node<'_>) -> Result<()>) -> Result<()> {
    let us = Caller {
        user: String::new(),
        groups: Vec::new(),
        superuser: true,
    };
    let broken = |path: &FsPath, error: NamespaceError| Failure::new(Exit::Failed, path, error);
    let list = |path: &FsPath, after: Option<&str>| {
        let mut page = namespace
            .list(&us, path, after, 0)
            .map_err(|error| broken(path, error))?;
        page.entries.reverse();
        Ok::<_, Failure>((page.entries, page.more))
    };
    let root = FsPath::root();
    let status = namespace.stat(&us, &root).map_err(|error| broken(&root, error))?;
    show(Node {
        path: &root,
        status: &status,
        chunks: Vec::new(),
    })?;
    let (page, more) = list(&root, None)?;
    let mut levels = vec![Level {
        path: root,
        page,
        more,
    }];
    while let Some(level) = levels.last_mut() {
        let Some(status) = level.page.pop() else {
            levels.pop();
            continue;
        };
        let path = level.path.join(&status.name).map_err(|error| {
            Failure::new(
                Exit::Failed,
                format_args!("{}/{}", level.path, status.name),
                error,
            )
        })?;
        if level.page.is_empty() && level.more {
            (level.page, level.more) = list(&level.path, Some(&status.name))?;
        }
        let is_directory = status.kind == FileKind::Directory;
        let chunks = match is_directory {
            true => Vec::new(),
            false => namespace.file_chunks(status.inode).unwrap_or_default(),
        };
        show(Node {
            path: &path,
            status: &status,
            chunks,
        })?;
        if is_directory {
            let (page, more) = list(&path, None)?;
            levels.push(Level { path, page, more });
        }
    }
    Ok(())
}
