//! Adding, removing and replacing members, by the leader.
//!
//! Each change runs in a task of its own: it goes on when who asked for it does not wait any more, so that it is not
//! left half-way. What a dead leader left half-way is finished by [`finish`].

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, ForwardToLeader, RaftError};
use tokio::time::Instant;
use types::MasterId;

use super::error::ChangeError;
use super::transfer::transfer;
use super::voters::{Progress, Voters, last_record};
use crate::error::NotLeader;
use crate::node::{Node, SharedNode};
use crate::raft::{Address, TypeConfig};
use crate::status::Status;
use crate::transport::{self, Identity};

/// A new member that says nothing for so long is given up.
const SILENT: Duration = Duration::from_secs(10);

/// How often a new member's progress is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Lets the master at `address` in: it gets the state and the log, and then a vote.
///
/// # Errors
/// As [`ChangeError`] says.
pub(crate) async fn add(node: &SharedNode, address: &str) -> Result<MasterId, ChangeError> {
    let (own, address) = (node.clone(), address.to_owned());
    alone(node, async move { add_alone(&own, &address).await }).await
}

async fn add_alone(node: &SharedNode, address: &str) -> Result<MasterId, ChangeError> {
    must_lead(node)?;
    let identity = identify(node, address).await?;
    check_new(node, address, &identity)?;
    let id = identity.id;
    Voters::now(node).with(id, address).check()?;
    learn(node, id, address).await?;
    change(node, ChangeMembers::AddVoterIds([id.0].into()), true).await?;
    tracing::info!(%id, address, "a master has joined the group");
    Ok(id)
}

/// Removes a member. The leader itself hands over first, and is then to be removed by the next one.
///
/// # Errors
/// As [`ChangeError`] says; [`ChangeError::NotLeader`] where this master has handed over.
pub(crate) async fn remove(node: &SharedNode, id: MasterId) -> Result<(), ChangeError> {
    let own = node.clone();
    alone(node, async move { remove_alone(&own, id).await }).await
}

async fn remove_alone(node: &SharedNode, id: MasterId) -> Result<(), ChangeError> {
    must_lead(node)?;
    let member = node.status.borrow().member(id).cloned();
    let member = member.ok_or(ChangeError::Unknown(id))?;
    if !member.voter {
        return change(node, ChangeMembers::RemoveNodes([id.0].into()), false).await;
    }
    let rest = Voters::now(node).without(id);
    if rest.is_empty() {
        return Err(ChangeError::Last(id));
    }
    rest.check()?;
    if id == node.id {
        transfer(node, None).await?;
        return must_lead(node);
    }
    change(node, ChangeMembers::RemoveVoters([id.0].into()), false).await?;
    tracing::info!(%id, address = member.address, "a master was removed from the group");
    Ok(())
}

/// Gives the master `id` at `address` the place of the member that was lost there.
///
/// # Errors
/// As [`ChangeError`] says; [`ChangeError::Alive`] where that member is not lost.
pub(crate) async fn replace(node: &SharedNode, id: MasterId, address: String) -> Result<(), ChangeError> {
    let own = node.clone();
    alone(node, async move { replace_alone(&own, id, address).await }).await
}

async fn replace_alone(node: &SharedNode, id: MasterId, address: String) -> Result<(), ChangeError> {
    must_lead(node)?;
    let members = node.status.borrow().members.clone();
    let lost = members
        .iter()
        .find(|member| member.address == address && member.id != id);
    let Some(lost) = lost else {
        let is_in = members.iter().any(|member| member.id == id && member.voter);
        return if is_in {
            Ok(())
        } else {
            Err(ChangeError::NoPlace(address))
        };
    };
    let found = identify(node, &address).await?.id;
    if found != id {
        return Err(ChangeError::NotThere { id, address, found });
    }
    let voters = Voters::now(node);
    let silent = Progress::of(node, lost.id)
        .heard
        .is_none_or(|heard| heard.elapsed() > node.settings.election.1 * 2);
    if lost.id == node.id || !silent {
        return Err(ChangeError::Alive { id: lost.id, address });
    }
    voters.without(lost.id).with(id, &address).check()?;
    learn(node, id, &address).await?;
    let joins = ChangeMembers::AddVoterIds([id.0].into());
    let leaves = if lost.voter {
        ChangeMembers::RemoveVoters([lost.id.0].into())
    } else {
        ChangeMembers::RemoveNodes([lost.id.0].into())
    };
    change(node, ChangeMembers::Batch(vec![joins, leaves]), false).await?;
    tracing::info!(%id, lost = %lost.id, address, "a master has taken the place of one that was lost");
    Ok(())
}

/// Finishes what an earlier leader left half-way: a membership that is in between two.
pub(crate) async fn finish(node: &SharedNode) {
    if membership_is_whole(node) {
        return;
    }
    let Ok(_changing) = node.form.changing.try_lock() else {
        return;
    };
    let nothing = ChangeMembers::AddVoterIds(BTreeSet::new());
    match change(node, nothing, false).await {
        Ok(()) => tracing::info!("finished a change of the masters that was left half-way"),
        Err(error) => tracing::debug!(%error, "a change of the masters is left half-way"),
    }
}

