//! `Delete`, and how files and directories go away in general.

use types::{Caller, FsPath, InodeId, UnixMillis};

use crate::handler::{Answer, Call, Files};
use crate::permission::{self, CHANGE};
use crate::table::{Body, Tree};
use crate::{DeleteTicket, NamespaceError, Outcome, resolve};

/// Removes a file, an empty directory, or a whole tree.
pub(crate) fn delete(files: &mut Files, call: &Call<'_>, path: &FsPath, recursive: bool) -> Answer {
    let tree = &files.tree;
    let target = deletable(tree, call.caller, path)?;
    if tree.inode(target).children() > 0 && !recursive {
        return Err(NamespaceError::NotEmpty(path.clone()));
    }
    let doomed = below(tree, call.caller, path, target)?;

    // From the leaves up, so that every directory is empty when its turn comes.
    for id in doomed.into_iter().rev() {
        remove(files, id, call.at);
    }
    Ok(Outcome::Done)
}

/// Removes a tree that was looked through before.
///
/// # Errors
/// `Changed` when something else is there than what was looked through.
pub(crate) fn delete_tree(
    files: &mut Files,
    call: &Call<'_>,
    path: &FsPath,
    ticket: &DeleteTicket,
) -> Answer {
    let target = deletable(&files.tree, call.caller, path)?;
    if ticket.top != Some(target) {
        return Err(NamespaceError::Changed(path.clone()));
    }
    let doomed = below(&files.tree, call.caller, path, target)?;
    for id in doomed.into_iter().rev() {
        remove(files, id, call.at);
    }
    Ok(Outcome::Done)
}

/// What is at a path, when the caller may take its name away.
///
/// # Errors
/// When there is nothing, when it is the root, when the caller may not.
pub(crate) fn deletable(tree: &Tree, caller: &Caller, path: &FsPath) -> Result<InodeId, NamespaceError> {
    let walk = resolve::existing(tree, caller, path)?;
    let target = walk.found;
    if target == InodeId::ROOT {
        return Err(NamespaceError::Invalid {
            path: path.clone(),
            why: "the root directory can not be removed".to_owned(),
        });
    }
    let (parent, inode) = (tree.inode(walk.parent), tree.inode(target));
    permission::require(caller, parent, &CHANGE, || {
        path.parent().unwrap_or_else(FsPath::root)
    })?;
    permission::require_unsticky(caller, parent, inode, || path.clone())?;
    Ok(target)
}

