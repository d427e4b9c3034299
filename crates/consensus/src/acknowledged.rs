//! When a quorum was last known to follow: the moment at which the message was sent that each other member has answered last.
//!
//! The library tells such a moment, too. But it takes an answer for one to every message under way that ends with the same entry,
//! also to those without entries that were sent *after* the one that is answered. A leader that was stopped, goes on, sends such a
//! message and only then reads what has been in its sockets all the time would believe that it was followed just now, and answer
//! although another one leads. Here an answer counts for the message that it answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use types::MasterId;

use crate::raft::Vote;

/// See the module's text. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acknowledged(Arc<Mutex<BTreeMap<MasterId, (Vote, Instant)>>>);

impl Acknowledged {
    /// `member` has answered to a message that was sent at `sent` by the leader of `vote`, and follows it.
    pub(crate) fn note(&self, member: MasterId, vote: Vote, sent: Instant) {
        let mut known = self.lock();
        let later = |known: &(Vote, Instant)| known.0 == vote && known.1 >= sent;
        if !known.get(&member).is_some_and(later) {
            known.insert(member, (vote, sent));
        }
    }

    /// The latest moment after which a quorum of each of `configs` has followed the leader of `vote`, who is `own`; none: never.
    pub(crate) fn quorum(
        &self,
        own: MasterId,
        vote: &Vote,
        configs: &[BTreeSet<u64>],
        now: Instant,
    ) -> Option<Instant> {
        let known = self.lock();
        let of_member = |member: &u64| match known.get(&MasterId(*member)) {
            _ if *member == own.0 => Some(now),
            Some((of, sent)) if of == vote => Some(*sent),
            _ => None,
        };
        let of_config = |config: &BTreeSet<u64>| {
            let mut moments: Vec<Instant> = config.iter().filter_map(of_member).collect();
            moments.sort_unstable_by(|a, b| b.cmp(a));
            moments.get(config.len() / 2).copied()
        };
        // `None` is before all moments.
        configs.iter().map(of_config).min().flatten()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<MasterId, (Vote, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_quorum_of_each_configuration_counts() {
        let (own, vote) = (MasterId(1), Vote::new_committed(3, 1));
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let acknowledged = Acknowledged::default();
        let quorum = |configs: &[&[u64]]| {
            let configs: Vec<BTreeSet<u64>> =
                configs.iter().map(|ids| ids.iter().copied().collect()).collect();
            acknowledged.quorum(own, &vote, &configs, at(100))
        };
        assert_eq!(quorum(&[&[1]]), Some(at(100)));
        assert_eq!(quorum(&[&[1, 2, 3]]), None);
        acknowledged.note(MasterId(2), vote, at(5));
        acknowledged.note(MasterId(3), vote, at(9));
        acknowledged.note(MasterId(3), vote, at(7));
        assert_eq!(quorum(&[&[1, 2, 3]]), Some(at(9)));
        assert_eq!(quorum(&[&[1, 2]]), Some(at(5)));
        assert_eq!(quorum(&[&[1, 2, 3], &[1, 2]]), Some(at(5)));
        assert_eq!(quorum(&[&[1, 2, 3, 4]]), Some(at(5)));
        assert_eq!(quorum(&[&[1, 2, 3], &[1, 4]]), None);
        assert_eq!(quorum(&[&[2, 3, 4]]), Some(at(5)), "it need not vote itself");
        // What was answered in another term says nothing.
        let other = Vote::new_committed(4, 1);
        acknowledged.note(MasterId(3), other, at(50));
        assert_eq!(quorum(&[&[1, 2, 3]]), Some(at(5)));
        assert_eq!(
            acknowledged.quorum(own, &other, &[BTreeSet::from([1, 2, 3])], at(100)),
            Some(at(50))
        );
    }
}
