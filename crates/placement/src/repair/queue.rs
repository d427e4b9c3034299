//! Chunks that are to be repaired, in the order of their urgency and then of their age.
//!
//! Bounded: of each priority up to [`QUEUED_MAX`] chunks are kept; the ledger knows the others, and [`RepairQueue::is_short`]
//! tells when they are to be offered again. A chunk is ready, or it rests until a time, with a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use types::ChunkId;

use super::Priority;

/// Chunks of one priority that are kept.
pub const QUEUED_MAX: usize = 64 << 10;

/// Why a chunk is not worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Its node may come back.
    Settling,
    /// Copies are on their way.
    Copying,
    /// Replicas are being read again before others are destroyed.
    Verifying,
    /// Replicas are being destroyed.
    Deleting,
    /// Nobody who can send it is there.
    NoSource,
    /// No node can take it.
    NoTarget,
    /// Nodes that have copies are silent together with too many others to believe that they are dead.
    Silent,
    /// What is too much can not be destroyed without breaking a rule, or stays until others can be verified.
    NothingToDestroy,
}

impl Rest {
    const fn is_stuck(self) -> bool {
        matches!(self, Self::NoSource | Self::NoTarget)
    }
}

/// Where a chunk stands in the queue: the least is the next.
pub(super) type Turn = (Priority, Duration, ChunkId);

#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) priority: Priority,
    /// Since when it is in the queue.
    pub(super) since: Duration,
    pub(super) rest: Option<(Duration, Rest)>,
}

impl Entry {
    const fn turn(&self, chunk: ChunkId) -> Turn {
        (self.priority, self.since, chunk)
    }
}

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub(super) struct RepairQueue {
    entries: BTreeMap<ChunkId, Entry>,
    ready: BTreeSet<Turn>,
    resting: BTreeSet<(Duration, ChunkId)>,
    counts: BTreeMap<Priority, usize>,
    /// Those that rest because nobody can send or take them.
    stuck: usize,
    /// Priorities of which a chunk was not kept.
    cut: BTreeSet<Priority>,
}

impl RepairQueue {
    pub(super) fn entry(&self, chunk: ChunkId) -> Option<&Entry> {
        self.entries.get(&chunk)
    }

    pub(super) fn count(&self, priority: Priority) -> usize {
        self.counts.get(&priority).copied().unwrap_or_default()
    }

