//! The bare limits: what the machine does for the least program that keeps the same promise.
//!
//! - **Write**: a chain of processes over loopback. Each receives into a buffer, passes it on and writes it to a file; at
//!   the end of a 64 MiB piece it syncs the file and its directory, while the next piece comes in already, waits for the
//!   acknowledgement from below and sends its own. No checksums, no metadata, no names.
//! - **Read**: one process sends a file out of the page cache through one TCP stream; another receives and forgets.
//! - **Call**: the gRPC library answers a call with next to nothing in it.

mod call;
mod chain;
mod peer;
mod stream;

pub(crate) use call::{Calls, call, calls};
pub(crate) use chain::{Chain, writer};
pub(crate) use stream::{Source, source};

/// What the reader's pair moves at once.
const READ_BUFFER_BYTES: usize = 1 << 20;
/// What becomes one file, synced and acknowledged: DistriFS's default chunk size.
const PIECE_BYTES: usize = 64 << 20;
