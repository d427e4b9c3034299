//! How repair goes, and why a chunk waits.

use std::time::Duration;

use types::{ChunkId, DatanodeId};

use super::{Priority, Repair, Rest};

/// What was done so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) copied: u64,
    pub(super) copied_bytes: u64,
    pub(super) deleted: u64,
    pub(super) failed: u64,
    pub(super) timed_out: u64,
    pub(super) last_error: Option<String>,
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
    /// Replicas that were destroyed because there were too many, or they were bad.
    pub deleted: u64,
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

impl Repair {
    /// How it goes.
    #[must_use]
    pub fn status(&self) -> RepairStatus {
        let queued = Priority::ALL.map(|priority| (priority, self.queue.count(priority)));
        RepairStatus {
            queued: queued.into_iter().filter(|(_, count)| *count > 0).collect(),
            is_cut: self.queue.is_cut(),
            oldest: self.queue.oldest(),
            copying: self.running.copying(),
            copying_bytes: self.running.bytes(),
            verifying: self.running.verifying(),
            stuck: self.queue.stuck(),
            copied: self.tally.copied,
            copied_bytes: self.tally.copied_bytes,
            deleted: self.tally.deleted,
            failed: self.tally.failed,
            timed_out: self.tally.timed_out,
            last_error: self.tally.last_error.clone(),
        }
    }

    /// Where a chunk stands; none when it is not in the queue.
    #[must_use]
    pub fn explain(&self, chunk: ChunkId) -> Option<Explanation> {
        let entry = self.queue.entry(chunk)?;
        Some(Explanation {
            priority: entry.priority,
            since: entry.since,
            rest: entry.rest.map(|(until, rest)| (rest, until)),
            copying: self.running.copies_of(chunk).iter().map(Copying::from).collect(),
        })
    }
}
