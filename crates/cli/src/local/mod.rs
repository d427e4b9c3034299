//! The local file system: what is put from there, and got to there.
//!
//! Reading and writing block, so each file has a thread of the runtime's pool while it is in flight, with a few blocks in
//! a bounded queue between that thread and the network: disk and network overlap, and memory stays bounded.

mod read;
mod write;

pub(crate) use read::{Opened, ReadAhead};
pub(crate) use write::{Keep, Sink, check_free, check_nothing, save};
