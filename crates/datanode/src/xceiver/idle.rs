//! Connections on which nothing happens: kept for their clients' next request, until somebody else needs the thread.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The connections between two requests, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Idle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    resting: BTreeMap<u64, Arc<Notify>>,
}

impl Idle {
    /// A connection begins to wait for its next request.
    pub(super) fn rest(&self) -> Resting<'_> {
        let evicted = Arc::new(Notify::new());
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.resting.insert(number, Arc::clone(&evicted));
        Resting {
            idle: self,
            number,
            evicted,
        }
    }

    /// How many connections rest.
    pub(crate) fn count(&self) -> usize {
        self.lock().resting.len()
    }

    /// Asks the connection that has waited longest to end. False when there is none.
    pub(super) fn evict_one(&self) -> bool {
        match self.lock().resting.pop_first() {
            Some((_, evicted)) => {
                evicted.notify_one();
                true
            }
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that waits for its next request.
pub(super) struct Resting<'a> {
    idle: &'a Idle,
    number: u64,
    evicted: Arc<Notify>,
}

impl Resting<'_> {
    /// Waits until the connection is to end.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.idle.lock().resting.remove(&self.number);
    }
}
