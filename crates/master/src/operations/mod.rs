//! What operators are told: how the data is, what is being done about it, and why things are as they are.
//!
//! Everything is answered from the leader's picture of the cluster (`cluster`) and the metadata. Nothing here changes
//! anything, and nothing takes the lock of the cluster for longer than a bounded slice of work, however large the cluster is.
//! The texts are for people; what a program may want to decide by is in fields of its own.

mod explain;
mod fsck;
mod health;
mod nodes;
mod removal;

pub(crate) use explain::{explain_chunk, explain_file, explain_node};
pub(crate) use fsck::{ChunkHealth, FileHealth, FsckPage, FsckWalk, ReplicaHealth, Show};
pub(crate) use health::{Health, Level, Problem, Repairing, health};
pub(crate) use nodes::{Draining, NodeStatus, VolumeStatus, node_statuses};
pub(crate) use removal::{Counting, only_there};
