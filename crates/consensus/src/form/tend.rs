//! The task that works on a master's place in its group, as long as the master runs.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use types::MasterId;

use super::decide::{Decision, Heard, Own, Waiting, decide, others};
use super::standing::Standing;
use super::{ROUND_MAX, ROUND_MIN, change};
use crate::node::SharedNode;
use crate::raft::Address;
use crate::status::{Member, Role, Status};
use crate::transport::{self, Network};

/// How often a member looks whether all is well with its place.
const CARE: Duration = Duration::from_millis(500);

/// How often a member that does not lead asks the others whether it was removed: nobody tells it.
const DOUBT: Duration = Duration::from_secs(2);

/// Brings `node` into a group, and cares for its place there. Ends when the member is closed, or its handle dropped.
pub(crate) async fn tend(node: SharedNode, mut closing: watch::Receiver<bool>) {
    tokio::select! {
        () = work(node) => {}
        _ = closing.wait_for(|closing| *closing) => {}
    }
}

async fn work(node: SharedNode) {
    let mut status = node.status.clone();
    let mut round = ROUND_MIN;
    let mut asked = Instant::now();
    loop {
        let now = status.borrow_and_update().clone();
        let pause = if belongs(&node, &now) {
            round = ROUND_MIN;
            care(&node, &now, &mut asked).await;
            CARE
        } else {
            seek(&node, &now).await;
            round = (round * 3 / 2).min(ROUND_MAX);
            round
        };
        let before = belongs(&node, &now);
        let changed = status.wait_for(|status| belongs(&node, status) != before);
        if let Ok(Err(_)) = tokio::time::timeout(pause, changed).await {
            return;
        }
    }
}

/// Whether it is in its group for good: a learner in the place of a lost master is not.
fn belongs(node: &SharedNode, status: &Status) -> bool {
    decide(&own(node, status), &[]) == Decision::Belongs
}

fn own<'a>(node: &'a SharedNode, status: &'a Status) -> Own<'a> {
    Own {
        id: node.id,
        address: &node.settings.address,
        configured: &node.settings.peers,
        members: &status.members,
        leader: status.leader,
    }
}

/// Asks the others, decides, and does it.
async fn seek(node: &SharedNode, status: &Status) {
    let own = own(node, status);
    let heard = if status.members.is_empty() {
        ask(&node.form.network, others(&own)).await
    } else {
        Vec::new()
    };
    let waiting = match decide(&own, &heard) {
        Decision::Belongs => None,
        Decision::Wait(waiting) => Some(waiting),
        Decision::Begin(members) => begin(node, members).await,
        Decision::Rejoin { leader, lost } => rejoin(node, &leader, lost).await,
    };
    if let Some(waiting) = waiting {
        node.form.stands(Standing::Joining(waiting));
    }
}

/// Asks all at once.
async fn ask(network: &Network, addresses: impl IntoIterator<Item = &str>) -> Vec<Heard> {
    let asks = addresses.into_iter().map(|address| async move {
        let identity = transport::identify(network, address).await;
        if let Err(status) = &identity {
            tracing::debug!(address, why = status.message(), "a master does not say who it is");
        }
        Heard {
            address: address.to_owned(),
            identity: identity.ok(),
        }
    });
    futures_util::future::join_all(asks).await
}

async fn begin(node: &SharedNode, members: Vec<Member>) -> Option<Waiting> {
    let count = members.len();
    if count > 1 {
        node.lease.several();
    }
    let members: BTreeMap<_, _> = members
        .into_iter()
        .map(|member| (member.id.0, Address(member.address)))
        .collect();
    match node.raft.initialize(members).await {
        Ok(()) => tracing::info!(masters = count, "began a group"),
        // It is one already: the log tells soon.
        Err(error) => tracing::debug!(%error, "did not begin a group"),
    }
    None
}

async fn rejoin(node: &SharedNode, leader: &str, lost: MasterId) -> Option<Waiting> {
    tracing::info!(%lost, leader, "asks for the place of the master that was lost at this address");
    let asked = transport::rejoin(&node.form.network, leader, node.id, &node.settings.address).await;
    match asked {
        Ok(()) => None,
        Err(status) => Some(Waiting::Refused(status.message().to_owned())),
    }
}

/// All is well, mostly.
async fn care(node: &SharedNode, status: &Status, asked: &mut Instant) {
    if status.role == Role::Leader {
        node.form.stands(Standing::Member);
        change::finish(node).await;
        change::move_to_own_address(node, status).await;
        return;
    }
    if *node.form.standing.borrow() == Standing::Member && asked.elapsed() < DOUBT {
        return;
    }
    *asked = Instant::now();
    let addresses = status.members.iter().filter(|member| member.id != node.id);
    let addresses = addresses.map(|member| member.address.as_str());
    let heard = ask(&node.form.network, addresses).await;
    let standing = if heard.iter().any(|heard| has_removed(node.id, heard)) {
        Standing::Joining(Waiting::Removed)
    } else {
        Standing::Member
    };
    node.form.stands(standing);
}

/// Whether this is a leader that does not count `id` among the members. Others may know less than this master does.
fn has_removed(id: MasterId, heard: &Heard) -> bool {
    heard.identity.as_ref().is_some_and(|identity| {
        identity.leader == Some(identity.id) && !identity.members.iter().any(|member| member.id == id)
    })
}
