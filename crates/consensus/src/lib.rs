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

mod error;
mod group;
mod machine;
mod node;
mod raft;
mod recovery;
mod runtime;
mod status;
mod store;
mod writer;

pub use error::{Failure, NotLeader, OpenError, ProposeError};
pub use group::{Group, Settings};
pub use machine::{Image, LogCommand, RestoreError, StateMachine};
pub use status::{Member, Role, Status};
