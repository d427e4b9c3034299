//! Connections to other datanodes with nothing under way: kept for the next pipeline through the same two.
//!
//! A chunk of a few KiB costs less to move than a connection costs to make, and a thread at the other end to start. What
//! is kept is bounded in number and in time; the other end may close it at any moment, which says nothing of it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use env::net::DetachedStream;
use tokio::time::Instant;

/// Connections that are kept, to all datanodes together. Each is a thread at its other end, until somebody there needs it.
const KEPT_MAX: usize = 64;

/// How long one is kept: less than the other end does.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// The connections, those kept last at the end.
#[derive(Debug, Default)]
pub(crate) struct Peers(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    since: Instant,
    address: String,
    stream: DetachedStream,
}

impl Peers {
    /// A connection to `address`, if one is kept.
    pub(super) fn take(&self, address: &str) -> Option<DetachedStream> {
        let mut kept = self.lock();
        let at = kept.iter().rposition(|kept| kept.address == address)?;
        kept.remove(at).map(|kept| kept.stream)
    }

    /// Keeps a connection to `address`.
    pub(super) fn keep(&self, address: String, stream: DetachedStream) {
        let since = Instant::now();
        let mut kept = self.lock();
        kept.push_back(Kept {
            since,
            address,
            stream,
        });
        if kept.len() > KEPT_MAX {
            kept.pop_front();
        }
    }

    /// Closes those that nobody wanted for a while.
    pub(crate) fn expire(&self) {
        self.lock().retain(|kept| kept.since.elapsed() < KEPT_FOR);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
