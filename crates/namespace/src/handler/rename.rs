//! `Rename`, with the semantics and the errors of POSIX `rename`.

use types::{FsPath, InodeId};

use crate::handler::{Answer, Call, Files, delete};
use crate::permission::{self, CHANGE};
use crate::table::Tree;
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
        None => permission::require(call.caller, &tree.inode(parent), &CHANGE, || walk.found_path())?,
    }

    if target.is_some() {
        delete::remove(files, parent, name, None, call.at);
    }
    let old_name = from.name().unwrap_or_default();
    let moved = files.tree.withdraw(source.parent, old_name, call.at);
    files.tree.publish(moved, parent, name, call.at);
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
    permission::require(call.caller, &directory, &CHANGE, || {
        path.parent().unwrap_or_else(FsPath::root)
    })?;
    permission::require_unsticky(call.caller, &directory, &tree.inode(entry), || path.clone())
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

#[cfg(test)]
mod tests {
    use types::UnixMillis;

    use crate::testing::{Fs, client_of, denied, filled, options, path};
    use crate::{NamespaceError, Outcome};

    fn tree() -> Fs {
        let mut fs = Fs::new();
        fs.by("root").mkdir_p("/a/sub").unwrap();
        fs.by("root").mkdir("/b").unwrap();
        fs.by("root").put("/f", &[1]);
        fs.by("root").put("/g", &[2]);
        fs
    }

    #[test]
    fn a_directory_moves_with_all_that_is_in_it() {
        let mut fs = tree();
        fs.by("root").put("/a/sub/x", &[3]);
        let id = fs.stat("/a/sub/x").unwrap().inode;
        fs.by("root").rename("/a", "/b/c").unwrap();
        assert_eq!(fs.stat("/b/c/sub/x").unwrap().inode, id);
        assert!(!fs.exists("/a"));
        let now = UnixMillis(fs.at);
        assert_eq!(fs.stat("/").unwrap().mtime, now);
        assert_eq!(fs.stat("/b").unwrap().mtime, now);
        assert!(
            fs.stat("/b/c").unwrap().mtime < now,
            "only the directories around it change"
        );
    }

    #[test]
    fn a_file_replaces_a_file() {
        let mut fs = tree();
        let exists = Err(NamespaceError::Exists(path("/g")));
        assert_eq!(fs.by("root").rename_exclusive("/f", "/g"), exists);
        fs.by("root").rename("/f", "/g").unwrap();
        assert_eq!(fs.lens("/g"), [1]);
        assert!(!fs.exists("/f"));
        assert_eq!(fs.freed(), [2]);
        assert_eq!(fs.ns.totals().files, 1);
    }

    #[test]
    fn a_directory_replaces_an_empty_directory() {
        let mut fs = tree();
        let full = Err(NamespaceError::NotEmpty(path("/a")));
        assert_eq!(fs.by("root").rename("/b", "/a"), full);
        fs.by("root").rename("/a", "/b").unwrap();
        assert_eq!(fs.names("/b"), ["sub"]);
    }

    #[test]
    fn the_errors_are_those_of_posix() {
        let mut fs = tree();
        let mut refused = |from: &str, to: &str| fs.by("root").rename(from, to).unwrap_err();
        assert_eq!(refused("/f", "/b"), NamespaceError::IsDirectory(path("/b")));
        assert_eq!(refused("/b", "/f"), NamespaceError::NotDirectory(path("/f")));
        assert_eq!(refused("/a/sub", "/a"), NamespaceError::NotEmpty(path("/a")));
        assert_eq!(refused("/x", "/y"), NamespaceError::NotFound(path("/x")));
        assert_eq!(refused("/x", "/x"), NamespaceError::NotFound(path("/x")));
        assert_eq!(refused("/f", "/x/y"), NamespaceError::NotFound(path("/x")));
        assert_eq!(refused("/f", "/g/y"), NamespaceError::NotDirectory(path("/g")));
        assert_eq!(refused("/f", "/f/y"), NamespaceError::NotDirectory(path("/f")));
        for (from, to) in [("/a", "/a/x"), ("/a", "/a/sub/x"), ("/", "/x"), ("/a", "/")] {
            let refusal = refused(from, to);
            assert!(
                matches!(refusal, NamespaceError::Invalid { .. }),
                "{from} {to}: {refusal}"
            );
        }
    }

    #[test]
    fn renaming_to_itself_does_nothing() {
        let mut fs = tree();
        let before = fs.stat("/").unwrap();
        assert_eq!(fs.by("root").rename("/f", "/f"), Ok(Outcome::Done));
        assert_eq!(fs.by("root").rename_exclusive("/a", "/a"), Ok(Outcome::Done));
        assert_eq!(fs.stat("/"), Ok(before));
    }

    #[test]
    fn a_writer_goes_on_under_the_new_name() {
        let mut fs = Fs::new();
        let inode = fs.by("ann").create("/tmp/f", options()).unwrap().inode;
        let chunk = fs.by("ann").add_chunk(inode, &[]).unwrap();
        fs.by("ann").rename("/tmp/f", "/tmp/g").unwrap();
        fs.by("ann").complete(inode, &[filled(chunk, 3)]).unwrap();
        assert_eq!(fs.lens("/tmp/g"), [3]);
    }

    #[test]
    fn the_writer_of_a_replaced_file_is_told_so() {
        let mut fs = tree();
        let inode = fs.by("root").create("/open", options()).unwrap().inode;
        fs.by("root").rename("/f", "/open").unwrap();
        let client = client_of("root");
        let refusal = Err(NamespaceError::NotWriter { inode, client });
        assert_eq!(fs.by("root").complete(inode, &[]), refusal);
    }

    #[test]
    fn it_takes_write_permission_on_both_directories() {
        let mut fs = tree();
        fs.by("ann").mkdir("/tmp/d").unwrap();
        fs.by("ann").put("/tmp/d/f", &[]);
        let root = Err(denied("/", "ann", "write permission"));
        assert_eq!(fs.by("ann").rename("/tmp/d/f", "/x"), root);
        assert_eq!(fs.by("ann").rename("/f", "/tmp/x"), root);
        let hers = Err(denied("/tmp/d", "bob", "write permission"));
        assert_eq!(fs.by("bob").rename("/tmp/d/f", "/tmp/f"), hers);
        fs.by("ann").rename("/tmp/d/f", "/tmp/f").unwrap();
        let sticky = denied("/tmp/f", "bob", "ownership (the directory is sticky)");
        assert_eq!(fs.by("bob").rename("/tmp/f", "/tmp/g"), Err(sticky.clone()));
        fs.by("bob").put("/tmp/h", &[]);
        assert_eq!(fs.by("bob").rename("/tmp/h", "/tmp/f"), Err(sticky));
    }
}
