//! The answers to recent calls, so that a call that comes again (its answer was lost, the master changed) gets the first
//! answer and is not carried out twice.
//!
//! Bounded by count and by age; both are measured by the log alone, so that all masters forget alike. A call is known by
//! client, number, user and kind of command: another user who guesses a client's numbers neither sees its answers nor
//! spoils its calls, and a client that uses a number twice is never answered with the outcome of another kind of
//! command. Refusals are kept as well: who wants another try must make another call.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use types::limits::{RETRY_CACHE_ENTRIES_MAX, RETRY_CACHE_MS_MAX};
use types::{RequestId, UnixMillis};

use crate::{Command, Entry, NamespaceError, Outcome};

type Answer = Result<Outcome, NamespaceError>;

/// What makes a call the same as an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallKey {
    request: RequestId,
    op: u8,
    user: Arc<str>,
}

impl CallKey {
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RetryCache {
    answers: BTreeMap<CallKey, Answer>,
    order: VecDeque<(UnixMillis, CallKey)>,
}

impl RetryCache {
    /// Forgets what is too old at `now`.
    pub(crate) fn expire(&mut self, now: UnixMillis) {
        while let Some((at, _)) = self.order.front() {
            if now.since_ms(*at) <= RETRY_CACHE_MS_MAX {
                break;
            }
            self.forget_oldest();
        }
    }

    pub(crate) fn find(&self, key: &CallKey) -> Option<&Answer> {
        self.answers.get(key)
    }

    /// Keeps the answer to a call that is not known yet.
    pub(crate) fn keep(&mut self, key: CallKey, at: UnixMillis, answer: Answer) {
        if self.order.len() >= RETRY_CACHE_ENTRIES_MAX {
            self.forget_oldest();
        }
        self.order.push_back((at, key.clone()));
        self.answers.insert(key, answer);
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.answers.remove(&key);
        }
    }
}
