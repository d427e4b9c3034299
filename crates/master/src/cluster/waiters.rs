//! Those who wait for replicas of certain chunks to be reported. A report wakes only them, and nobody polls.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;
use types::ChunkId;

/// One who waits.
pub(crate) type WaiterId = u64;

/// Who waits for which chunk.
#[derive(Default)]
pub(crate) struct Waiters {
    next: WaiterId,
    waiting: HashMap<ChunkId, Vec<(WaiterId, Arc<Notify>)>>,
}

impl Waiters {
    /// A new identity.
    pub(crate) fn enroll(&mut self) -> WaiterId {
        self.next += 1;
        self.next
    }

    /// `notify` is woken when something is reported of `chunk`, until [`Waiters::leave`].
    pub(crate) fn wait_for(&mut self, chunk: ChunkId, waiter: WaiterId, notify: &Arc<Notify>) {
        let waiting = self.waiting.entry(chunk).or_default();
        if waiting.iter().all(|(id, _)| *id != waiter) {
            waiting.push((waiter, Arc::clone(notify)));
        }
    }

    /// The opposite of [`Waiters::wait_for`].
    pub(crate) fn leave(&mut self, chunk: ChunkId, waiter: WaiterId) {
        if let Some(waiting) = self.waiting.get_mut(&chunk) {
            waiting.retain(|(id, _)| *id != waiter);
            if waiting.is_empty() {
                self.waiting.remove(&chunk);
            }
        }
    }

    /// Something was reported of `chunk`.
    pub(crate) fn wake(&self, chunk: ChunkId) {
        for (_, notify) in self.waiting.get(&chunk).into_iter().flatten() {
            notify.notify_one();
        }
    }

    /// Something changed that concerns everybody.
    pub(crate) fn wake_all(&self) {
        for (_, notify) in self.waiting.values().flatten() {
            notify.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_those_who_wait_for_the_chunk_are_woken() {
        let (one, two) = (ChunkId::new(1).unwrap(), ChunkId::new(2).unwrap());
        let (first, second) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let mut waiters = Waiters::default();
        let (a, b) = (waiters.enroll(), waiters.enroll());
        waiters.wait_for(one, a, &first);
        waiters.wait_for(one, a, &first);
        waiters.wait_for(two, b, &second);
        waiters.wake(one);
        first.notified().await;
        let nothing = tokio::time::timeout(std::time::Duration::from_millis(5), second.notified());
        assert!(nothing.await.is_err(), "not its chunk");
        waiters.leave(one, a);
        waiters.leave(two, b);
        assert!(waiters.waiting.is_empty(), "nothing is left behind");
    }
}
