//! `Rename`, with the semantics and the errors of POSIX `rename`.

use types::{FsPath, InodeId};

use crate::handler::{Answer, Call, Files, delete};
use crate::permission::{self, CHANGE};
use crate::table::{Place, Tree};
use crate::{NamespaceError, Outcome, resolve};

/// Renames a file or directory. Whoever writes it goes on; whoever writes a file that is replaced does not.
pub(crate) fn rename(
    files: &mut Files,
    call: &Call<'_>,
    from: &FsPath,
    to: &FsPath,
    replace: bool,
) -> Answer {
    let tree = &files.tree;
    let source = resolve::existing(tree, call.caller, from)?;
    let Some(name) = to.name().filter(|_| !from.is_root()) else {
        let path = FsPath::root();
        let why = "the root directory can not be renamed, nor replaced".to_owned();
        return Err(NamespaceError::Invalid { path, why });
    };
    if from == to {
        return Ok(Outcome::Done);
    }
    check_parent(tree, call, from, source.parent, source.found)?;
    if to.is_within(from) && tree.inode(source.found).is_directory() {
        return Err(NamespaceError::Invalid {
            path: from.clone(),
            why: format!("a directory can not be moved into itself ({to})"),
        });
    }
    let walk = resolve::walk(tree, call.caller, to)?;
    let parent = walk.directory_for_new()?;
    let target = walk.target();
    match target {
        Some(target) => {
            check_replace(tree, source.found, target, to, replace)?;
            check_parent(tree, call, to, parent, target)?;
        }
        None => permission::require(call.caller, tree.inode(parent), &CHANGE, || walk.found_path())?,
    }

    if let Some(target) = target {
        delete::remove(files, target, call.at);
    }
    let place = Place {
        parent,
        name: name.into(),
    };
    files.tree.rename(source.found, place, call.at);
    Ok(Outcome::Done)
}

/// Whether the caller may take the name of `entry`, at `path`, away from the directory `parent`.
fn check_parent(
    tree: &Tree,
    call: &Call<'_>,
    path: &FsPath,
    parent: InodeId,
    entry: InodeId,
) -> Result<(), NamespaceError> {
    let directory = tree.inode(parent);
    permission::require(call.caller, directory, &CHANGE, || {
        path.parent().unwrap_or_else(FsPath::root)
    })?;
    permission::require_unsticky(call.caller, directory, tree.inode(entry), || path.clone())
}

/// Whether the one may take the place of the other, by what they are.
fn check_replace(
    tree: &Tree,
    source: InodeId,
    target: InodeId,
    to: &FsPath,
    replace: bool,
) -> Result<(), NamespaceError> {
    let (source, target) = (tree.inode(source), tree.inode(target));
    let to = to.clone();
    match (source.is_directory(), target.is_directory()) {
        _ if !replace => Err(NamespaceError::Exists(to)),
        (false, true) => Err(NamespaceError::IsDirectory(to)),
        (true, false) => Err(NamespaceError::NotDirectory(to)),
        (true, true) if target.children() > 0 => Err(NamespaceError::NotEmpty(to)),
        _ => Ok(()),
    }
}
