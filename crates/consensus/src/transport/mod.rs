//! What masters say to each other: Raft's messages over gRPC.
//!
//! It guarantees:
//! - a message reaches the master that it names, or is refused: who answers at an address now may be another one than
//!   before;
//! - every call ends: a peer that is cut off, stopped or slow costs a deadline and never hangs its caller. A connection
//!   that says nothing for a while is given up and made anew, so that a network that heals is used at once and not when
//!   TCP tries again;
//! - small messages (heartbeats, votes) have a connection of their own: entries and checkpoints do not delay them into
//!   elections;
//! - what is under way to one peer is bounded in bytes ([`REPLICATE_BYTES_UNDER_WAY`]), messages are bounded in size, and
//!   one checkpoint at a time comes in;
//! - what a peer sends is checked before it is used; nothing it can send is a reason to panic.
//!
//! It does not: authenticate or encrypt, or decide anything. Who is asked what is Raft's business, and that of
//! [`crate::form`].

mod ask;
mod checkpoint;
mod client;
mod convert;
mod link;
mod network;
mod receive;
mod replicate;
mod service;

pub(crate) use ask::{Identity, identify, rejoin};
pub(crate) use network::Network;
pub(crate) use service::service;
pub use service::{Answers, Service};

/// A message between masters at most: one command of the largest size, or a few of the usual ones, and what goes with it.
pub(crate) const MESSAGE_BYTES_MAX: usize = 20 << 20;

/// Bytes of entries that are sent to one peer and not answered yet; at least one request always is.
pub(crate) const REPLICATE_BYTES_UNDER_WAY: usize = 8 << 20;

/// Requests with entries that are sent to one peer and not answered yet.
pub(crate) const REPLICATE_REQUESTS_UNDER_WAY: usize = 32;

const _: () = assert!(
    MESSAGE_BYTES_MAX > (16 << 20) + (1 << 20),
    "the largest command fits into a message"
);
