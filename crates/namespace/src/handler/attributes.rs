//! `SetAttributes`: mode, owner, group, replication, times.

use types::limits::PRINCIPAL_BYTES_MAX;
use types::{Caller, FsPath};

use crate::handler::create::check_replication;
use crate::handler::{Answer, Call};
use crate::permission::{self, Access};
use crate::table::{Body, Inode, MODE_MASK, Tree};
use crate::{NamespaceError, Outcome, SetAttributes, resolve};

/// Changes attributes: all that are asked for, or none.
pub(crate) fn set(tree: &mut Tree, call: &Call<'_>, path: &FsPath, set: &SetAttributes) -> Answer {
    let id = resolve::existing(tree, call.caller, path)?.found;
    check(call.caller, tree.inode(id), path, set)?;

    let inode = tree.inode_mut(id);
    if let Some(mode) = set.mode {
        inode.attributes.mode = mode & MODE_MASK;
    }
    if let Some(owner) = &set.owner {
        inode.attributes.owner = owner.as_str().into();
    }
    if let Some(group) = &set.group {
        inode.attributes.group = group.as_str().into();
    }
    if let (Some(replication), Body::File(file)) = (set.replication, &mut inode.body) {
        file.replication = replication;
    }
    inode.mtime = set.mtime.unwrap_or(inode.mtime);
    inode.atime = set.atime.unwrap_or(inode.atime);
    Ok(Outcome::Done)
}

fn check(caller: &Caller, inode: &Inode, path: &FsPath, set: &SetAttributes) -> Result<(), NamespaceError> {
    let owns = permission::owns(caller, inode);
    let denied = |missing: &str| Err(permission::denied(caller, path.clone(), missing));
    let write = || permission::require(caller, inode, &[Access::Write], || path.clone());
    if set.mode.is_some() && !owns {
        return denied("ownership");
    }
    if let Some(owner) = &set.owner {
        check_principal(path, "user", owner)?;
        let same = owns && **owner == *inode.attributes.owner;
        if !caller.superuser && !same {
            return denied("superuser privilege");
        }
    }
    if let Some(group) = &set.group {
        check_principal(path, "group", group)?;
        if !owns {
            return denied("ownership");
        }
        if !caller.superuser && !caller.in_group(group) {
            return denied(&format!("membership of group {group:?}"));
        }
    }
    if let Some(replication) = set.replication {
        if inode.is_directory() {
            return Err(NamespaceError::IsDirectory(path.clone()));
        }
        write()?;
        check_replication(path, replication)?;
    }
    if (set.mtime.is_some() || set.atime.is_some()) && !owns {
        write()?;
    }
    Ok(())
}

fn check_principal(path: &FsPath, what: &str, name: &str) -> Result<(), NamespaceError> {
    if (1..=PRINCIPAL_BYTES_MAX).contains(&name.len()) {
        return Ok(());
    }
    Err(NamespaceError::Invalid {
        path: path.clone(),
        why: format!(
            "a {what} name of {} bytes is not from 1 to {PRINCIPAL_BYTES_MAX} bytes long",
            name.len()
        ),
    })
}
