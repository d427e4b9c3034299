//! What came of a simulation.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A call's counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Acknowledged.
    pub done: u64,
    /// Refused: nothing has changed.
    pub refused: u64,
    /// It may have happened, or not.
    pub unknown: u64,
}

/// A fault that happened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Happened {
    /// What it is called by who leaves it out.
    pub key: String,
    /// When it began, in seconds of the simulation.
    pub at_s: f64,
    /// In words.
    pub what: String,
}

/// What came of one seed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// What everything follows from.
    pub seed: u64,
    /// In words: what the seed has chosen.
    pub cluster: String,
    /// Seconds of the simulation.
    pub simulated_s: f64,
    /// Seconds of processor time that it took.
    pub took_s: f64,
    /// The sum of the trace, and its lines.
    pub trace: (u64, u64),
    /// Calls of clients, by kind.
    pub operations: BTreeMap<String, Counts>,
    /// Faults, by kind and by how the cluster was when they began.
    pub faults: BTreeMap<String, BTreeMap<String, u64>>,
    /// All of them in order.
    pub happened: Vec<Happened>,
    /// When the faults could begin, and when the first thing was found, in seconds of the simulation.
    pub begun_s: Option<f64>,
    /// See [`Report::begun_s`].
    pub found_s: Option<f64>,
    /// The most that there was of what is bounded.
    pub peaks: BTreeMap<String, u64>,
    /// Files that were there at the end.
    pub files: u64,
    /// Bytes that were read and compared.
    pub bytes_verified: u64,
    /// How long the cluster took to become whole when faults stopped.
    pub healed_s: Option<f64>,
    /// What is wrong.
    pub findings: Vec<String>,
    /// What happened before: only where something is wrong.
    pub events: Vec<String>,
}

impl Report {
    /// Calls of all kinds.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.operations
            .values()
            .map(|counts| counts.done + counts.refused + counts.unknown)
            .sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {}; {:.0} s in {:.1} s; trace {:016x} of {} lines",
            self.seed, self.cluster, self.simulated_s, self.took_s, self.trace.0, self.trace.1
        )?;
        for (name, counts) in &self.operations {
            let Counts {
                done,
                refused,
                unknown,
            } = counts;
            writeln!(
                f,
                "  {name:<14} {done:>6} done {refused:>5} refused {unknown:>5} unknown"
            )?;
        }
        for (name, states) in &self.faults {
            writeln!(f, "  {name:<28} {:>6}", states.values().sum::<u64>())?;
        }
        for (name, count) in &self.peaks {
            writeln!(f, "  {name:<28} {count:>6} at most")?;
        }
        writeln!(
            f,
            "  {} files at the end, {} bytes compared, whole after {}",
            self.files,
            self.bytes_verified,
            self.healed_s
                .map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"))
        )?;
        for finding in &self.findings {
            writeln!(f, "  FOUND {finding}")?;
        }
        Ok(())
    }
}
