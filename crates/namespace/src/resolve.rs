//! From paths to inodes, as far as the caller may see.

use types::{Caller, FsPath, InodeId};

use crate::NamespaceError;
use crate::permission::{self, Access};
use crate::table::Tree;

/// How far a path leads.
#[derive(Debug)]
pub(crate) struct Walk<'p> {
    path: &'p FsPath,
    /// The last thing on the way that exists; a directory when something is missing below it.
    pub(crate) found: InodeId,
    /// The directory that `found` is in; of the root, the root.
    pub(crate) parent: InodeId,
    /// The components below `found` that do not exist.
    pub(crate) missing: Vec<&'p str>,
}

impl Walk<'_> {
    /// What is at the path.
    pub(crate) fn target(&self) -> Option<InodeId> {
        self.missing.is_empty().then_some(self.found)
    }

    /// The path of `found`.
    pub(crate) fn found_path(&self) -> FsPath {
        prefix(self.path, self.path.components().count() - self.missing.len())
    }

    /// The directory that a new entry at the path goes into, when there are no others to be made above it.
    ///
    /// # Errors
    /// `NotFound` with the first directory that is missing.
    pub(crate) fn directory_for_new(&self) -> Result<InodeId, NamespaceError> {
        match self.missing.as_slice() {
            [] => Ok(self.parent),
            [_] => Ok(self.found),
            [_, ..] => {
                let exist = self.path.components().count() - self.missing.len();
                Err(NamespaceError::NotFound(prefix(self.path, exist + 1)))
            }
        }
    }
}

/// Follows `path` from the root. The caller needs search permission on every directory on the way.
///
/// # Errors
/// When something on the way is not a directory, or closed to the caller.
pub(crate) fn walk<'p>(tree: &Tree, caller: &Caller, path: &'p FsPath) -> Result<Walk<'p>, NamespaceError> {
    if !tree.has_root() {
        return Err(NamespaceError::Format(false));
    }
    let mut walk = Walk {
        path,
        found: InodeId::ROOT,
        parent: InodeId::ROOT,
        missing: Vec::new(),
    };
    let mut components = path.components();
    let mut depth = 0;
    while let Some(name) = components.next() {
        let directory = tree.inode(walk.found);
        if !directory.is_directory() {
            return Err(NamespaceError::NotDirectory(prefix(path, depth)));
        }
        permission::require(caller, &directory, &[Access::Search], || prefix(path, depth))?;
        let Some(child) = tree.child(walk.found, name) else {
            walk.missing.push(name);
            walk.missing.extend(components);
            break;
        };
        walk.parent = walk.found;
        walk.found = child;
        depth += 1;
    }
    Ok(walk)
}

/// As [`walk`], to something that must be there.
///
/// # Errors
/// As [`walk`], and `NotFound`.
pub(crate) fn existing<'p>(
    tree: &Tree,
    caller: &Caller,
    path: &'p FsPath,
) -> Result<Walk<'p>, NamespaceError> {
    let walk = walk(tree, caller, path)?;
    match walk.target() {
        Some(_) => Ok(walk),
        None => Err(NamespaceError::NotFound(path.clone())),
    }
}

/// The path of the first `depth` components.
fn prefix(path: &FsPath, depth: usize) -> FsPath {
    let mut prefix = path.clone();
    for _ in depth..path.components().count() {
        prefix = prefix.parent().unwrap_or_else(FsPath::root);
    }
    prefix
}
