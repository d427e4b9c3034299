//! Who may do what: POSIX permission bits, the sticky bit, the superuser.

use types::{Caller, FsPath};

use crate::NamespaceError;
use crate::table::{Inode, STICKY};

/// What somebody wants to do with a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read a file, or the names in a directory.
    Read,
    /// Write to a file, or add and remove names in a directory.
    Write,
    /// Go through a directory.
    Search,
}

impl Access {
    const fn bit(self) -> u16 {
        match self {
            Self::Read => 4,
            Self::Write => 2,
            Self::Search => 1,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read permission",
            Self::Write => "write permission",
            Self::Search => "search permission",
        }
    }
}

/// What it takes to add or remove names in a directory.
pub(crate) const CHANGE: [Access; 2] = [Access::Write, Access::Search];

/// Whether the caller is the owner, or the superuser.
pub(crate) fn owns(caller: &Caller, inode: &Inode<'_>) -> bool {
    caller.superuser || *inode.attributes.owner == *caller.user
}

/// Whether the caller has all of `wanted` on the inode. Only one class counts, as in POSIX: an owner whom the owner's
/// bits deny is not helped by those of the group.
pub(crate) fn lacks(caller: &Caller, inode: &Inode<'_>, wanted: &[Access]) -> Option<Access> {
    if caller.superuser {
        return None;
    }
    let attributes = &inode.attributes;
    let shift = if *attributes.owner == *caller.user {
        6
    } else if caller.in_group(&attributes.group) {
        3
    } else {
        0
    };
    let bits = attributes.mode >> shift;
    wanted.iter().copied().find(|access| bits & access.bit() == 0)
}

/// # Errors
/// When the caller lacks some of `wanted`; `path` says where.
pub(crate) fn require(
    caller: &Caller,
    inode: &Inode<'_>,
    wanted: &[Access],
    path: impl FnOnce() -> FsPath,
) -> Result<(), NamespaceError> {
    match lacks(caller, inode, wanted) {
        None => Ok(()),
        Some(access) => Err(denied(caller, path(), access.name())),
    }
}

/// # Errors
/// When `directory` is sticky, and neither it nor `entry` is the caller's.
pub(crate) fn require_unsticky(
    caller: &Caller,
    directory: &Inode<'_>,
    entry: &Inode<'_>,
    path: impl FnOnce() -> FsPath,
) -> Result<(), NamespaceError> {
    let sticky = directory.attributes.mode & STICKY != 0;
    if sticky && !owns(caller, directory) && !owns(caller, entry) {
        return Err(denied(caller, path(), "ownership (the directory is sticky)"));
    }
    Ok(())
}

/// # Errors
/// When the caller is not the superuser.
pub(crate) fn require_superuser(caller: &Caller) -> Result<(), NamespaceError> {
    if caller.superuser {
        return Ok(());
    }
    Err(denied(caller, FsPath::root(), "superuser privilege"))
}

/// The refusal.
pub(crate) fn denied(caller: &Caller, path: FsPath, missing: impl Into<String>) -> NamespaceError {
    NamespaceError::PermissionDenied {
        path,
        user: caller.user.clone(),
        missing: missing.into(),
    }
}

#[cfg(test)]
mod tests {
    use crate::NamespaceError;
    use crate::testing::{Fs, caller, denied, path};

    /// Whether the user may read `/tmp/f`, which is ann's and in the group staff, with this mode.
    fn reads(user: &str, mode: u16) -> bool {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/f", &[]);
        fs.by("ann").chgrp("/tmp/f", "staff").unwrap();
        fs.by("ann").chmod("/tmp/f", mode).unwrap();
        fs.ns.locate(&caller(user), &path("/tmp/f")).is_ok()
    }

    #[test]
    fn one_class_counts_and_no_other() {
        for (mode, ann, bob, eve) in [
            (0o400, true, false, false),
            (0o040, false, true, false),
            (0o004, false, false, true),
            (0o333, false, false, false),
            (0o444, true, true, true),
        ] {
            assert_eq!(reads("ann", mode), ann, "owner, {mode:o}");
            assert_eq!(reads("bob", mode), bob, "group, {mode:o}");
            assert_eq!(reads("eve", mode), eve, "other, {mode:o}");
            assert!(reads("root", mode), "superuser, {mode:o}");
        }
    }

    #[test]
    fn what_is_behind_a_closed_directory_is_not_even_told_to_be_there() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir_mode("/tmp/a", 0o700).unwrap();
        fs.by("ann").put("/tmp/a/f", &[]);
        for at in ["/tmp/a/f", "/tmp/a/nothing", "/tmp/a/f/below"] {
            let refused: Result<_, NamespaceError> = fs.ns.stat(&caller("bob"), &path(at));
            assert_eq!(refused, Err(denied("/tmp/a", "bob", "search permission")), "{at}");
        }
        fs.ns.stat(&caller("bob"), &path("/tmp/a")).unwrap();
    }
}
