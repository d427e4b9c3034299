//! How a master comes to belong to a group, and how a group changes.
//!
//! A master that belongs to no group asks the others that it was started with who they are, and decides by
//! [`decide`](decide::decide): it begins a group with them, joins theirs in the place of a lost one, or waits and says
//! what for. All of this can be interrupted anywhere and begun again: what counts is on disk, as the first entry of a
//! log.
//!
//! It guarantees:
//! - never two groups of the same masters, whatever the order of starts, crashes and lost disks, as long as no address has
//!   two masters (shown in `model`); one in the end, when all masters of a new one, or a majority of an old one, are there;
//! - one change of members at a time, by joint consensus, each refused with its reason where it would leave fewer than a
//!   quorum alive; a new member gets a vote when it has caught up, and not before;
//! - a change that was interrupted half-way (the leader died) is finished by the next leader.
//!
//! It does not: find masters that nobody listed, remove members on its own, or move data: the log and checkpoints do.

mod change;
mod decide;
mod error;
#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "three masters")]
mod model;
mod standing;
mod tend;
mod transfer;
mod voters;

use std::time::Duration;

pub(crate) use change::{add, remove, replace};
pub use decide::Waiting;
pub use error::ChangeError;
pub use standing::Standing;
pub(crate) use standing::{State, standing};
pub(crate) use tend::tend;
pub(crate) use transfer::transfer;

use crate::node::SharedNode;

/// Between two rounds of questions: short at first, as masters are often started together.
const ROUND_MIN: Duration = Duration::from_millis(50);
const ROUND_MAX: Duration = Duration::from_secs(1);

/// Returns as soon as `node` belongs to a group. [`tend`] works on that.
pub(crate) async fn form(node: &SharedNode) {
    let mut status = node.status.clone();
    // An error: the member is closed.
    let _ = status.wait_for(|status| status.member(node.id).is_some()).await;
}
