//! The answers to recent calls, so that a call that comes again (its answer was lost, the master changed) gets the first
//! answer and is not carried out twice.
//!
//! Bounded by count and by age; both are measured by the log alone, so that all masters forget alike. Dates in the log are
//! those of leaders' clocks: where one is far ahead of the one before (or nothing was logged for long), only a part of
//! the difference counts, else the calls that come again because the leader has changed would be forgotten by that
//! very change. A call is known by
//! client, number, user and kind of command: another user who guesses a client's numbers neither sees its answers nor
//! spoils its calls, and a client that uses a number twice is never answered with the outcome of another kind of
//! command. Refusals are kept as well: who wants another try must make another call.

use std::sync::Arc;

use imbl::{OrdMap, Vector};
use types::limits::{RETRY_CACHE_ENTRIES_MAX, RETRY_CACHE_MS_MAX, RETRY_CACHE_STEP_MS_MAX};
use types::{RequestId, UnixMillis};

use crate::{Command, Entry, NamespaceError, Outcome};

/// The op code of `Command::DeleteTree`.
const DELETE_TREE: u8 = 19;

type Answer = Result<Outcome, NamespaceError>;

/// What makes a call the same as an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(crate) struct CallKey {
    request: RequestId,
    op: u8,
    user: Arc<str>,
}

impl CallKey {
    /// The key of a `DeleteTree`.
    pub(crate) fn of_delete_tree(request: RequestId, user: &str) -> Self {
        Self {
            request,
            op: DELETE_TREE,
            user: user.into(),
        }
    }

    /// The key of `entry`; none when its answer need not be kept.
    pub(crate) fn of(entry: &Entry) -> Option<Self> {
        if matches!(entry.command, Command::RenewLease | Command::Format { .. }) {
            return None;
        }
        Some(Self {
            request: entry.request?,
            op: entry.command.op_code(),
            user: entry.caller.user.as_str().into(),
        })
    }
}

/// The recent answers.
///
/// # Invariants
/// `order` holds the keys of `answers`, oldest first, each once.
///
/// Keys are shared by both, and behind a pointer: nodes of a map that come and go must be smaller than the pages of the
/// tables, else a page takes most of the place of a node that went, and the rest of it is lost.
#[derive(Debug, Clone, Default)]
pub(crate) struct RetryCache {
    answers: OrdMap<Arc<CallKey>, Arc<Answer>>,
    order: Vector<(UnixMillis, Arc<CallKey>)>,
}

impl RetryCache {
    /// How many answers are kept.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// The log's time goes on: forgets what is too old at `now`.
    pub(crate) fn pass(&mut self, before: UnixMillis, now: UnixMillis) {
        let uncounted = now.since_ms(before).saturating_sub(RETRY_CACHE_STEP_MS_MAX);
        if uncounted > 0 {
            for (at, _) in self.order.iter_mut() {
                at.0 = at.0.saturating_add(uncounted);
            }
        }
        while let Some((at, _)) = self.order.front() {
            if now.since_ms(*at) <= RETRY_CACHE_MS_MAX {
                break;
            }
            self.forget_oldest();
        }
    }

    pub(crate) fn find(&self, key: &CallKey) -> Option<&Answer> {
        self.answers.get(key).map(|answer| &**answer)
    }

    /// Keeps the answer to a call that is not known yet.
    pub(crate) fn keep(&mut self, key: CallKey, at: UnixMillis, answer: Answer) {
        if self.order.len() >= RETRY_CACHE_ENTRIES_MAX {
            self.forget_oldest();
        }
        let key = Arc::new(key);
        self.order.push_back((at, Arc::clone(&key)));
        self.answers.insert(key, Arc::new(answer));
    }

    /// What is to be saved, oldest first.
    pub(crate) fn saved(&self) -> Vec<(UnixMillis, &CallKey, &Answer)> {
        let kept = self.order.iter();
        kept.filter_map(|(at, key)| Some((*at, &**key, self.find(key)?)))
            .collect()
    }

