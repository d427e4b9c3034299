//! `Delete` and `DeleteTree`, and how files and directories go away in general.
//!
//! What is small goes at once. A tree or a file of many chunks is only detached, which takes no time however large it is:
//! from then on no path leads to it, and who writes something in it is told that it is gone. `Reap` frees it bit by bit.

use types::{Caller, FsPath, InodeId, UnixMillis};

use crate::handler::{Answer, Call, Files};
use crate::permission::{self, CHANGE};
use crate::table::{Body, Tree};
use crate::{Content, DeleteTicket, NamespaceError, Outcome, resolve};

/// A file of more chunks than this is freed bit by bit.
const CHUNKS_AT_ONCE_MAX: u64 = 1_000;

/// Removes a file, an empty directory, or a whole tree, which is looked through first.
pub(crate) fn delete(files: &mut Files, call: &Call<'_>, path: &FsPath, recursive: bool) -> Answer {
    let tree = &files.tree;
    let (parent, target) = deletable(tree, call.caller, path)?;
    let content = match tree.inode(target).children() {
        0 => None,
        _ if recursive => Some(below(tree, call.caller, path, target)?),
        _ => return Err(NamespaceError::NotEmpty(path.clone())),
    };
    remove(files, parent, path.name().unwrap_or_default(), content, call.at);
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
    let (parent, target) = deletable(&files.tree, call.caller, path)?;
    if ticket.top != Some(target) {
        return Err(NamespaceError::Changed(path.clone()));
    }
    let name = path.name().unwrap_or_default();
    remove(files, parent, name, Some(ticket.content), call.at);
    Ok(Outcome::Done)
}

/// What is at a path, behind the directory that it is in, when the caller may take its name away.
///
/// # Errors
/// When there is nothing, when it is the root, when the caller may not.
pub(crate) fn deletable(
    tree: &Tree,
    caller: &Caller,
    path: &FsPath,
) -> Result<(InodeId, InodeId), NamespaceError> {
    let walk = resolve::existing(tree, caller, path)?;
    let target = walk.found;
    if target == InodeId::ROOT {
        return Err(NamespaceError::Invalid {
            path: path.clone(),
            why: "the root directory can not be removed".to_owned(),
        });
    }
    let (parent, inode) = (tree.inode(walk.parent), tree.inode(target));
    permission::require(caller, &parent, &CHANGE, || {
        path.parent().unwrap_or_else(FsPath::root)
    })?;
    permission::require_unsticky(caller, &parent, &inode, || path.clone())?;
    Ok((walk.parent, target))
}

/// How much is in the tree at `top`, which the caller wants to empty. No recursion: a tree may be deeper than a stack.
///
/// # Errors
/// When there is a directory that the caller may not empty.
pub(crate) fn below(
    tree: &Tree,
    caller: &Caller,
    path: &FsPath,
    top: InodeId,
) -> Result<Content, NamespaceError> {
    let mut content = Content::default();
    let mut waiting = vec![top];
    while let Some(id) = waiting.pop() {
        let inode = tree.inode(id);
        match inode.body {
            Body::File(file) => {
                content.files += 1;
                content.chunks += tree.committed_count(id) + file.uncommitted_chunks().len() as u64;
                continue;
            }
            Body::Directory { children } => {
                content.directories += 1;
                if children == 0 {
                    continue;
                }
            }
        }
        let path_of = |id| tree.path(id).unwrap_or_else(|| path.clone());
        permission::require(caller, &inode, &CHANGE, || path_of(id))?;
        let mut children = tree.children(id, "");
        while let Some((name, child)) = children.advance() {
            permission::require_unsticky(caller, &inode, &tree.inode(child), || {
                path_of(id).join(&name).unwrap_or_else(|_| path.clone())
            })?;
            waiting.push(child);
        }
    }
    Ok(content)
}

/// Takes away a name and what has it. Of a directory that is not empty, `content` says how much it is.
pub(crate) fn remove(
    files: &mut Files,
    parent: InodeId,
    name: &str,
    content: Option<Content>,
    at: UnixMillis,
) {
    let id = files.tree.withdraw(parent, name, at);
    match files.tree.inode(id).body {
        Body::Directory { children: 0 } => files.tree.forget(id),
        Body::Directory { .. } => files.tree.bury(id, content.unwrap_or_default()),
        Body::File(_) => {
            let chunks = files.tree.committed_count(id);
            if chunks <= CHUNKS_AT_ONCE_MAX {
                return drop_inode(files, id);
            }
            end_writing(files, id);
            let large_file = Content {
                files: 1,
                directories: 0,
                chunks,
            };
            files.tree.bury(id, large_file);
        }
    }
}