    /// Since when the one that has been here longest has been: a look at all.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.entries.values().map(|entry| entry.since).min()
    }

    /// How many rest because nobody can send or take them.
    pub(super) const fn stuck(&self) -> usize {
        self.stuck
    }

    /// A chunk has a priority now. One that was there keeps its age; it is ready unless it settles yet.
    pub(super) fn set(&mut self, now: Duration, chunk: ChunkId, priority: Priority, settle: Duration) {
        let before = self.entries.get(&chunk).copied();
        if before.is_none() && self.count(priority) >= QUEUED_MAX {
            self.cut.insert(priority);
            return;
        }
        self.remove(chunk);
        let since = before.map_or(now, |entry| entry.since);
        let mut entry = Entry {
            priority,
            since,
            rest: None,
        };
        let settled = since.saturating_add(settle);
        if priority == Priority::LastCopy || settled <= now {
            self.ready.insert(entry.turn(chunk));
        } else {
            entry.rest = Some((settled, Rest::Settling));
            self.resting.insert((settled, chunk));
        }
        self.entries.insert(chunk, entry);
        *self.counts.entry(priority).or_default() += 1;
    }

    /// Those that settle do so for this time from when they came.
    pub(super) fn set_settle(&mut self, settle: Duration) {
        for (&chunk, entry) in &mut self.entries {
            if let Some((until, Rest::Settling)) = entry.rest {
                let settled = entry.since.saturating_add(settle);
                self.resting.remove(&(until, chunk));
                self.resting.insert((settled, chunk));
                entry.rest = Some((settled, Rest::Settling));
            }
        }
    }

    pub(super) fn remove(&mut self, chunk: ChunkId) {
        if let Some(entry) = self.entries.remove(&chunk) {
            match entry.rest {
                Some((until, why)) => {
                    self.resting.remove(&(until, chunk));
                    self.stuck -= usize::from(why.is_stuck());
                }
                None => {
                    self.ready.remove(&entry.turn(chunk));
                }
            }
            if let Some(count) = self.counts.get_mut(&entry.priority) {
                *count = count.saturating_sub(1);
            }
        }
    }

    /// A chunk is not looked at before a time, unless something happens to it.
    pub(super) fn rest(&mut self, chunk: ChunkId, until: Duration, why: Rest) {
        self.end_rest(chunk);
        if let Some(entry) = self.entries.get_mut(&chunk) {
            self.ready.remove(&entry.turn(chunk));
            entry.rest = Some((until, why));
            self.resting.insert((until, chunk));
            self.stuck += usize::from(why.is_stuck());
        }
    }

    /// A chunk is ready, unless it settles: something happened to it.
    pub(super) fn wake(&mut self, chunk: ChunkId) {
        let settles = |entry: &Entry| matches!(entry.rest, Some((_, Rest::Settling)));
        if !self.entries.get(&chunk).is_some_and(settles) {
            self.end_rest(chunk);
        }
    }

    fn end_rest(&mut self, chunk: ChunkId) {
        if let Some(entry) = self.entries.get_mut(&chunk)
            && let Some((until, why)) = entry.rest.take()
        {
            self.resting.remove(&(until, chunk));
            self.stuck -= usize::from(why.is_stuck());
            self.ready.insert(entry.turn(chunk));
        }
    }

    /// Up to `limit` of those that rested until now are ready: those first that should have been for longest.
    pub(super) fn wake_due(&mut self, now: Duration, limit: usize) {
        for _ in 0..limit {
            match self.resting.first() {
                Some(&(until, chunk)) if until <= now => self.end_rest(chunk),
                _ => return,
            }
        }
    }

    /// Whether some that rested until now are not ready yet.
    pub(super) fn has_due(&self, now: Duration) -> bool {
        self.next_due().is_some_and(|until| until <= now)
    }

    /// Up to `limit` chunks that are ready, behind `after`.
    pub(super) fn ready(&self, after: Option<Turn>, limit: usize) -> Vec<Turn> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.ready
            .range((from, Bound::Unbounded))
            .take(limit)
            .copied()
            .collect()
    }

    /// When the next one that rests is ready.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.resting.first().map(|(until, _)| *until)
    }

    /// Whether chunks were not kept, and there is room for them now.
    pub(super) fn is_short(&self) -> bool {
        self.cut
            .iter()
            .any(|priority| self.count(*priority) < QUEUED_MAX / 2)
    }

    /// Whether there are chunks that were not kept.
    pub(super) fn is_cut(&self) -> bool {
        !self.cut.is_empty()
    }

    /// All chunks that are not healthy are being offered again.
    pub(super) fn refill(&mut self) {
        self.cut.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_settle_time_is_for_those_that_settle_already() {
        let seconds = Duration::from_secs;
        let chunk = |id| ChunkId::new(id).unwrap();
        let ready = |queue: &RepairQueue| {
            let turns = queue.ready(None, 9).into_iter();
            turns.map(|(_, _, chunk)| chunk.as_u64()).collect::<Vec<_>>()
        };
        let mut queue = RepairQueue::default();
        for (id, at) in [(1, 10), (2, 20)] {
            queue.set(seconds(at), chunk(id), Priority::UnderReplicated, seconds(3_600));
        }
        queue.set(seconds(20), chunk(3), Priority::LastCopy, seconds(3_600));
        queue.wake_due(seconds(30), 9);
        assert_eq!(ready(&queue), [3], "a last copy does not wait");
        queue.set_settle(seconds(15));
        queue.wake_due(seconds(30), 9);
        assert_eq!(ready(&queue), [3, 1]);
        assert_eq!(queue.next_due(), Some(seconds(35)));
        queue.set_settle(seconds(60));
        assert_eq!((ready(&queue).len(), queue.next_due()), (2, Some(seconds(80))));
        queue.remove(chunk(2));
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn those_that_are_due_at_one_moment_wake_a_part_at_a_time() {
        let seconds = Duration::from_secs;
        let mut queue = RepairQueue::default();
        for id in 1..=5 {
            let chunk = ChunkId::new(id).unwrap();
            queue.set(seconds(1), chunk, Priority::UnderReplicated, seconds(15));
        }
        for (ready, more) in [(2, true), (4, true), (5, false)] {
            queue.wake_due(seconds(16), 2);
            assert_eq!(
                (queue.ready(None, 9).len(), queue.has_due(seconds(16))),
                (ready, more)
            );
        }
    }
}
