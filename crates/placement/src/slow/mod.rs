//! Slow nodes and slow disks, found by a comparison with their peers.
//!
//! ```text
//! limit of a figure   the largest of: a floor below which nothing is slow; 4 × the median of all; the median and 8 × the
//!                     median deviation from it
//! marked              after 3 comparisons in a row above the limit, the worst first
//! no longer           after 10 in a row below half of the limit
//! ```
//!
//! Guarantees:
//! - never more than a quarter of those compared are marked, so that what all are (a cluster that is busy, a master that
//!   was paused) marks nobody, or few, and those that are not marked can carry the load;
//! - fewer than four are not compared at all;
//! - a figure that is not known, or has not changed at all for long (nobody measures any more), is no evidence, and in time
//!   the mark goes: a disk that was left alone for being slow is tried again.

mod outliers;
mod watch;

use std::fmt;
use std::time::Duration;

use types::{DatanodeId, StorageId, format_duration};

pub(crate) use watch::SlowWatch;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// The time of a sync.
    Sync,
    /// The time of a read of up to 1 MiB.
    Read,
    /// By how much heartbeats come late.
    Heartbeat,
}

/// Why something counts as slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slow {
    /// Since when.
    pub since: Duration,
    /// By which measure.
    pub measure: Measure,
    /// Its own figure, in microseconds.
    pub figure_us: u64,
    /// The median of its peers.
    pub typical_us: u64,
}

/// A mark that came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowChange {
    /// The node.
    pub datanode: DatanodeId,
    /// Its disk; none when it is about the node as a whole.
    pub storage: Option<StorageId>,
    /// Why it is slow now; none when it no longer is.
    pub slow: Option<Slow>,
}

/// A time in microseconds, with two or three digits.
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            us @ 0..10_000 => write!(f, "{}.{} ms", us / 1_000, us % 1_000 / 100),
            us @ 10_000..10_000_000 => write!(f, "{} ms", us / 1_000),
            us => f.write_str(&format_duration(Duration::from_secs(us / 1_000_000))),
        }
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.measure {
            Measure::Sync => "a sync takes",
            Measure::Read => "a read takes",
            Measure::Heartbeat => "heartbeats are late by",
        };
        let (own, typical) = (Micros(self.figure_us), Micros(self.typical_us));
        write!(f, "{what} {own}, where {typical} is usual")
    }
}