/// Tells the others where this master, which leads, is reached now: its log may be older than its address.
pub(crate) async fn move_to_own_address(node: &SharedNode, status: &Status) {
    let address = &node.settings.address;
    let moved = status
        .member(node.id)
        .is_some_and(|member| member.address != *address);
    if !moved || address.is_empty() {
        return;
    }
    let Ok(_changing) = node.form.changing.try_lock() else {
        return;
    };
    let own = BTreeMap::from([(node.id.0, Address(address.clone()))]);
    match change(node, ChangeMembers::SetNodes(own), true).await {
        Ok(()) => tracing::info!(address, "this master has a new address, and the group knows it"),
        Err(error) => tracing::warn!(%error, address, "the group does not know the address of this master"),
    }
}

fn membership_is_whole(node: &Node) -> bool {
    let metrics = node.raft.metrics();
    let metrics = metrics.borrow_watched();
    metrics.membership_config.get_joint_config().len() <= 1
}

/// Runs a change in a task, if no other one is under way.
async fn alone<T: Send + 'static>(
    node: &SharedNode,
    change: impl Future<Output = Result<T, ChangeError>> + Send + 'static,
) -> Result<T, ChangeError> {
    let Ok(changing) = node.form.changing.clone().try_lock_owned() else {
        return Err(ChangeError::Busy);
    };
    let task = tokio::spawn(async move {
        let _changing = changing;
        change.await
    });
    match task.await {
        Ok(result) => result,
        Err(error) => Err(ChangeError::Unknowable(error.to_string())),
    }
}

/// Whether this master leads.
pub(super) fn must_lead(node: &Node) -> Result<(), ChangeError> {
    let status = node.status.borrow();
    if status.leader == Some(node.id) {
        return Ok(());
    }
    Err(NotLeader {
        leader: status.leader_address().map(str::to_owned),
    }
    .into())
}

async fn identify(node: &Node, address: &str) -> Result<Identity, ChangeError> {
    let identity = transport::identify(&node.form.network, address).await;
    identity.map_err(|status| ChangeError::Unreachable {
        address: address.to_owned(),
        why: status.message().to_owned(),
    })
}

/// Whether who answers at `address` can be let in.
fn check_new(node: &Node, address: &str, identity: &Identity) -> Result<(), ChangeError> {
    let address = address.to_owned();
    let status = node.status.borrow();
    if identity.id == node.id {
        return Err(ChangeError::Myself(address));
    }
    if let Some(member) = status.member(identity.id).filter(|member| member.voter) {
        return Err(ChangeError::Already {
            id: member.id,
            address: member.address.clone(),
        });
    }
    let holder = status
        .members
        .iter()
        .find(|member| member.address == address && member.id != identity.id);
    if let Some(holder) = holder {
        return Err(ChangeError::AddressTaken {
            address,
            id: holder.id,
            found: identity.id,
        });
    }
    // One that was a member before knows some of the members.
    let knows_us = identity
        .members
        .iter()
        .any(|member| member.id != identity.id && status.member(member.id).is_some());
    if identity.members.is_empty() || knows_us || status.member(identity.id).is_some() {
        return Ok(());
    }
    let members = identity.members.iter();
    Err(ChangeError::OtherGroup {
        address,
        members: members.map(|member| member.address.clone()).collect(),
    })
}

/// Makes `id` a learner, and waits until it has nearly all of the log: as much as was there when it was asked the last
/// time, and the last part took it less than an election does.
async fn learn(node: &SharedNode, id: MasterId, address: &str) -> Result<(), ChangeError> {
    node.lease.several();
    let learner = BTreeMap::from([(id.0, Address(address.to_owned()))]);
    change(node, ChangeMembers::AddNodes(learner), true).await?;
    let start = Instant::now();
    loop {
        let round = Instant::now();
        let end = last_record(node);
        loop {
            must_lead(node)?;
            let progress = Progress::of(node, id);
            if progress.has >= end {
                break;
            }
            if progress.heard.map_or(start, |heard| heard.max(start)).elapsed() > SILENT {
                let gone = ChangeMembers::RemoveNodes([id.0].into());
                if let Err(error) = change(node, gone, false).await {
                    tracing::warn!(%error, %id, "a master that was not added is still in the list of learners");
                }
                return Err(ChangeError::Behind {
                    address: address.to_owned(),
                    silent: SILENT,
                });
            }
            tokio::time::sleep(LOOK).await;
        }
        if round.elapsed() < node.settings.election.0 {
            return Ok(());
        }
    }
}

async fn change(node: &Node, members: ChangeMembers<u64, Address>, retain: bool) -> Result<(), ChangeError> {
    match node.raft.change_membership(members, retain).await {
        Ok(_) => Ok(()),
        Err(RaftError::APIError(error)) => Err(refusal(error)),
        Err(RaftError::Fatal(fatal)) => Err(ChangeError::Unknowable(fatal.to_string())),
    }
}

fn refusal(error: ClientWriteError<TypeConfig>) -> ChangeError {
    match error {
        ClientWriteError::ForwardToLeader(ForwardToLeader { leader_node, .. }) => NotLeader {
            leader: leader_node.map(|address| address.0),
        }
        .into(),
        ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_)) => ChangeError::Busy,
        error => ChangeError::Unknowable(error.to_string()),
    }
}
