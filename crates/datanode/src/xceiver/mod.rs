//! The data plane: connections, and the requests on them.
//!
//! ```text
//! accept ── a thread a connection ── requests, one after the other
//!                                     ├ write     setup: replica (create | recover), mirror; then packets in, acks out
//!                                     ├ read      packets out
//!                                     ├ checksum
//!                                     └ transfer  a replica to another datanode; and the other end of that
//! ```

mod accept;
mod ack;
mod checksum;
mod deadline;
mod idle;
mod mirror;
mod read;
mod receive;
mod recover;
mod request;
mod transfer;
mod write;

pub(crate) use accept::accept;
pub(crate) use idle::Idle;
