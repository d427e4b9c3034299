//! What happens to replicas, on its way to the masters.
//!
//! Each master has an [`Outbox`]: changes in the order in which they happened, taken by that master's one reporter. It is
//! bounded: when a master is away for long, its changes are dropped, and it gets a full report when it is back.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use chunkstore::Replica;
use metrics::Counter;
use tokio::sync::Notify;
use types::fingerprint::bucket_of;
use types::{ChunkExtent, StorageId};

/// Changes that wait for one master, at most.
const OUTBOX_MAX: usize = 100_000;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A replica is on disk under its final name.
    Received,
    /// A replica is gone.
    Deleted,
    /// A replica is not what was written.
    Corrupt,
    /// A replica was read again from disk, and is what was written.
    Verified,
}

/// Something that happened to a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) event: Event,
    pub(crate) storage: StorageId,
    pub(crate) extent: ChunkExtent,
}

impl Change {
    pub(crate) const fn of(event: Event, replica: &Replica) -> Self {
        Self {
            event,
            storage: replica.storage,
            extent: ChunkExtent {
                chunk: replica.chunk,
                generation: replica.generation,
                len: replica.len,
            },
        }
    }
}

/// The outboxes of all masters.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    outboxes: RwLock<Vec<Arc<Outbox>>>,
    /// Counts replicas that are found to be corrupt.
    corrupt: Counter,
}

impl Changes {
    /// No outboxes; `corrupt` counts replicas that are found to be corrupt.
    pub(crate) fn counting(corrupt: Counter) -> Self {
        Self {
            corrupt,
            ..Self::default()
        }
    }

    /// An outbox for one more master.
    pub(crate) fn add(&self) -> Arc<Outbox> {
        let outbox = Arc::<Outbox>::default();
        let mut all = self.outboxes.write().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(&outbox));
        outbox
    }

    /// The master of this outbox is told no more.
    pub(crate) fn remove(&self, outbox: &Arc<Outbox>) {
        let mut all = self.outboxes.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| !Arc::ptr_eq(other, outbox));
    }

    /// Every master is to be told everything again.
    pub(crate) fn request_full_reports(&self) {
        for outbox in self
            .outboxes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            outbox.request_full_report();
        }
    }

    /// Tells every master of replicas that came together: so they are reported together.
    pub(crate) fn push_received(&self, replicas: &[Replica]) {
        for outbox in self
            .outboxes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            outbox.push_all(
                replicas
                    .iter()
                    .map(|replica| Change::of(Event::Received, replica)),
            );
        }
    }

    /// Tells every master.
    pub(crate) fn push(&self, event: Event, replica: &Replica) {
        if event == Event::Corrupt {
            self.corrupt.inc();
        }
        for outbox in self
            .outboxes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            outbox.push(Change::of(event, replica));
        }
    }
}

/// What one master is to be told.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    changes: VecDeque<Change>,
    /// A full report is due: somebody asked, or changes were dropped.
    full_report: bool,
    /// It is time to compare.
    fingerprints: bool,
}

/// What is to be reported next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// These changes.
    Changes(Vec<Change>),
    /// Everything.
    FullReport,
    /// The sums of everything.
    Fingerprints,
}

impl Outbox {
    pub(crate) fn push(&self, change: Change) {
        self.push_all([change]);
    }

    /// Several at once: whoever takes some of them finds all.
    fn push_all(&self, changes: impl IntoIterator<Item = Change>) {
        let mut queue = self.lock();
        for change in changes {
            if queue.changes.len() < OUTBOX_MAX {
                queue.changes.push_back(change);
            } else {
                queue.changes.clear();
                queue.full_report = true;
            }
        }
        drop(queue);
        self.wake.notify_one();
    }

    pub(crate) fn request_full_report(&self) {
        self.lock().full_report = true;
        self.wake.notify_one();
    }

    /// A report by fingerprints is due when everything before it has been told.
    pub(crate) fn request_fingerprints(&self) {
        self.lock().fingerprints = true;
        self.wake.notify_one();
    }

    /// The buckets of chunks that changed, and of which the master was not told yet.
    pub(crate) fn pending_buckets(&self) -> HashSet<usize> {
        let queue = self.lock();
        let changed = queue.changes.iter();
        changed.map(|change| bucket_of(change.extent.chunk)).collect()
    }

    /// Forgets everything: a full report follows.
    pub(crate) fn clear(&self) {
        *self.lock() = Queue::default();
    }

    /// Waits until something is to be reported. At most `limit` changes at once, and those before a report of everything: it
    /// would otherwise be contradicted by changes that are older than it.
    pub(crate) async fn due(&self, limit: usize) -> Due {
        loop {
            if let Some(due) = self.take(limit) {
                return due;
            }
            self.wake.notified().await;
        }
    }

    fn take(&self, limit: usize) -> Option<Due> {
        let mut queue = self.lock();
        if !queue.changes.is_empty() {
            let count = queue.changes.len().min(limit);
            return Some(Due::Changes(queue.changes.drain(..count).collect()));
        }
        if queue.full_report {
            // Which says more than sums.
            (queue.full_report, queue.fingerprints) = (false, false);
            return Some(Due::FullReport);
        }
        std::mem::take(&mut queue.fingerprints).then_some(Due::Fingerprints)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use types::{ChunkId, Generation};

    use super::*;

    fn change(id: u64) -> Change {
        Change {
            event: Event::Received,
            storage: StorageId::from_random_bytes([1; 16]),
            extent: ChunkExtent {
                chunk: ChunkId::new(id).unwrap(),
                generation: Generation(1),
                len: 0,
            },
        }
    }

    #[tokio::test]
    async fn changes_keep_their_order_and_come_before_a_report_of_everything() {
        let outbox = Outbox::default();
        outbox.push(change(1));
        outbox.request_full_report();
        outbox.push(change(2));
        outbox.push(change(3));
        assert_eq!(outbox.due(2).await, Due::Changes(vec![change(1), change(2)]));
        assert_eq!(outbox.due(2).await, Due::Changes(vec![change(3)]));
        assert_eq!(outbox.due(2).await, Due::FullReport);
        assert_eq!(outbox.take(2), None);
        outbox.request_fingerprints();
        outbox.push(change(4));
        assert_eq!(
            outbox.pending_buckets(),
            HashSet::from([bucket_of(change(4).extent.chunk)])
        );
        assert_eq!(outbox.due(2).await, Due::Changes(vec![change(4)]));
        assert_eq!(outbox.due(2).await, Due::Fingerprints);
        outbox.request_fingerprints();
        outbox.request_full_report();
        assert_eq!(outbox.due(2).await, Due::FullReport);
        assert_eq!(outbox.take(2), None);
    }

    #[tokio::test]
    async fn a_master_that_is_away_for_long_gets_a_full_report_instead() {
        let outbox = Outbox::default();
        for id in 0..=OUTBOX_MAX as u64 {
            outbox.push(change(id));
        }
        assert_eq!(outbox.due(10).await, Due::FullReport);
        outbox.push(change(7));
        assert_eq!(outbox.due(10).await, Due::Changes(vec![change(7)]));
    }
}
