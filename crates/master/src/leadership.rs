//! When this master leads, and what begins and ends with it.
//!
//! The group elects; here a time of leading ([`Lead`]) is opened when all that came before it is applied, and closed as soon
//! as the group says that it is over. What only a leader knows (writes under way, what is reserved for them, who waits)
//! begins empty with each lead and ends with it: a call that waits for something is refused then, with the address of the
//! new leader, and not left to its deadline.
//!
//! Whether an answer may be given is *not* decided by this: that is [`Core::lead`]'s, which asks the group anew each time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use consensus::{Role, Status};
use namespace::Command;
use tokio::sync::watch;
use types::{ClusterId, Term};

use crate::core::Core;

/// A time of leading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lead {
    /// In which term: the fencing epoch of all orders.
    pub(crate) term: Term,
    /// Since when, on the monotonic clock.
    pub(crate) since: Duration,
}

/// The lead of this master, if it leads.
pub(crate) struct Leadership {
    now: watch::Sender<Option<Lead>>,
    /// The newest term that is known to have a leader.
    led: AtomicU64,
}

impl Leadership {
    pub(crate) fn new() -> Self {
        Self {
            now: watch::Sender::new(None),
            led: AtomicU64::new(0),
        }
    }

    /// The lead that is open.
    pub(crate) fn current(&self) -> Option<Lead> {
        *self.now.borrow()
    }

    /// The newest term in which this master has seen a leader. A candidate's term is none: its orders would be nobody's,
    /// and the orders of the leader that there is would be refused for it.
    pub(crate) fn led_term(&self) -> Term {
        Term(self.led.load(Ordering::Relaxed))
    }

    /// Waits until a lead is open.
    pub(crate) async fn begun(&self) -> Lead {
        let mut now = self.now.subscribe();
        loop {
            if let Some(lead) = *now.borrow_and_update() {
                return lead;
            }
            // The sender lives as long as `self`.
            let _ = now.changed().await;
        }
    }

    /// Waits until `lead` is over.
    pub(crate) async fn ended(&self, lead: Lead) {
        let _ = self.now.subscribe().wait_for(|now| *now != Some(lead)).await;
    }

    fn hear(&self, status: &Status) {
        if status.leader.is_some() {
            self.led.fetch_max(status.term.as_u64(), Ordering::Relaxed);
        }
    }
}

/// Opens and closes leads, for as long as the master runs.
///
/// A leader that is cut off does not hear that it is one no more. So a lead is over too when this master could not have
/// answered for so long that others have elected one long ago.
pub(crate) async fn run(core: &Core) {
    let Some(mut status) = core.group().map(|group| group.status()) else {
        return;
    };
    let patience = core.config.election_timeout * 2;
    let mut answered = core.now();
    loop {
        let elected = {
            let status = status.borrow_and_update();
            core.leadership.hear(&status);
            (status.role == Role::Leader).then_some(status.term)
        };
        let answers = core.group().and_then(|group| group.leads());
        if answers.is_some() {
            answered = core.now();
        }
        let silent = core.now().saturating_sub(answered) >= patience;
        if let Some(lead) = core.leadership.current()
            && (elected != Some(lead.term) || silent)
        {
            close(core, lead);
        }
        if let (Some(term), None) = (answers, core.leadership.current())
            && elected == answers
        {
            open(core, term).await;
        }
        // Whether it may answer is not told by changes of its status alone.
        let again = if elected.is_some() {
            core.config.raft_heartbeat / 2
        } else {
            Duration::MAX
        };
        let _ = tokio::time::timeout(again, status.changed()).await;
    }
}

/// Opens the lead of `term`, in which the group says that this master may answer; later, when there is no cluster yet and it
/// can not be named.
async fn open(core: &Core, term: Term) {
    if core.machine.read().cluster().is_none() && !format(core).await {
        return;
    }
    core.picture.members(core);
    core.assess_picture();
    let lead = Lead {
        term,
        since: core.now(),
    };
    core.leadership.led.fetch_max(term.as_u64(), Ordering::Relaxed);
    core.cluster().begin_lead(lead.since);
    core.leadership.now.send_replace(Some(lead));
    core.cluster().wake_all();
    core.jobs.repair.bell.notify_one();
    tracing::info!(%term, "this master leads");
}

fn close(core: &Core, lead: Lead) {
    core.leadership.now.send_replace(None);
    let writes = core.cluster().end_lead();
    tracing::info!(term = %lead.term, writes, "this master does not lead any more");
}

/// Names the cluster, as the first leader of a new group.
async fn format(core: &Core) -> bool {
    let cluster = ClusterId::from_random_bytes(core.env.random.uuid_bytes());
    let formatted = core.propose_own(Command::FormatSlotted { cluster }).await;
    match formatted {
        Ok(_) => tracing::info!(%cluster, dir = %core.config.dir.display(), "formatted a new cluster"),
        Err(rejection) => {
            tracing::warn!(reason = %rejection.0.message, "the cluster is not formatted yet");
        }
    }
    core.machine.read().cluster().is_some()
}
