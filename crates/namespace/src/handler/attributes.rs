//! `SetAttributes`: mode, owner, group, replication, times.

use types::limits::PRINCIPAL_BYTES_MAX;
use types::{Caller, FsPath};

use crate::handler::create::check_replication;
use crate::handler::{Answer, Call, Files};
use crate::permission::{self, Access};
use crate::table::{Inode, MODE_MASK};
use crate::{NamespaceError, Outcome, SetAttributes, resolve};

/// Changes attributes: all that are asked for, or none.
pub(crate) fn set(files: &mut Files, call: &Call<'_>, path: &FsPath, set: &SetAttributes) -> Answer {
    let tree = &mut files.tree;
    let id = resolve::existing(tree, call.caller, path)?.found;
    let inode = tree.inode(id);
    check(call.caller, &inode, path, set)?;

    let mut attributes = inode.attributes.clone();
    if let Some(mode) = set.mode {
        attributes.mode = mode & MODE_MASK;
    }
    if let Some(owner) = &set.owner {
        attributes.owner = owner.as_str().into();
    }
    if let Some(group) = &set.group {
        attributes.group = group.as_str().into();
    }
    if let Some(replication) = set.replication {
        attributes.replication = replication;
    }
    let mtime = set.mtime.unwrap_or(inode.mtime);
    let atime = set.atime.unwrap_or(inode.atime);
    let replicates = attributes.replication != inode.attributes.replication;
    if attributes != *inode.attributes {
        tree.set_attributes(id, attributes)?;
    }
    tree.set_times(id, mtime, atime);
    if replicates {
        files.touch_chunks(id);
    }
    Ok(Outcome::Done)
}

fn check(
    caller: &Caller,
    inode: &Inode<'_>,
    path: &FsPath,
    set: &SetAttributes,
) -> Result<(), NamespaceError> {
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

#[cfg(test)]
mod tests {
    use types::UnixMillis;

    use crate::testing::{Fs, denied, path};
    use crate::{NamespaceError, SetAttributes};

    fn file() -> Fs {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/f", &[]);
        fs
    }

    fn replication(replication: u16) -> SetAttributes {
        SetAttributes {
            replication: Some(replication),
            ..Default::default()
        }
    }

    fn times(at: u64) -> SetAttributes {
        SetAttributes {
            mtime: Some(UnixMillis(at)),
            atime: Some(UnixMillis(at + 1)),
            ..Default::default()
        }
    }

    #[test]
    fn the_owner_changes_the_mode() {
        let mut fs = file();
        let refusal = Err(denied("/tmp/f", "bob", "ownership"));
        assert_eq!(fs.by("bob").chmod("/tmp/f", 0o777), refusal);
        fs.by("ann").chmod("/tmp/f", 0o6600).unwrap();
        assert_eq!(fs.stat("/tmp/f").unwrap().mode, 0o600);
        fs.by("root").chmod("/tmp/f", 0o640).unwrap();
        assert_eq!(fs.stat("/tmp/f").unwrap().mode, 0o640);
    }

    #[test]
    fn the_superuser_changes_the_owner() {
        let mut fs = file();
        let refusal = Err(denied("/tmp/f", "ann", "superuser privilege"));
        assert_eq!(fs.by("ann").chown("/tmp/f", "bob"), refusal);
        fs.by("ann").chown("/tmp/f", "ann").unwrap();
        fs.by("root").chown("/tmp/f", "bob").unwrap();
        assert_eq!(fs.stat("/tmp/f").unwrap().owner, "bob");
        for bad in [String::new(), "x".repeat(256)] {
            let refused = fs.by("root").chown("/tmp/f", &bad);
            assert!(matches!(refused, Err(NamespaceError::Invalid { .. })));
        }
    }

    #[test]
    fn the_owner_changes_the_group_to_one_of_her_own() {
        let mut fs = file();
        let stranger = Err(denied("/tmp/f", "ann", "membership of group \"wheel\""));
        assert_eq!(fs.by("ann").chgrp("/tmp/f", "wheel"), stranger);
        let not_hers = Err(denied("/tmp/f", "bob", "ownership"));
        assert_eq!(fs.by("bob").chgrp("/tmp/f", "staff"), not_hers);
        fs.by("ann").chgrp("/tmp/f", "staff").unwrap();
        assert_eq!(fs.stat("/tmp/f").unwrap().group, "staff");
        fs.by("root").chgrp("/tmp/f", "wheel").unwrap();
    }

    #[test]
    fn replication_is_of_files() {
        let mut fs = file();
        fs.by("ann").set("/tmp/f", replication(5)).unwrap();
        assert_eq!(fs.stat("/tmp/f").unwrap().replication, 5);
        let refusal = Err(denied("/tmp/f", "bob", "write permission"));
        assert_eq!(fs.by("bob").set("/tmp/f", replication(1)), refusal);
        let directory = Err(NamespaceError::IsDirectory(path("/tmp")));
        assert_eq!(fs.by("root").set("/tmp", replication(1)), directory);
        let zero = fs.by("ann").set("/tmp/f", replication(0));
        assert!(matches!(zero, Err(NamespaceError::Invalid { .. })));
    }

    #[test]
    fn times_are_set_by_the_owner_and_by_those_who_may_write() {
        let mut fs = file();
        let refusal = Err(denied("/tmp/f", "bob", "write permission"));
        assert_eq!(fs.by("bob").set("/tmp/f", times(5)), refusal);
        fs.by("ann").chmod("/tmp/f", 0o002).unwrap();
        fs.by("bob").set("/tmp/f", times(5)).unwrap();
        let status = fs.stat("/tmp/f").unwrap();
        assert_eq!((status.mtime, status.atime), (UnixMillis(5), UnixMillis(6)));
        fs.by("ann").set("/tmp/f", times(9)).unwrap();
    }

    #[test]
    fn all_or_nothing() {
        let mut fs = file();
        let both = SetAttributes {
            mode: Some(0o777),
            owner: Some("bob".to_owned()),
            ..Default::default()
        };
        fs.by("ann").set("/tmp/f", both).unwrap_err();
        assert_eq!(fs.stat("/tmp/f").unwrap().mode, 0o644);
    }
}
