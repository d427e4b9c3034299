//! The task that watches Raft, and tells what it sees: the status for people and the transport, the lease for readers, the
//! end of leadership for those who wait for an answer.

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::type_config::alias::WatchReceiverOf;
use openraft::{Instant as _, ServerState};
use tokio::sync::watch;
use tokio::time::Instant;
use types::{MasterId, Term};

use crate::acknowledged::Acknowledged;
use crate::error::Failure;
use crate::lease::{Leading, Lease};
use crate::raft::{Raft, TypeConfig, record_id, record_index};
use crate::status::{Member, Role, Status};
use crate::store::{Adapter, Condition};

/// How long a change may go unnoticed: what comes within is looked at once.
const PAUSE: Duration = Duration::from_millis(1);

type Metrics = openraft::RaftMetrics<TypeConfig>;

pub(crate) struct Observer {
    pub(crate) id: MasterId,
    pub(crate) metrics: WatchReceiverOf<TypeConfig, Metrics>,
    /// When the others have answered; none: Raft's own word is right.
    pub(crate) acknowledged: Option<Acknowledged>,
    pub(crate) raft: Raft,
    pub(crate) machine: Adapter,
    pub(crate) lease: Arc<Lease>,
    /// After this time it is looked at even when nothing changed.
    pub(crate) refresh: Duration,
    /// How long an offer of leadership may take to be accepted.
    pub(crate) offer_time: Duration,
    pub(crate) status: watch::Sender<Status>,
    /// Counts the ends of leadership.
    pub(crate) lost: watch::Sender<u64>,
    pub(crate) condition: watch::Sender<Condition>,
    /// True once the member is being closed: Raft then ends because it was told to.
    pub(crate) closing: watch::Receiver<bool>,
}

impl Observer {
    /// Works until Raft ends.
    pub(crate) async fn run(mut self) {
        let mut led = None;
        loop {
            let (seen, status) = {
                let metrics = self.metrics.borrow_watched();
                if let Err(fatal) = &metrics.running_state {
                    self.ended(&fatal.to_string());
                    break;
                }
                (self.leading(&metrics), self.status(&metrics))
            };
            self.lease.observe(seen);
            let leads = (status.role == Role::Leader).then_some(status.term);
            if led.is_some() && led != leads {
                self.lost.send_modify(|count| *count += 1);
            }
            led = leads;
            if leads.is_some_and(|term| self.lease.offer_failed(term, self.offer_time)) {
                tracing::info!(
                    "leadership was offered and not accepted; this master stands for election again"
                );
                // When Raft has ended, the next round finds that.
                let _ = self.raft.trigger().elect(false).await;
            }
            self.status.send_if_modified(|before| {
                let changed = *before != status;
                *before = status;
                changed
            });
            match tokio::time::timeout(self.refresh, self.metrics.changed()).await {
                Ok(Ok(())) => tokio::time::sleep(PAUSE).await,
                Ok(Err(_)) => {
                    self.ended("its task is gone");
                    break;
                }
                Err(_) => {}
            }
        }
        self.lease.observe(None);
        self.lost.send_modify(|count| *count += 1);
    }

    /// Raft runs no more: because it was told to, because of a failure that is known already, or because of another one.
    fn ended(&self, why: &str) {
        if *self.closing.borrow() {
            return;
        }
        self.condition.send_if_modified(|condition| {
            let unexpected = matches!(condition, Condition::Working);
            if unexpected {
                *condition = Condition::Failed(Failure::Raft(why.to_owned()));
            }
            unexpected
        });
    }

    /// What is known of this member's leadership, if it leads and has applied an entry of its own term: from then on it has
    /// everything that was ever acknowledged.
    fn leading(&self, metrics: &Metrics) -> Option<Leading> {
        let id = self.id.0;
        let term = metrics.current_term;
        let elected = metrics.state == ServerState::Leader
            && metrics.vote.committed
            && metrics.vote.leader_id.voted_for == id;
        let ready = metrics
            .last_applied
            .is_some_and(|applied| applied.leader_id.term == term);
        let membership = metrics.membership_config.membership();
        if !elected || !ready || !membership.voter_ids().any(|voter| voter == id) {
            return None;
        }
        // Rather too early than too late: now is asked for first.
        let now = Instant::now();
        let told = metrics
            .last_quorum_acked
            .and_then(|at| now.checked_sub(at.elapsed()));
        let acknowledged = match &self.acknowledged {
            Some(known) => told.min(known.quorum(self.id, &metrics.vote, membership.get_joint_config(), now)),
            None => told,
        };
        Some(Leading {
            term: Term(term),
            acknowledged,
            alone: membership.voter_ids().all(|voter| voter == id),
        })
    }

    fn status(&self, metrics: &Metrics) -> Status {
        let membership = metrics.membership_config.membership();
        let voters: Vec<_> = membership.voter_ids().collect();
        let members: Vec<_> = membership
            .nodes()
            .map(|(id, address)| Member {
                id: MasterId(*id),
                address: address.0.clone(),
                voter: voters.contains(id),
            })
            .collect();
        let (_, committed) = record_id(metrics.local_committed.as_ref());
        let (_, applied) = record_id(metrics.last_applied.as_ref());
        Status {
            role: match metrics.state {
                _ if members.is_empty() => Role::Unformatted,
                ServerState::Learner => Role::Learner,
                ServerState::Follower => Role::Follower,
                ServerState::Candidate => Role::Candidate,
                ServerState::Leader => Role::Leader,
                ServerState::Shutdown => Role::Follower,
            },
            term: Term(metrics.current_term),
            leader: metrics.current_leader.map(MasterId),
            last: metrics.last_log_index.map_or(0, record_index),
            committed,
            applied,
            checkpoint: self.machine.newest().map_or(0, |newest| newest.header().index),
            members,
        }
    }
}
