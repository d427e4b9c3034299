//! What this datanode has to do with its masters.
//!
//! A [`Session`] a master: it asks which cluster this is, registers, and then runs two loops beside each other: heartbeats,
//! whose answers bring commands, and reports. The reports of a master go out through one loop, one after the other, so that
//! they arrive in the order in which things happened. Whatever fails ends the session, and the next begins with a full
//! report.

mod convert;
mod heartbeat;
mod listing;
mod members;
mod obey;
mod report;
mod session;
mod sessions;
mod unfinished;

pub(crate) use members::Members;
pub use members::{Admin, Member};
use session::Session;
pub(crate) use sessions::Sessions;
