//! Counts of what was done, and what came of it. Pure: times come in as arguments.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// What clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A new file.
    Upload,
    /// A file in the place of another one.
    Overwrite,
    /// The client is killed in the middle.
    KilledUpload,
    /// More bytes behind a file.
    Append,
    /// In memory of every datanode.
    Flush,
    /// On the disk of every datanode.
    Sync,
    /// Only its first bytes are left.
    Truncate,
    /// Another file behind it.
    Concat,
    /// Another name.
    Rename,
    /// Gone.
    Delete,
    /// A whole file.
    Read,
    /// A part of it.
    ReadPart,
}

/// What came of calls of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Acknowledged.
    pub done: u64,
    /// Refused: nothing has changed.
    pub refused: u64,
    /// Without an answer, or with one that says nothing: it may have happened.
    pub unknown: u64,
    /// The longest call, in milliseconds.
    pub longest_ms: u64,
}

/// All counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub operations: BTreeMap<Operation, Counts>,
    pub faults: BTreeMap<&'static str, u64>,
    pub verified: u64,
    last_done: Option<Duration>,
    /// The longest time without any acknowledged change, and when it ended.
    pub stall: (Duration, Duration),
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Refused,
    Unknown,
}

impl Operation {
    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Overwrite => "overwrite",
            Self::KilledUpload => "upload, client killed",
            Self::Append => "append",
            Self::Flush => "hflush",
            Self::Sync => "hsync",
            Self::Truncate => "truncate",
            Self::Concat => "concat",
            Self::Rename => "rename",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::ReadPart => "read a part",
        }
    }

    const fn changes(self) -> bool {
        !matches!(self, Self::Read | Self::ReadPart | Self::KilledUpload)
    }
}

impl Tally {
    /// A call has ended at `now`, `took` after its beginning.
    pub(crate) fn ended(&mut self, operation: Operation, outcome: Outcome, now: Duration, took: Duration) {
        let counts = self.operations.entry(operation).or_default();
        match outcome {
            Outcome::Done => counts.done += 1,
            Outcome::Refused => counts.refused += 1,
            Outcome::Unknown => counts.unknown += 1,
        }
        counts.longest_ms = counts.longest_ms.max(millis(took));
        if operation.changes() && outcome == Outcome::Done {
            let since = self.last_done.replace(now).unwrap_or(now);
            let stall = now.saturating_sub(since);
            if stall > self.stall.0 {
                self.stall = (stall, now);
            }
        }
    }

    /// Clients rest by intent: that is no stall.
    pub(crate) fn pause(&mut self) {
        self.last_done = None;
    }

    pub(crate) fn operations(&self) -> u64 {
        let all = self.operations.values();
        all.map(|counts| counts.done + counts.refused + counts.unknown)
            .sum()
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_the_longest_time_without_an_acknowledged_change() {
        let mut tally = Tally::default();
        let at = Duration::from_secs;
        let took = Duration::from_millis(5);
        tally.ended(Operation::Upload, Outcome::Done, at(1), took);
        tally.ended(Operation::Read, Outcome::Done, at(3), took);
        tally.ended(Operation::Delete, Outcome::Unknown, at(4), took);
        tally.ended(Operation::Append, Outcome::Done, at(6), took);
        assert_eq!(tally.stall, (at(5), at(6)));
        tally.pause();
        tally.ended(Operation::Append, Outcome::Done, at(60), took);
        assert_eq!(tally.stall, (at(5), at(6)));
        assert_eq!(tally.operations(), 5);
    }
}