/// Drops an inode without a name, with its chunks; its writer has nothing to write any more.
pub(crate) fn drop_inode(files: &mut Files, id: InodeId) {
    for slot in files.tree.take_chunks(id, u64::MAX) {
        files.chunks.free_at(slot);
    }
    end_writing(files, id);
    files.tree.forget(id);
}

/// Ends the writing of a file that nobody will read; how many chunks that were being written go with it.
pub(crate) fn end_writing(files: &mut Files, id: InodeId) -> u64 {
    let Some(writer) = files.tree.end_writing(id) else {
        return 0;
    };
    files.leases.end(writer.client, id);
    for &chunk in &writer.tail {
        files.chunks.free(chunk);
    }
    writer.tail.len() as u64
}

#[cfg(test)]
mod tests {
    use types::{InodeId, UnixMillis};

    use crate::testing::{Fs, denied, options, path, unpublished};
    use crate::{Command, NamespaceError, Outcome, Totals};

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
        fs.reap();
        assert_eq!(fs.ns.files.tree.inodes.len(), 2);
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

    #[test]
    fn a_ticket_is_for_what_was_looked_through() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir_p("/tmp/a/b").unwrap();
        let ticket = fs.by("ann").ticket("/tmp/a").unwrap();
        fs.by("ann").rename("/tmp/a", "/tmp/z").unwrap();
        fs.by("ann").mkdir_p("/tmp/a/c").unwrap();
        let command = Command::DeleteTree {
            path: path("/tmp/a"),
            ticket,
        };
        let mut entry = fs.by("ann").entry(command);
        let changed = Err(NamespaceError::Changed(path("/tmp/a")));
        assert_eq!(fs.ns.apply(&entry), changed);
        assert!(fs.exists("/tmp/a/c") && fs.exists("/tmp/z/b"));
        // The same call again, with another ticket.
        let ticket = fs.ns.check_delete(&entry.caller, entry.request, &path("/tmp/a"));
        entry.command = Command::DeleteTree {
            path: path("/tmp/a"),
            ticket: ticket.unwrap(),
        };
        assert_eq!(fs.ns.apply(&entry), Ok(Outcome::Done));
        assert!(!fs.exists("/tmp/a"));
    }

    #[test]
    fn a_call_that_comes_again_gets_its_answer_though_nothing_is_there() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir_p("/tmp/a/b").unwrap();
        let ticket = fs.by("ann").ticket("/tmp/a").unwrap();
        let at = path("/tmp/a");
        let mut entry = fs.by("ann").entry(Command::DeleteTree {
            path: at.clone(),
            ticket,
        });
        assert_eq!(fs.ns.apply(&entry), Ok(Outcome::Done));
        fs.by("ann").mkdir_p("/tmp/a/new").unwrap();
        let ticket = fs.ns.check_delete(&entry.caller, entry.request, &at).unwrap();
        assert_eq!(ticket.top, None);
        entry.command = Command::DeleteTree { path: at, ticket };
        assert_eq!(fs.ns.apply(&entry), Ok(Outcome::Done));
        assert!(fs.exists("/tmp/a/new"), "carried out once");
        // Another call with such a ticket removes nothing.
        let changed = Err(NamespaceError::Changed(path("/tmp/a")));
        assert_eq!(fs.by("ann").delete_tree("/tmp/a", ticket), changed);
    }

    #[test]
    fn the_ticket_takes_all_permissions_and_the_top_is_looked_at_again() {
        let mut fs = Fs::new();
        fs.by("root").mkdir_mode("/open", 0o777).unwrap();
        fs.by("ann").mkdir_p("/open/a/b").unwrap();
        let refusal = Err(denied("/open/a", "bob", "write permission"));
        assert_eq!(fs.by("bob").ticket("/open/a"), refusal);
        let ticket = fs.by("ann").ticket("/open/a").unwrap();
        fs.by("root").chmod("/open", 0o1755).unwrap();
        let refusal = Err(denied("/open", "ann", "write permission"));
        assert_eq!(fs.by("ann").delete_tree("/open/a", ticket), refusal);
    }
}
