//! `Mkdir`, and the directories that are made on the way to a new file.

use types::{FsPath, InodeId};

use crate::handler::{Answer, Call};
use crate::permission::{self, CHANGE};
use crate::resolve::{self, Walk};
use crate::table::{Attributes, Body, Inode, MODE_MASK, Place, Tree};
use crate::{NamespaceError, Outcome};

/// What the owner of a directory that is made on the way gets in any case, so that the way goes on (as `mkdir -p`).
const ON_THE_WAY: u16 = 0o300;

/// Makes a directory.
pub(crate) fn mkdir(tree: &mut Tree, call: &Call<'_>, path: &FsPath, mode: u16, parents: bool) -> Answer {
    let walk = resolve::walk(tree, call.caller, path)?;
    if let Some(target) = walk.target() {
        if parents && tree.inode(target).is_directory() {
            return Ok(Outcome::Done);
        }
        return Err(NamespaceError::Exists(path.clone()));
    }
    check_new(tree, call, &walk, parents)?;
    if let Some(name) = path.name() {
        let parent = make_parents(tree, call, &walk, mode);
        make(tree, call, parent, name, mode);
    }
    Ok(Outcome::Done)
}

/// Whether the caller may make something at a path where nothing is, with directories above it if `parents`.
///
/// # Errors
/// `NotFound` when there are directories missing, `PermissionDenied`.
pub(crate) fn check_new(
    tree: &Tree,
    call: &Call<'_>,
    walk: &Walk<'_>,
    parents: bool,
) -> Result<(), NamespaceError> {
    if !parents {
        walk.directory_for_new()?;
    }
    permission::require(call.caller, tree.inode(walk.found), &CHANGE, || walk.found_path())
}

/// Makes the directories that are missing above the end of a path; the last one, or the one that is there.
pub(crate) fn make_parents(tree: &mut Tree, call: &Call<'_>, walk: &Walk<'_>, mode: u16) -> InodeId {
    let (_, above) = walk.missing.split_last().unwrap_or((&"", &[]));
    above.iter().fold(walk.found, |parent, name| {
        make(tree, call, parent, name, mode | ON_THE_WAY)
    })
}

fn make(tree: &mut Tree, call: &Call<'_>, parent: InodeId, name: &str, mode: u16) -> InodeId {
    let inode = new_inode(tree, call, parent, name, mode, Body::Directory { children: 0 });
    let id = tree.add(inode);
    tree.publish(id, call.at);
    id
}

/// A new inode of the caller's, in the group of its directory (the rule of BSD, and of HDFS).
pub(crate) fn new_inode(
    tree: &Tree,
    call: &Call<'_>,
    parent: InodeId,
    name: &str,
    mode: u16,
    body: Body,
) -> Inode {
    Inode {
        place: Place {
            parent,
            name: name.into(),
        },
        attributes: Attributes {
            mode: mode & MODE_MASK,
            owner: call.caller.user.as_str().into(),
            group: tree.inode(parent).attributes.group.clone(),
        },
        mtime: call.at,
        atime: call.at,
        body,
    }
}
