//! Who has a vote, and who of them is alive.

use std::collections::{BTreeMap, BTreeSet};

use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use tokio::time::Instant;
use types::MasterId;

use super::error::ChangeError;
use crate::node::Node;
use crate::raft::record_id;

/// The members with a vote, as the leader sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Voters {
    /// With their addresses.
    all: BTreeMap<MasterId, String>,
    alive: BTreeSet<MasterId>,
}

impl Voters {
    /// As it is now: alive is who has answered this leader within two election timeouts.
    pub(super) fn now(node: &Node) -> Self {
        let recent = node.settings.election.1 * 2;
        let status = node.status.borrow();
        let voters = status.members.iter().filter(|member| member.voter);
        let all: BTreeMap<_, _> = voters.map(|member| (member.id, member.address.clone())).collect();
        let is_alive = |id: MasterId| {
            id == node.id
                || Progress::of(node, id)
                    .heard
                    .is_some_and(|heard| heard.elapsed() < recent)
        };
        let alive = all.keys().copied().filter(|id| is_alive(*id)).collect();
        Self { all, alive }
    }

    /// Those who are alive.
    pub(super) fn alive(&self) -> impl Iterator<Item = MasterId> {
        self.alive.iter().copied()
    }

    pub(super) fn has(&self, id: MasterId) -> bool {
        self.all.contains_key(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// With one more, who is alive.
    pub(super) fn with(mut self, id: MasterId, address: &str) -> Self {
        self.all.insert(id, address.to_owned());
        self.alive.insert(id);
        self
    }

    /// Without one.
    pub(super) fn without(mut self, id: MasterId) -> Self {
        self.all.remove(&id);
        self.alive.remove(&id);
        self
    }

    /// # Errors
    /// When fewer than a quorum of these are alive: they could decide nothing.
    pub(super) fn check(&self) -> Result<(), ChangeError> {
        if self.alive.len() > self.all.len() / 2 {
            return Ok(());
        }
        let silent = self.all.iter().filter(|(id, _)| !self.alive.contains(id));
        Err(ChangeError::NoQuorum {
            voters: self.all.len(),
            alive: self.alive.len(),
            silent: silent.map(|(_, address)| address.clone()).collect(),
        })
    }
}

/// How far a member is, as the leader knows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// The last record that it has in common with the leader.
    pub(super) has: u64,
    /// The last question that it answered was asked then.
    pub(super) heard: Option<Instant>,
}

impl Progress {
    pub(super) fn of(node: &Node, id: MasterId) -> Self {
        let metrics = node.raft.metrics();
        let metrics = metrics.borrow_watched();
        let has = metrics.replication.as_ref().and_then(|all| *all.get(&id.0)?);
        let heard = metrics.heartbeat.as_ref().and_then(|all| *all.get(&id.0)?);
        Self {
            has: record_id(has.as_ref()).1,
            heard: heard.and_then(|heard| Instant::now().checked_sub(heard.elapsed())),
        }
    }
}

/// The last record of the leader's log.
pub(super) fn last_record(node: &Node) -> u64 {
    let metrics = node.raft.metrics();
    let last = metrics.borrow_watched().last_log_index;
    last.map_or(0, crate::raft::record_index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voters(all: &[u64], alive: &[u64]) -> Voters {
        Voters {
            all: all.iter().map(|&id| (MasterId(id), format!("m{id}:1"))).collect(),
            alive: alive.iter().map(|&id| MasterId(id)).collect(),
        }
    }

    #[test]
    fn a_change_leaves_a_quorum_alive() {
        assert!(voters(&[1], &[1]).check().is_ok());
        assert!(voters(&[1, 2, 3], &[1, 2]).check().is_ok());
        assert!(voters(&[1, 2], &[1]).check().is_err());
        let with = voters(&[1, 2, 3], &[1]).with(MasterId(4), "m4:1");
        assert_eq!(
            with.check(),
            Err(ChangeError::NoQuorum {
                voters: 4,
                alive: 2,
                silent: vec!["m2:1".to_owned(), "m3:1".to_owned()]
            })
        );
        assert!(
            voters(&[1, 2, 3], &[1, 2]).without(MasterId(3)).check().is_ok(),
            "it is dead"
        );
        assert!(voters(&[1, 2, 3], &[1, 2]).without(MasterId(2)).check().is_err());
        let swapped = voters(&[1, 2], &[1])
            .without(MasterId(2))
            .with(MasterId(3), "m3:1");
        assert!(swapped.check().is_ok());
        assert!(voters(&[1], &[1]).without(MasterId(1)).check().is_err());
    }
}
