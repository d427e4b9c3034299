//! `Format`: makes the root directory.

use types::InodeId;

use crate::Outcome;
use crate::handler::{Answer, Call};
use crate::table::{Attributes, Body, Inode, Place, Tree};

/// Permission bits of a new root.
const ROOT_MODE: u16 = 0o755;

/// Makes the root of an empty tree; it belongs to the caller, and to the caller's primary group.
pub(crate) fn format(tree: &mut Tree, call: &Call<'_>) -> Answer {
    let owner = call.caller.user.as_str();
    let group = call.caller.groups.first().map_or(owner, String::as_str);
    tree.add(Inode {
        place: Place {
            parent: InodeId::ROOT,
            name: "".into(),
        },
        attributes: Attributes {
            mode: ROOT_MODE,
            owner: owner.into(),
            group: group.into(),
        },
        mtime: call.at,
        atime: call.at,
        body: Body::Directory { children: 0 },
    });
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use types::{ClusterId, UnixMillis};

    use crate::testing::{Fs, caller, path};
    use crate::{Command, NamespaceError, Totals};

    #[test]
    fn nothing_works_before_and_nothing_twice() {
        let mut fs = Fs::unformatted();
        assert_eq!(fs.ns.cluster(), None);
        assert_eq!(fs.by("root").mkdir("/a"), Err(NamespaceError::Format(false)));
        assert_eq!(fs.stat("/"), Err(NamespaceError::Format(false)));
        let cluster = ClusterId::from_random_bytes([1; 16]);
        fs.by("root").run(Command::Format { cluster }).unwrap();
        assert_eq!(fs.ns.cluster(), Some(cluster));
        let again = fs.by("root").run(Command::Format { cluster });
        assert_eq!(again, Err(NamespaceError::Format(true)));
    }

    #[test]
    fn the_root_belongs_to_the_superuser() {
        let mut fs = Fs::unformatted();
        let cluster = ClusterId::from_random_bytes([1; 16]);
        fs.by("root").run(Command::Format { cluster }).unwrap();
        let root = fs.ns.stat(&caller("ann"), &path("/")).unwrap();
        assert_eq!((&*root.owner, &*root.group, root.mode), ("root", "root", 0o755));
        assert_eq!((&*root.name, root.mtime), ("", UnixMillis(fs.at)));
        let totals = Totals {
            directories: 1,
            ..Totals::default()
        };
        assert_eq!(fs.ns.totals(), totals);
    }
}