/// Everything in the tree at `top`, each directory before what is in it. No recursion: a tree may be deeper than a stack.
///
/// # Errors
/// When there is a directory that the caller may not empty.
pub(crate) fn below(
    tree: &Tree,
    caller: &Caller,
    path: &FsPath,
    top: InodeId,
) -> Result<Vec<InodeId>, NamespaceError> {
    let mut found = vec![top];
    let mut next = 0;
    while let Some(&id) = found.get(next) {
        next += 1;
        let directory = tree.inode(id);
        if directory.children() == 0 {
            continue;
        }
        let path_of = |id| tree.path(id).unwrap_or_else(|| path.clone());
        permission::require(caller, directory, &CHANGE, || path_of(id))?;
        for child in tree.children(id, "") {
            permission::require_unsticky(caller, directory, tree.inode(child), || path_of(child))?;
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

#[cfg(test)]
mod tests {
    use types::{InodeId, UnixMillis};

    use crate::testing::{Fs, denied, options, path, unpublished};
    use crate::{NamespaceError, Totals};

    #[test]
    fn a_file_goes_with_its_chunks() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/f", &[1, 2]);
        fs.by("ann").delete("/tmp/f").unwrap();
        assert!(!fs.exists("/tmp/f"));
        assert_eq!(fs.freed(), [1, 2]);
        let parent = fs.stat("/tmp").unwrap();
        assert_eq!((parent.children, parent.mtime), (0, UnixMillis(fs.at)));
        let missing = Err(NamespaceError::NotFound(path("/tmp/f")));
        assert_eq!(fs.by("ann").delete("/tmp/f"), missing);
    }

    #[test]
    fn a_tree_goes_only_when_asked_for() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir_p("/tmp/a/b/c").unwrap();
        fs.by("ann").put("/tmp/a/b/f", &[1]);
        fs.by("ann").create("/tmp/a/open", options()).unwrap();
        let refusal = Err(NamespaceError::NotEmpty(path("/tmp/a")));
        assert_eq!(fs.by("ann").delete("/tmp/a"), refusal);
        fs.by("ann").delete_recursive("/tmp/a").unwrap();
        assert_eq!(fs.names("/tmp"), [""; 0]);
        let empty = Totals {
            files: 0,
            directories: 2,
            chunks: 0,
        };
        assert_eq!(fs.ns.totals(), empty);
        assert_eq!(fs.freed(), [1]);
        assert_eq!(fs.ns.leases().count(), 0);
    }

    #[test]
    fn a_directory_that_only_waits_for_a_file_is_empty() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir("/tmp/d").unwrap();
        fs.by("ann").create("/tmp/d/f", unpublished()).unwrap();
        fs.by("ann").delete("/tmp/d").unwrap();
    }

    #[test]
    fn the_root_stays() {
        let mut fs = Fs::new();
        let refused = fs.by("root").delete_recursive("/");
        assert!(matches!(refused, Err(NamespaceError::Invalid { .. })));
    }

    #[test]
    fn a_tree_of_any_depth_goes() {
        let mut fs = Fs::new();
        let mut at = fs.plant(InodeId::ROOT, "deep");
        for _ in 0..20_000 {
            at = fs.plant(at, "d");
        }
        fs.by("root").delete_recursive("/deep").unwrap();
        assert_eq!(fs.ns.totals().directories, 2);
    }

    #[test]
    fn it_takes_write_permission_where_the_name_is() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir("/tmp/d").unwrap();
        fs.by("ann").put("/tmp/d/f", &[]);
        let refusal = Err(denied("/tmp/d", "bob", "write permission"));
        assert_eq!(fs.by("bob").delete("/tmp/d/f"), refusal);
        let sticky = Err(denied("/tmp/d", "bob", "ownership (the directory is sticky)"));
        assert_eq!(fs.by("bob").delete_recursive("/tmp/d"), sticky);
    }

    #[test]
    fn every_directory_that_is_not_empty_must_be_the_callers_to_empty() {
        let mut fs = Fs::new();
        fs.by("root").mkdir_mode("/open", 0o777).unwrap();
        fs.by("ann").mkdir("/open/a").unwrap();
        fs.by("ann").delete("/open/a").unwrap();
        fs.by("ann").mkdir("/open/a").unwrap();
        fs.by("ann").mkdir("/open/a/b").unwrap();
        let refusal = Err(denied("/open/a", "bob", "write permission"));
        assert_eq!(fs.by("bob").delete_recursive("/open/a"), refusal);
        fs.by("ann").chmod("/open/a", 0o777).unwrap();
        fs.by("bob").delete_recursive("/open/a").unwrap();

        fs.by("ann").mkdir_mode("/open/a", 0o777).unwrap();
        fs.by("ann").mkdir("/open/a/b").unwrap();
        fs.by("ann").mkdir("/open/a/b/c").unwrap();
        let below = Err(denied("/open/a/b", "bob", "write permission"));
        assert_eq!(fs.by("bob").delete_recursive("/open/a"), below);
        fs.by("ann").chmod("/open/a/b", 0o1777).unwrap();
        let sticky = Err(denied(
            "/open/a/b/c",
            "bob",
            "ownership (the directory is sticky)",
        ));
        assert_eq!(fs.by("bob").delete_recursive("/open/a"), sticky);
    }
}
