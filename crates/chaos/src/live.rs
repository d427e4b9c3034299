//! How a run is going, for whoever watches.

use std::time::Duration;

/// How a run is going.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// What is being done, in a few words.
    pub phase: String,
    /// Since the first fault could happen.
    pub elapsed: Duration,
    /// Of so much.
    pub total: Duration,
    /// Calls that have ended.
    pub operations: u64,
    /// Bytes that were read and compared.
    pub verified: u64,
    /// Faults so far.
    pub faults: u64,
    /// Those of now, in words.
    pub active: Vec<String>,
    /// What was found so far.
    pub findings: usize,
    /// What there is to say of the machine: what can not be done here.
    pub remarks: Vec<String>,
}
