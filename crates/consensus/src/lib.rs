//! Agreement on a log of commands, behind one facade.
//!
//! [`Group::propose`] makes a command durable in the write-ahead log, applies it to the [`StateMachine`], and answers with
//! the outcome, in this order. [`Group::open`] applies what the log holds and begins a new term.
//!
//! It guarantees:
//! - every command that was answered is applied again, in the same order, by every later opening, or the opening fails
//!   and says why;
//! - no answer leaves before the command, and all before it, are on disk and applied;
//! - no two openings have the same term; a later one has a higher one, durable before it takes its first command;
//! - after the first failure of the disk nothing is answered but that failure.
//!
//! It survives the loss of power and the end of the process at any moment. It does not remove anything from the log yet:
//! an opening applies all commands that ever were.

mod backup;
mod error;
mod followers;
mod form;
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
pub use transport::{Answers, Service};
