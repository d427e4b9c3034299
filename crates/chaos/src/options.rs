//! What a run is to be.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

/// Who the clients are to the cluster: its superuser.
pub const USER: &str = "chaos";

/// What clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Whole files and names: uploads, overwrites, appends, renames, deletions, reads.
    Files,
    /// A hundred files that are open and grow, flushed piece by piece, while others read their ends.
    Flush,
}

/// A run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The `distrifs` binary.
    pub binary: PathBuf,
    /// How long faults happen.
    pub time: Duration,
    /// Datanodes.
    pub datanodes: usize,
    /// Masters.
    pub masters: usize,
    /// What everything that is chosen at random follows from.
    pub seed: u64,
    /// What clients do.
    pub profile: Profile,
    /// Where everything is kept, and stays; none: in a temporary directory, which stays only after a failure.
    pub dir: Option<PathBuf>,
    /// Whether the directory stays in any case.
    pub keep: bool,
    /// How long the cluster may take to become whole again at the end.
    pub heal_timeout: Duration,
}

impl Options {
    /// Replicas of each chunk.
    #[must_use]
    pub fn replication(&self) -> usize {
        self.datanodes.clamp(1, 3)
    }

    /// Replicas without which nothing is acknowledged.
    #[must_use]
    pub fn min_replicas(&self) -> usize {
        self.replication().min(2)
    }

    /// Within which every replica is read by its datanode.
    pub(crate) const fn scrub_period(&self) -> &'static str {
        "20s"
    }

    /// How long until rot must have been found: a period, and what a datanode needs to tell.
    #[must_use]
    pub const fn detection(&self) -> Duration {
        match self.profile {
            Profile::Files => Duration::from_secs(30),
            // Nothing rots; a pipeline has to find a new datanode.
            Profile::Flush => Duration::from_secs(10),
        }
    }

    pub(crate) const fn writers(&self) -> usize {
        match self.profile {
            Profile::Files => 6,
            Profile::Flush => 10,
        }
    }

    pub(crate) const fn readers(&self) -> usize {
        match self.profile {
            Profile::Files => 4,
            Profile::Flush => 10,
        }
    }
}
