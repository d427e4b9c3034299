//! Agreement on a log of commands, behind one facade.
//!
//! [`Group::propose`] has a command written to the logs of a majority, applies it to the [`StateMachine`], and answers with
//! the outcome, in this order. [`Group::read_barrier`] comes before a read that must see all that was ever answered.
//! [`Group::open`] restores the newest checkpoint, and reads the log behind it.
//!
//! It guarantees, as long as a majority of the disks keeps what was synced to them:
//! - every command that was answered is applied by every member, in the same order, once; an opening finds it again, or
//!   fails and says why;
//! - no answer leaves before the command, and all before it, are on the disks of a majority, and applied here;
//! - a term has one leader; a vote is durable before it is given; a member whose directory was lost is another member;
//! - at most one member at a time is told that it may answer ([`Group::leads`]), however long any of them is stopped or
//!   cut off, if no clock runs a tenth faster than another one;
//! - after the first failure of its disk, or a panic of its state machine, a member answers nothing but that failure;
//! - what is under way is bounded, in commands and in bytes.
//!
//! It survives the loss of power and the end of any process at any moment, and goes on while a majority runs and is in
//! reach. The log is cut only behind the older of two checkpoints.
//!
//! A command whose fate is unknown, because leadership ended in between, is said to be ([`ProposeError::Unknown`]). It does
//! not: make a repeated command work once (the state machine does, by ids in its commands), or keep anybody out (the
//! network does).
//!
//! Raft itself is the `openraft` library. What it stands on is in `store/`, what masters say to each other in `transport/`,
//! how a group begins and changes in `form/`, and all of it is tried together in `sim/`.

mod acknowledged;
mod backup;
mod error;
mod followers;
mod form;
mod gather;
mod group;
mod lease;
mod machine;
mod node;
mod observer;
mod open;
mod raft;
mod runtime;
mod settings;
#[cfg(test)]
mod sim;
mod status;
mod store;
mod transport;

pub use backup::Backup;
pub use checkpoint::{Info as CheckpointInfo, Pace};
pub use error::{CheckpointError, Failure, NotLeader, OpenError, ProposeError};
pub use followers::Follower;
pub use form::{ChangeError, Standing, Waiting};
pub use group::Group;
pub use machine::{Image, LogCommand, RestoreError, StateMachine};
pub use settings::Settings;
pub use status::{Member, Role, Status};
pub use store::Prepared;
pub use transport::{Answers, Service};
