//! How far the others are, as a leader knows.

use std::time::Duration;

use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver as _;
use types::MasterId;

use crate::raft::{Raft, record_id};

/// Another member, as the leader knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Follower {
    /// Who.
    pub id: MasterId,
    /// The last record of its log that is known to agree with the leader's; 0 where none is.
    pub matched: u64,
    /// How long it has not answered; none where it never did.
    pub silent: Option<Duration>,
}

/// What the leader knows of the others; nothing on all other members.
pub(crate) fn of(raft: &Raft, own: MasterId) -> Vec<Follower> {
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    let Some(replication) = &metrics.replication else {
        return Vec::new();
    };
    let heard = |id: &u64| metrics.heartbeat.as_ref()?.get(id).copied().flatten();
    replication
        .iter()
        .filter(|(id, _)| **id != own.0)
        .map(|(id, matched)| Follower {
            id: MasterId(*id),
            matched: record_id(matched.as_ref()).1,
            silent: heard(id).map(|at| at.elapsed()),
        })
        .collect()
}
