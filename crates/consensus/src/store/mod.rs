//! What Raft keeps: the log, the votes, and the state machine with its checkpoints.

mod adapter;
mod checkpointer;
mod codec;
mod erased;
mod log;
mod tail;
mod writer;

pub(crate) use adapter::{Adapter, Condition, meta_of, snapshot_of};
pub(crate) use checkpointer::{Checkpointer, Request, Written};
pub(crate) use codec::{BadMembership, OP_MEMBERSHIP, payload_of, record_of};
pub use erased::Prepared;
pub(crate) use erased::{Erased, Room, erase};
pub(crate) use log::{LogStore, OpenedLog};

/// A whole checkpoint file in the directory of the log: what one member gives to another that is too far behind the log.
pub(crate) type SnapshotData = checkpoint::Checkpoint;
