//! What a run has found.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::options::Profile;
use crate::tally::{Counts, Operation};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// An acknowledged file, or bytes of it, is not there.
    Lost,
    /// A byte that was not written there was read; or replicas differ.
    Corrupted,
    /// An acknowledged change is not in force, or one was refused that can not have been.
    Undone,
    /// A call did not end.
    Stuck,
    /// A server ended by itself, or did not start again.
    Died,
    /// The cluster did not become whole.
    Unhealed,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// In one word.
    pub kind: FindingKind,
    /// The file or server.
    pub subject: String,
    /// When it was found, in milliseconds of the run.
    pub at_ms: u64,
    /// What was seen.
    pub what: String,
}

/// Everything about a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What gives the same plan, operations and contents again.
    pub seed: u64,
    /// What clients did.
    pub profile: Profile,
    /// Masters.
    pub masters: usize,
    /// Datanodes.
    pub datanodes: usize,
    /// How long faults happened.
    pub seconds: f64,
    /// What could not be done on this machine, and why.
    pub missing: Vec<String>,
    /// Calls by kind and outcome.
    pub operations: BTreeMap<Operation, Counts>,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// The longest time without any acknowledged change.
    pub longest_stall_ms: u64,
    /// When it ended, in milliseconds of the run: see the events of that time.
    pub longest_stall_at_ms: u64,
    /// Files that are there at the end.
    pub files: u64,
    /// Bytes that were read and compared.
    pub bytes_verified: u64,
    /// How long the cluster took to become whole when faults stopped; none: it did not.
    pub healed_ms: Option<u64>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Where everything is kept, if it is.
    pub directory: Option<PathBuf>,
}

impl FindingKind {
    /// In one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Corrupted => "corrupted",
            Self::Undone => "undone",
            Self::Stuck => "stuck",
            Self::Died => "died",
            Self::Unhealed => "unhealed",
        }
    }
}

impl Report {
    /// How many findings are of a kind.
    #[must_use]
    pub fn count(&self, kind: FindingKind) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.kind == kind)
            .count()
    }
}
