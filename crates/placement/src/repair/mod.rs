//! What is to be copied, verified and destroyed next, so that every chunk gets to its wanted copies.
//!
//! ```text
//! condition of a chunk changes ── set ──▶ queue ── plan ──▶ orders ──▶ datanodes
//!                                            ▲                            │
//!                                            └── received, failed, ◀──────┘
//!                                                verified, deleted, silence for too long
//! ```
//!
//! The queue only says what to look at. What is done with a chunk is decided at that moment, by what is known of its
//! replicas then: a note that came too late, or twice, does no harm.
//!
//! Guarantees:
//! - the chunk with the fewest copies comes first, and of these the one that has waited longest; the last copy of a chunk is
//!   copied at once, others after a settle time, so that a node that comes back soon causes no copies;
//! - a node sends and receives no more at once than is set, nor does the cluster; what is urgent may take more;
//! - a replica of a chunk that a file holds is destroyed only when as many others as are wanted serve on other nodes, and
//!   every one of them was read from disk and found good within the last minutes; and never so that the rest is in one rack
//!   that was in several;
//! - a bad replica is replaced before it is destroyed;
//! - what was ordered is heard of again: it is done, fails, or runs out of time, and is tried in another way then.

mod copy;
mod order;
mod plan;
mod priority;
mod queue;
mod running;
mod settings;
mod status;
mod trim;

use std::time::Duration;

use types::{ChunkId, DatanodeId};

use self::queue::{RepairQueue, Turn};
use self::running::Running;
use self::status::Tally;
use crate::{ClusterView, Condition, Expected, Placement, ReplicaMap};

pub use order::Order;
pub use plan::LOOKED_MAX;
pub use priority::Priority;
pub use queue::{QUEUED_MAX, Rest};
pub use settings::RepairSettings;
pub use status::{Copying, Explanation, RepairStatus};

/// What the metadata wants of a chunk that a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The version of its replicas.
    pub expected: Expected,
    /// How many copies.
    pub replicas: usize,
    /// How many an acknowledgement promises.
    pub min_replicas: usize,
}

/// What a plan is made from.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// Now, on the clock of the view.
    pub now: Duration,
    /// The nodes.
    pub view: &'a ClusterView,
    /// The replicas, and what their places count for.
    pub replicas: &'a ReplicaMap,
    /// Where copies go.
    pub policy: &'a dyn Placement,
}

/// See the module's text. For the one who leads; others have none, or an empty one.
#[derive(Debug, Clone, Default)]
pub struct Repair {
    settings: RepairSettings,
    queue: RepairQueue,
    running: Running,
    /// Behind whom to look on, when not all that is ready was looked at.
    turn: Option<Turn>,
    /// Behind whom to look on, when a plan might ask no more, and whether it is their turn: every second plan begins there, so
    /// that those in front, whose questions lead nowhere, keep nobody else from his turn.
    unasked: Option<Turn>,
    unasked_next: bool,
    tally: Tally,
    /// How often this plan has asked the policy, and how often it may.
    asked: usize,
    asked_max: usize,
    /// Nodes of the cluster at the last plan.
    nodes: usize,
}

impl Repair {
    /// With nothing to do.
    #[must_use]
    pub fn new(settings: RepairSettings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// The limits.
    #[must_use]
    pub const fn settings(&self) -> &RepairSettings {
        &self.settings
    }

    /// Other limits, from the next plan on. Chunks that settle already do so for the new time.
    pub fn set_settings(&mut self, settings: RepairSettings) {
        if self.settings.settle != settings.settle {
            self.queue.set_settle(settings.settle);
        }
        self.settings = settings;
    }

    /// A chunk is in a condition now (none: no file holds it). To be called with every change in the ledger, and whenever
    /// something happened to a replica of a chunk that is not healthy: then it is looked at again.
    pub fn set(&mut self, now: Duration, chunk: ChunkId, condition: Option<Condition>, min_replicas: usize) {
        match condition.and_then(|condition| Priority::of(condition, min_replicas)) {
            Some(priority) => self.queue.set(now, chunk, priority, self.settings.settle),
            None => self.queue.remove(chunk),
        }
    }

    /// Whether there is more to be taken up than the last plan did: the next is to be made at once.
    #[must_use]
    pub fn has_due(&self, now: Duration) -> bool {
        self.queue.has_due(now)
    }

    /// Forgets everything: another one leads.
    pub fn clear(&mut self) {
        *self = Self::new(self.settings);
    }

    /// A replica of `chunk` is on disk on `node`: a copy may have arrived.
    pub fn received(&mut self, chunk: ChunkId, node: DatanodeId) {
        self.running.finish_deletion(chunk, node);
        if let Some(run) = self.running.finish_copy(chunk, node) {
            self.running.note_success(&run);
            self.tally.copied += 1;
            self.tally.copied_bytes += run.extent.len;
        }
        self.queue.wake(chunk);
    }

    /// A replica of `chunk` on `node` was read again: it is good, or it is bad.
    pub fn verified(&mut self, chunk: ChunkId, node: DatanodeId) {
        self.running.finish_verification(chunk, node);
        self.queue.wake(chunk);
    }

    /// A replica of `chunk` on `node` is gone.
    pub fn deleted(&mut self, chunk: ChunkId, node: DatanodeId) {
        self.tally.deleted += u64::from(self.running.finish_deletion(chunk, node));
        self.queue.wake(chunk);
    }

    /// `node` could not do what it was ordered to.
    pub fn failed(&mut self, now: Duration, node: DatanodeId, chunk: ChunkId, why: &str) {
        let sent: Vec<DatanodeId> = self
            .running
            .copies_of(chunk)
            .iter()
            .filter(|run| run.source == node)
            .map(|run| run.target.datanode)
            .collect();
        let mut known = self.running.finish_verification(chunk, node);
        let deletion = self.running.finish_deletion(chunk, node);
        known |= deletion;
        for target in sent {
            if let Some(run) = self.running.finish_copy(chunk, target) {
                known = true;
                self.running.note_failure(now, &run, &self.settings);
            }
        }
        if known {
            self.tally.failed += 1;
            self.tally.last_error = Some(why.to_owned());
        }
        if deletion {
            // What stood in the way may stand there for long: it is not asked for again and again.
            self.queue
                .rest(chunk, now.saturating_add(self.settings.patience), Rest::Deleting);
        } else {
            self.queue.wake(chunk);
        }
    }

    /// The replicas whose destruction was decided, and of which nothing was heard since.
    pub fn doomed(&self) -> impl Iterator<Item = (ChunkId, DatanodeId)> {
        self.running.deletions()
    }

    /// When [`Repair::plan`] is to be called at the latest, if nothing happens before.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        self.queue.next_due()
    }

    /// Whether chunks were not kept for want of room, and there is room now. Then, from time to time, all that the ledger
    /// lists ([`Ledger::list_chunks`](crate::Ledger::list_chunks)) is to be given to [`Repair::set`] again, after
    /// [`Repair::refill`].
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.queue.is_short()
    }

    /// All that the ledger lists is being given again.
    pub fn refill(&mut self) {
        self.queue.refill();
    }
}

#[cfg(test)]
mod tests;
