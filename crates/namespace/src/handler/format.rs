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
