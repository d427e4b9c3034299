//! Orders that came to nothing, on their way to the master that gave them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use types::{ChunkId, Generation};

/// Failures that wait for one master, at most: the oldest go first. What a master does not hear of it gives up by itself,
/// later.
const WAITING_MAX: usize = 20_000;

/// Characters of a reason: it is for people.
const REASON_MAX: usize = 400;

/// An order that could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) chunk: ChunkId,
    pub(crate) generation: Generation,
    pub(crate) reason: String,
}

/// What one master is to be told with the next heartbeat.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    waiting: Mutex<VecDeque<Failed>>,
    wake: Notify,
}

impl Failures {
    pub(crate) fn push(&self, chunk: ChunkId, generation: Generation, reason: &str) {
        let mut waiting = self.lock();
        if waiting.len() >= WAITING_MAX {
            waiting.pop_front();
        }
        waiting.push_back(Failed {
            chunk,
            generation,
            reason: reason.chars().take(REASON_MAX).collect(),
        });
        drop(waiting);
        self.wake.notify_one();
    }

    /// Takes up to `limit`, the oldest first.
    pub(crate) fn take(&self, limit: usize) -> Vec<Failed> {
        let mut waiting = self.lock();
        let count = waiting.len().min(limit);
        waiting.drain(..count).collect()
    }

    /// They were not told after all.
    pub(crate) fn give_back(&self, failed: Vec<Failed>) {
        let mut waiting = self.lock();
        for failed in failed.into_iter().rev() {
            if waiting.len() < WAITING_MAX {
                waiting.push_front(failed);
            }
        }
    }

    /// Waits until there is something to tell.
    pub(crate) async fn some(&self) {
        while self.lock().is_empty() {
            self.wake.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Failed>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(failures: &Failures, chunk: u64) {
        failures.push(ChunkId::new(chunk).unwrap(), Generation(1), &"x".repeat(1_000));
    }

    fn chunks(failed: &[Failed]) -> Vec<u64> {
        failed.iter().map(|failed| failed.chunk.as_u64()).collect()
    }

    #[tokio::test]
    async fn what_was_not_told_comes_first_again() {
        let failures = Failures::default();
        for chunk in 1..=5 {
            push(&failures, chunk);
        }
        failures.some().await;
        let first = failures.take(2);
        assert_eq!(chunks(&first), [1, 2]);
        assert_eq!(first[0].reason.len(), REASON_MAX);
        failures.give_back(first);
        assert_eq!(chunks(&failures.take(3)), [1, 2, 3]);
        assert_eq!(chunks(&failures.take(9)), [4, 5]);
        let nothing = tokio::time::timeout(std::time::Duration::from_millis(5), failures.some());
        assert!(nothing.await.is_err());
    }

    #[test]
    fn the_oldest_make_room() {
        let failures = Failures::default();
        for chunk in 1..=WAITING_MAX as u64 + 3 {
            push(&failures, chunk);
        }
        assert_eq!(chunks(&failures.take(2)), [4, 5]);
        failures.give_back(vec![]);
        assert_eq!(failures.take(usize::MAX).len(), WAITING_MAX - 2);
    }
}
