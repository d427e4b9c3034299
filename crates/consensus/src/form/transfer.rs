//! Handing the lead to another master.

use types::MasterId;

use super::change::must_lead;
use super::error::ChangeError;
use super::voters::{Progress, Voters};
use crate::node::SharedNode;

/// Hands the lead to `to`, or to who has most of the log, and waits until that one leads.
///
/// # Errors
/// As [`ChangeError`] says.
pub(crate) async fn transfer(node: &SharedNode, to: Option<MasterId>) -> Result<MasterId, ChangeError> {
    must_lead(node)?;
    let voters = Voters::now(node);
    let to = match to {
        Some(to) if to == node.id => return Err(ChangeError::Leads(to)),
        Some(to) if node.status.borrow().member(to).is_none() => return Err(ChangeError::Unknown(to)),
        Some(to) if !voters.has(to) => return Err(ChangeError::NoVote(to)),
        Some(to) => to,
        None => furthest(node, &voters).ok_or(ChangeError::Nobody)?,
    };
    tracing::info!(%to, "hands over the lead");
    node.lease.give_up();
    let handed = node.raft.trigger().transfer_leader(to.0).await;
    handed.map_err(|fatal| ChangeError::Unknowable(fatal.to_string()))?;
    let mut status = node.status.clone();
    let patience = node.settings.election.1 * 3;
    let taken = status.wait_for(|status| status.leader == Some(to));
    let taken = tokio::time::timeout(patience, taken).await;
    // One that is not taken up ends in a new term, which the observer sees to.
    if taken.is_ok_and(|taken| taken.is_ok()) {
        return Ok(to);
    }
    Err(ChangeError::NotTaken(to))
}

/// The voter, other than this one, that has most of the log and is alive.
fn furthest(node: &SharedNode, voters: &Voters) -> Option<MasterId> {
    let others = voters.alive().filter(|id| *id != node.id);
    others.max_by_key(|id| Progress::of(node, *id).has)
}
