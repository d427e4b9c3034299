//! `Format`: makes the root directory.

use types::ChunkSize;

use crate::Outcome;
use crate::handler::{Answer, Call, Files};
use crate::table::Attributes;

/// Permission bits of a new root.
const ROOT_MODE: u16 = 0o755;

/// Makes the root of an empty tree; it belongs to the caller, and to the caller's primary group. `slotted` says whether
/// ids are made of slots that are used again.
pub(crate) fn format(files: &mut Files, call: &Call<'_>, slotted: bool) -> Answer {
    files.tree.use_slots_again(slotted);
    files.chunks.use_slots_again(slotted);
    let owner = call.caller.user.as_str();
    let group = call.caller.groups.first().map_or(owner, String::as_str);
    let attributes = Attributes {
        mode: ROOT_MODE,
        replication: 0,
        chunk_size: ChunkSize::default(),
        owner: owner.into(),
        group: group.into(),
    };
    files.tree.add_root(attributes, call.at)?;
    Ok(Outcome::Done)
}
