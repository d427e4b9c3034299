//! The data plane: connections, and the requests on them.
//!
//! ```text
//! accept ── a thread a connection ── requests, one after the other
//!                                     ├ write     setup: replica (create | recover), mirror; then packets in, acks out
//!                                     ├ read      packets out
//!                                     ├ local     a replica's files, to a program on this host
//!                                     ├ small     many small chunks at once, in or out: one packet, one answer
//!                                     ├ checksum
//!                                     └ transfer  a replica to another datanode; `newcomer` is the other end of that,
//!                                                 and of `copy`, which a master orders
//! ```

mod accept;
mod ack;
mod checksum;
mod copy;
mod deadline;
mod idle;
mod local;
mod mirror;
mod newcomer;
mod peers;
mod read;
mod receive;
mod recover;
mod request;
mod small;
mod transfer;
mod write;

pub(crate) use accept::accept;
pub(crate) use copy::{Pace, copy_replica};
pub(crate) use idle::Idle;
pub(crate) use local::listen as listen_local;
pub(crate) use mirror::Connection;
pub(crate) use peers::Peers;
