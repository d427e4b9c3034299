//! What Raft keeps: the log, the votes, and the state machine with its checkpoints.

mod adapter;
mod erased;

pub(crate) use adapter::{Adapter, Condition};
pub(crate) use erased::{Erased, Proposal, erase};

use std::path::PathBuf;

/// A whole and verified checkpoint file in the directory of the log: what one member gives to another that is too far
/// behind the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotData {
    /// The file.
    pub(crate) path: PathBuf,
}