    /// What was saved. None when a call comes twice.
    pub(crate) fn loaded(saved: Vec<(UnixMillis, CallKey, Answer)>) -> Option<Self> {
        let mut cache = Self::default();
        for (at, key, answer) in saved {
            let key = Arc::new(key);
            cache.order.push_back((at, Arc::clone(&key)));
            if cache.answers.insert(key, Arc::new(answer)).is_some() {
                return None;
            }
        }
        Some(cache)
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.answers.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use types::{CallId, ClientId, UnixMillis};

    use super::*;
    use crate::testing::{Fs, caller, path};

    fn mkdir(fs: &mut Fs) -> Entry {
        let command = Command::Mkdir {
            path: path("/tmp/a"),
            mode: 0o755,
            parents: false,
        };
        fs.by("ann").entry(command)
    }

    fn create(fs: &mut Fs) -> Entry {
        let (path, options) = (path("/tmp/f"), crate::testing::options());
        fs.by("ann").entry(Command::Create { path, options })
    }

    #[test]
    fn a_call_that_comes_again_gets_the_first_answer() {
        let mut fs = Fs::new();
        let entry = create(&mut fs);
        let first = fs.ns.apply(&entry);
        assert!(matches!(first, Ok(Outcome::Opened(_))));
        assert_eq!(fs.ns.apply(&entry), first);
        assert_eq!(fs.names("/tmp"), ["f"]);
        let another = create(&mut fs);
        assert_eq!(fs.ns.apply(&another), Err(NamespaceError::Exists(path("/tmp/f"))));
    }

    #[test]
    fn nothing_is_done_twice() {
        let mut fs = Fs::new();
        let entry = mkdir(&mut fs);
        fs.ns.apply(&entry).unwrap();
        fs.by("ann").delete("/tmp/a").unwrap();
        fs.ns.apply(&entry).unwrap();
        assert!(!fs.exists("/tmp/a"));
    }

    #[test]
    fn refusals_are_kept_too() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir("/tmp/a").unwrap();
        let entry = mkdir(&mut fs);
        let refused = fs.ns.apply(&entry);
        fs.by("ann").delete("/tmp/a").unwrap();
        assert_eq!(refused, Err(NamespaceError::Exists(path("/tmp/a"))));
        assert_eq!(fs.ns.apply(&entry), refused);
    }

    #[test]
    fn another_user_command_or_client_is_another_call() {
        let mut fs = Fs::new();
        let first = create(&mut fs);
        let opened = fs.ns.apply(&first);
        let mut by_bob = first.clone();
        by_bob.caller = caller("bob");
        assert!(matches!(fs.ns.apply(&by_bob), Err(NamespaceError::Exists(_))));
        let mut other_client = first.clone();
        other_client.request = first.request.map(|request| RequestId {
            client: ClientId(1),
            ..request
        });
        assert!(matches!(
            fs.ns.apply(&other_client),
            Err(NamespaceError::Exists(_))
        ));
        let mut other_command = mkdir(&mut fs);
        other_command.request = first.request;
        assert_eq!(fs.ns.apply(&other_command), Ok(Outcome::Done));
        assert_eq!(fs.ns.apply(&first), opened);
    }

    #[test]
    fn the_leaders_own_commands_and_renewals_are_not_kept() {
        let mut fs = Fs::new();
        let mut entry = fs.by("root").entry(Command::RenewLease);
        assert!(CallKey::of(&entry).is_none());
        entry.command = mkdir(&mut fs).command;
        assert!(CallKey::of(&entry).is_some());
        entry.request = None;
        assert!(CallKey::of(&entry).is_none());
    }

    #[test]
    fn old_answers_are_forgotten_by_the_logs_own_time() {
        let mut fs = Fs::new();
        let entry = create(&mut fs);
        fs.ns.apply(&entry).unwrap();
        fs.by("ann").delete("/tmp/f").unwrap();
        let mut minutes = 0;
        while fs.at + RETRY_CACHE_STEP_MS_MAX < entry.at.0 + RETRY_CACHE_MS_MAX {
            fs.at += RETRY_CACHE_STEP_MS_MAX - 1;
            minutes += 1;
            fs.by("bob").mkdir(&format!("/tmp/{minutes}")).unwrap();
        }
        fs.at = entry.at.0 + RETRY_CACHE_MS_MAX - 1;
        fs.by("bob").mkdir("/tmp/now").unwrap();
        fs.ns.apply(&entry).unwrap();
        assert!(!fs.exists("/tmp/f"), "still known");
        fs.by("bob").mkdir("/tmp/later").unwrap();
        fs.ns.apply(&entry).unwrap();
        assert!(fs.exists("/tmp/f"), "forgotten, and carried out");
    }

    #[test]
    fn a_leader_whose_date_is_far_ahead_makes_nobodys_call_be_carried_out_twice() {
        let mut fs = Fs::new();
        let entry = create(&mut fs);
        fs.ns.apply(&entry).unwrap();
        fs.by("ann").delete("/tmp/f").unwrap();
        for date in ["/tmp/hours", "/tmp/days"] {
            fs.at += 100 * RETRY_CACHE_MS_MAX;
            fs.by("bob").mkdir(date).unwrap();
            fs.ns.apply(&entry).unwrap();
            assert!(!fs.exists("/tmp/f"));
        }
    }

    #[test]
    fn the_oldest_answer_goes_when_there_are_too_many() {
        let mut cache = RetryCache::default();
        let key = |call: usize| CallKey {
            request: RequestId {
                client: ClientId(1),
                call: CallId(call as u64),
            },
            op: 2,
            user: "ann".into(),
        };
        for call in 0..=RETRY_CACHE_ENTRIES_MAX {
            cache.keep(key(call), UnixMillis(1), Ok(Outcome::Done));
        }
        assert_eq!(cache.answers.len(), RETRY_CACHE_ENTRIES_MAX);
        assert_eq!(cache.order.len(), RETRY_CACHE_ENTRIES_MAX);
        assert!(cache.find(&key(0)).is_none());
        assert!(cache.find(&key(1)).is_some());
    }
}
