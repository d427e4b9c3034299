//! `Mkdir`, and the directories that are made on the way to a new file.

use types::{ChunkSize, FsPath, InodeId};

use crate::handler::{Answer, Call};
use crate::permission::{self, CHANGE};
use crate::resolve::{self, Walk};
use crate::table::{Attributes, MODE_MASK, Tree};
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
        let parent = make_parents(tree, call, &walk, mode)?;
        make(tree, call, parent, name, mode)?;
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
    permission::require(call.caller, &tree.inode(walk.found), &CHANGE, || {
        walk.found_path()
    })
}

/// Makes the directories that are missing above the end of a path; the last one, or the one that is there.
///
/// # Errors
/// When there is no room.
pub(crate) fn make_parents(
    tree: &mut Tree,
    call: &Call<'_>,
    walk: &Walk<'_>,
    mode: u16,
) -> Result<InodeId, NamespaceError> {
    let (_, above) = walk.missing.split_last().unwrap_or((&"", &[]));
    above.iter().try_fold(walk.found, |parent, name| {
        make(tree, call, parent, name, mode | ON_THE_WAY)
    })
}

fn make(
    tree: &mut Tree,
    call: &Call<'_>,
    parent: InodeId,
    name: &str,
    mode: u16,
) -> Result<InodeId, NamespaceError> {
    let attributes = new_attributes(tree, call, parent, mode);
    tree.add_directory(parent, name, attributes, call.at)
}

/// The attributes of a new directory of the caller's, in the group of the directory above (the rule of BSD, and of HDFS).
pub(crate) fn new_attributes(tree: &Tree, call: &Call<'_>, parent: InodeId, mode: u16) -> Attributes {
    Attributes {
        mode: mode & MODE_MASK,
        replication: 0,
        chunk_size: ChunkSize::default(),
        owner: call.caller.user.as_str().into(),
        group: tree.inode(parent).attributes.group.clone(),
    }
}

#[cfg(test)]
mod tests {
    use types::UnixMillis;

    use crate::testing::{Fs, denied, path};
    use crate::{FileKind, NamespaceError, Outcome};

    #[test]
    fn a_directory_belongs_to_its_maker_and_to_the_group_of_its_parent() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir_mode("/tmp/a", 0o7750).unwrap();
        let status = fs.stat("/tmp/a").unwrap();
        assert_eq!(
            (status.kind, &*status.owner, &*status.group),
            (FileKind::Directory, "ann", "root")
        );
        assert_eq!(status.mode, 0o1750, "set-uid and set-gid bits are not kept");
        assert_eq!(status.mtime, UnixMillis(fs.at));
        let parent = fs.stat("/tmp").unwrap();
        assert_eq!((parent.children, parent.mtime), (1, UnixMillis(fs.at)));
    }

    #[test]
    fn a_name_is_taken_once() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir("/tmp/a").unwrap();
        fs.by("ann").put("/tmp/f", &[]);
        assert_eq!(
            fs.by("ann").mkdir("/tmp/a"),
            Err(NamespaceError::Exists(path("/tmp/a")))
        );
        assert_eq!(
            fs.by("ann").mkdir("/tmp/f"),
            Err(NamespaceError::Exists(path("/tmp/f")))
        );
        assert_eq!(fs.by("ann").mkdir("/"), Err(NamespaceError::Exists(path("/"))));
    }

    #[test]
    fn missing_parents_are_named_or_made() {
        let mut fs = Fs::new();
        let missing = Err(NamespaceError::NotFound(path("/tmp/a")));
        assert_eq!(fs.by("ann").mkdir("/tmp/a/b/c"), missing);
        assert_eq!(fs.by("ann").mkdir_p("/tmp/a/b/c"), Ok(Outcome::Done));
        assert_eq!(
            fs.by("ann").mkdir_p("/tmp/a/b/c"),
            Ok(Outcome::Done),
            "as often as one likes"
        );
        assert_eq!(fs.by("ann").mkdir_p("/"), Ok(Outcome::Done));
        assert_eq!(fs.ns.totals().directories, 5);
    }

    #[test]
    fn parents_stay_open_to_their_owner() {
        let mut fs = Fs::new();
        let command = crate::Command::Mkdir {
            path: path("/tmp/a/b"),
            mode: 0o400,
            parents: true,
        };
        fs.by("ann").run(command).unwrap();
        assert_eq!(fs.stat("/tmp/a").unwrap().mode, 0o700);
        assert_eq!(fs.stat("/tmp/a/b").unwrap().mode, 0o400);
    }

    #[test]
    fn a_file_on_the_way_is_named() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/f", &[]);
        let refusal = Err(NamespaceError::NotDirectory(path("/tmp/f")));
        assert_eq!(fs.by("ann").mkdir("/tmp/f/x"), refusal);
        assert_eq!(fs.by("ann").mkdir_p("/tmp/f/x/y"), refusal);
        let exists = Err(NamespaceError::Exists(path("/tmp/f")));
        assert_eq!(fs.by("ann").mkdir_p("/tmp/f"), exists);
    }

    #[test]
    fn it_takes_write_permission_on_the_directory_and_search_permission_on_the_way() {
        let mut fs = Fs::new();
        let refusal = Err(denied("/", "ann", "write permission"));
        assert_eq!(fs.by("ann").mkdir("/a"), refusal);
        assert_eq!(fs.by("ann").mkdir_p("/a/b"), refusal);
        fs.by("ann").mkdir_mode("/tmp/a", 0o600).unwrap();
        let closed = Err(denied("/tmp/a", "ann", "search permission"));
        assert_eq!(fs.by("ann").mkdir("/tmp/a/b"), closed);
        fs.by("root").mkdir("/tmp/a/b").unwrap();
    }
}
