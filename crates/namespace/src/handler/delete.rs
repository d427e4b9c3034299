//! `Delete`, and how files and directories go away in general.

use types::{FsPath, InodeId, UnixMillis};

use crate::handler::{Answer, Call, Files};
use crate::permission::{self, CHANGE};
use crate::table::{Body, Tree};
use crate::{NamespaceError, Outcome, resolve};

/// Removes a file, an empty directory, or a whole tree.
pub(crate) fn delete(files: &mut Files, call: &Call<'_>, path: &FsPath, recursive: bool) -> Answer {
    let walk = resolve::existing(&files.tree, call.caller, path)?;
    let target = walk.found;
    if target == InodeId::ROOT {
        return Err(NamespaceError::Invalid {
            path: path.clone(),
            why: "the root directory can not be removed".to_owned(),
        });
    }
    let tree = &files.tree;
    let (parent, inode) = (tree.inode(walk.parent), tree.inode(target));
    permission::require(call.caller, parent, &CHANGE, || {
        path.parent().unwrap_or_else(FsPath::root)
    })?;
    permission::require_unsticky(call.caller, parent, inode, || path.clone())?;
    if inode.children() > 0 && !recursive {
        return Err(NamespaceError::NotEmpty(path.clone()));
    }
    let doomed = below(tree, call, path, target)?;

    // From the leaves up, so that every directory is empty when its turn comes.
    for id in doomed.into_iter().rev() {
        remove(files, id, call.at);
    }
    Ok(Outcome::Done)
}

/// Everything in the tree at `top`, each directory before what is in it. No recursion: a tree may be deeper than a stack.
///
/// # Errors
/// When there is a directory that the caller may not empty.
fn below(tree: &Tree, call: &Call<'_>, path: &FsPath, top: InodeId) -> Result<Vec<InodeId>, NamespaceError> {
    let mut found = vec![top];
    let mut next = 0;
    while let Some(&id) = found.get(next) {
        next += 1;
        let directory = tree.inode(id);
        if directory.children() == 0 {
            continue;
        }
        let path_of = |id| tree.path(id).unwrap_or_else(|| path.clone());
        permission::require(call.caller, directory, &CHANGE, || path_of(id))?;
        for child in tree.children(id, "") {
            permission::require_unsticky(call.caller, directory, tree.inode(child), || path_of(child))?;
            found.push(child);
        }
    }
    Ok(found)
}

/// Removes a file or an empty directory, and its name.
pub(crate) fn remove(files: &mut Files, id: InodeId, at: UnixMillis) {
    files.tree.withdraw(id, at);
    drop_inode(files, id);
}

/// Drops an inode without a name, with its chunks; its writer has nothing to write any more.
pub(crate) fn drop_inode(files: &mut Files, id: InodeId) {
    let Some(Body::File(file)) = files.tree.forget(id).map(|inode| inode.body) else {
        return;
    };
    for chunk in file.chunks {
        files.chunks.free(chunk);
    }
    if let Some(writer) = file.writer {
        files.leases.end(writer.client, id);
    }
}
