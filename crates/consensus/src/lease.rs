//! Whether this member may answer for the group, without asking anybody.
//!
//! A leader that a quorum has acknowledged at some moment stays the only one for the time of the lease after that moment:
//! so long no voter of that quorum grants a vote. The moment is when the acknowledged message was sent, so no clocks are
//! compared. A leader that alone is the quorum needs no lease.
//!
//! Two things end this reasoning, and must be said before they are done: handing leadership over ([`Lease::give_up`]) and
//! letting others vote ([`Lease::several`]).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use plant::Bug;
use tokio::time::Instant;
use types::Term;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Lease {
    begin: Instant,
    /// How long an acknowledgement holds.
    time: Duration,
    /// Until when this member may answer, in nanoseconds since `begin`.
    until: AtomicU64,
    /// The term that it leads.
    term: AtomicU64,
    /// Leadership was offered to another one in this term: nothing is known from acknowledgements any more.
    given_up: AtomicU64,
    /// When that was, in nanoseconds since `begin`.
    given_up_at: AtomicU64,
    /// Others vote, or are about to.
    several: AtomicBool,
}

/// What was seen of this member's leadership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leading {
    pub(crate) term: Term,
    /// When the last message was sent that a quorum acknowledged.
    pub(crate) acknowledged: Option<Instant>,
    /// Whether this member is the only one that votes.
    pub(crate) alone: bool,
}

impl Lease {
    /// Nothing is led yet. `time` must be less than the time for which a voter that heard of a leader grants no vote.
    pub(crate) fn new(time: Duration) -> Self {
        Self {
            begin: Instant::now(),
            time,
            until: AtomicU64::new(0),
            term: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            given_up_at: AtomicU64::new(0),
            several: AtomicBool::new(false),
        }
    }

    /// The term that this member leads, if nobody else can lead now.
    pub(crate) fn leads(&self) -> Option<Term> {
        // In this order: a term is stored before the time that belongs to it.
        let until = self.until.load(Ordering::Acquire);
        let term = self.term.load(Ordering::Acquire);
        let now = self.after(Duration::ZERO, Instant::now());
        let holds = now < until || (until > 0 && plant::is_planted(Bug::IgnoreFence));
        (holds && self.given_up.load(Ordering::Acquire) != term).then_some(Term(term))
    }

    /// Takes notice of what was seen; none: this member does not lead, or is not ready to.
    pub(crate) fn observe(&self, seen: Option<Leading>) {
        let Some(seen) = seen else {
            self.until.store(0, Ordering::Release);
            return;
        };
        let term = seen.term.as_u64();
        if self.term.load(Ordering::Acquire) != term {
            self.until.store(0, Ordering::Release);
            self.term.store(term, Ordering::Release);
        }
        let several = self.several.load(Ordering::Acquire);
        let until = match seen.acknowledged {
            _ if seen.alone && !several => u64::MAX,
            // Others can elect one only after they were told that they vote, which is after now.
            _ if seen.alone => self.after(self.time, Instant::now()),
            Some(at) => self.after(self.time, at),
            None => 0,
        };
        self.until.store(until, Ordering::Release);
        // Whoever says that there will be several stores that first and takes the time away then: so it does not come back.
        if until == u64::MAX && self.several.load(Ordering::Acquire) {
            self.until.store(0, Ordering::Release);
        }
    }

    /// The nanoseconds since `begin`, `time` after `at`.
    fn after(&self, time: Duration, at: Instant) -> u64 {
        let until = (at + time).saturating_duration_since(self.begin);
        u64::try_from(until.as_nanos()).unwrap_or(u64::MAX)
    }

    /// To be called before leadership of the present term is offered to another member: in this term, reads ask the others.
    pub(crate) fn give_up(&self) {
        self.given_up_at
            .store(self.after(Duration::ZERO, Instant::now()), Ordering::Release);
        self.given_up
            .store(self.term.load(Ordering::Acquire), Ordering::Release);
    }

    /// Whether leadership of `term`, which this member still has, was offered to another one longer than `time` ago. The
    /// offer may still be accepted at any moment, so only a new term makes an end of it.
    pub(crate) fn offer_failed(&self, term: Term, time: Duration) -> bool {
        let since = Duration::from_nanos(self.given_up_at.load(Ordering::Acquire));
        self.given_up.load(Ordering::Acquire) == term.as_u64() && self.begin.elapsed() > since + time
    }

    /// To be called before another member is made a voter: from then on being alone is believed for a while only.
    pub(crate) fn several(&self) {
        self.several.store(true, Ordering::Release);
        self.until.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_millis(100);

    fn leading(term: u64, acknowledged: Option<Instant>, alone: bool) -> Option<Leading> {
        Some(Leading {
            term: Term(term),
            acknowledged,
            alone,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn it_holds_for_its_time_after_an_acknowledged_message_was_sent() {
        let lease = Lease::new(TIME);
        assert_eq!(lease.leads(), None);
        lease.observe(leading(3, None, false));
        assert_eq!(lease.leads(), None);
        lease.observe(leading(3, Some(Instant::now()), false));
        tokio::time::advance(Duration::from_millis(99)).await;
        assert_eq!(lease.leads(), Some(Term(3)));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(lease.leads(), None);
        lease.observe(leading(3, Some(Instant::now()), false));
        lease.observe(None);
        assert_eq!(lease.leads(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn one_alone_needs_none_until_others_vote() {
        let lease = Lease::new(TIME);
        lease.observe(leading(1, None, true));
        tokio::time::advance(TIME * 1000).await;
        assert_eq!(lease.leads(), Some(Term(1)));
        lease.several();
        assert_eq!(lease.leads(), None);
        lease.observe(leading(1, None, true));
        assert_eq!(lease.leads(), Some(Term(1)));
        tokio::time::advance(TIME).await;
        assert_eq!(lease.leads(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_offered_is_not_relied_on_in_that_term() {
        let lease = Lease::new(TIME);
        lease.observe(leading(4, Some(Instant::now()), false));
        lease.give_up();
        lease.observe(leading(4, Some(Instant::now()), false));
        assert_eq!(lease.leads(), None);
        assert!(!lease.offer_failed(Term(4), TIME));
        tokio::time::advance(TIME * 2).await;
        assert!(lease.offer_failed(Term(4), TIME) && !lease.offer_failed(Term(5), TIME));
        lease.observe(leading(5, Some(Instant::now()), false));
        assert_eq!(lease.leads(), Some(Term(5)));
    }
}
