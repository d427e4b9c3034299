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

mod order;
mod priority;
mod queue;
mod settings;

use std::time::Duration;

use types::{ChunkId, DatanodeId, Generation};

use self::queue::RepairQueue;
use crate::{ClusterView, Condition, Expected, Placement, ReplicaMap};

pub use order::Order;
pub use priority::Priority;
pub use queue::{QUEUED_MAX, Rest};
pub use settings::RepairSettings;

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

/// How repair goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairStatus {
    /// Chunks in the queue, by priority. Where it is cut off, there are more: see the ledger.
    pub queued: Vec<(Priority, usize)>,
    /// Whether the queue has not room for all.
    pub is_cut: bool,
    /// Since when the one that has waited longest has been in the queue.
    pub oldest: Option<Duration>,
    /// Copies on their way.
    pub copying: usize,
    /// Bytes of these.
    pub copying_bytes: u64,
    /// Verifications that were asked for.
    pub verifying: usize,
    /// Chunks that no node can take, or nobody can send.
    pub stuck: usize,
    /// Copies that arrived, since this began.
    pub copied: u64,
    /// Bytes of these.
    pub copied_bytes: u64,
    /// Orders that failed.
    pub failed: u64,
    /// Orders that nothing was heard of.
    pub timed_out: u64,
    /// What failed last.
    pub last_error: Option<String>,
}

/// A copy on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copying {
    /// Who sends it.
    pub source: DatanodeId,
    /// Who is to get it.
    pub target: DatanodeId,
    /// Since when.
    pub since: Duration,
    /// When it counts as failed.
    pub deadline: Duration,
}

/// Why a chunk is where it is in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// How urgent it is.
    pub priority: Priority,
    /// Since when it is in the queue.
    pub since: Duration,
    /// What it rests for, and until when; none when it waits for its turn: for streams of nodes that are busy.
    pub rest: Option<(Rest, Duration)>,
    /// Copies on their way.
    pub copying: Vec<Copying>,
}

/// See the module's text. For the one who leads; others have none, or an empty one.
#[derive(Debug, Clone, Default)]
pub struct Repair {
    settings: RepairSettings,
    queue: RepairQueue,
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

    /// Other limits, from the next plan on.
    pub const fn set_settings(&mut self, settings: RepairSettings) {
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

    /// A replica of `chunk` is on disk on `node`: a copy may have arrived.
    pub fn received(&mut self, _now: Duration, chunk: ChunkId, _node: DatanodeId) {
        self.queue.wake(chunk);
    }

    /// `node` could not do what it was ordered to.
    pub fn failed(
        &mut self,
        _now: Duration,
        _node: DatanodeId,
        chunk: ChunkId,
        _generation: Generation,
        _why: &str,
    ) {
        self.queue.wake(chunk);
    }

    /// What is to be done now: up to `limit` orders, with a look at up to [`LOOKED_MAX`] chunks.
    pub fn plan(
        &mut self,
        _situation: &Situation<'_>,
        _wanted: impl Fn(ChunkId) -> Option<Wanted>,
        _rng: &mut fastrand::Rng,
        _limit: usize,
    ) -> Vec<Order> {
        Vec::new()
    }

    /// Whether an order is still right at the moment when it is sent. For destruction this is what counts.
    pub fn is_right(
        &self,
        _situation: &Situation<'_>,
        _order: &Order,
        _wanted: impl Fn(ChunkId) -> Option<Wanted>,
    ) -> bool {
        false
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

    /// How it goes.
    #[must_use]
    pub fn status(&self) -> RepairStatus {
        RepairStatus::default()
    }

    /// Where a chunk stands; none when it is not in the queue.
    #[must_use]
    pub fn explain(&self, chunk: ChunkId) -> Option<Explanation> {
        let entry = self.queue.entry(chunk)?;
        Some(Explanation {
            priority: entry.priority,
            since: entry.since,
            rest: entry.rest.map(|(until, rest)| (rest, until)),
            copying: Vec::new(),
        })
    }
}
