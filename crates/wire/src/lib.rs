//! Connections of the data plane: the transfer codec over the network seam.
//!
//! ```text
//!               ┌ Reader: one buffer, grown as bytes arrive ┐
//! TcpStream ────┤                                           ├──── packets leave with their buffer, which comes back
//!               └ Writer: prefix + sums + data, vectored    ┘     with the next call: nothing is copied or allocated
//! ```
//!
//! # Guarantees
//! - A reader holds at most what has been received of one message or packet, twice over, and never more than the caps of
//!   `transfer` plus 64 KiB; a length that is announced allocates nothing before its bytes are there.
//! - Reading is cancel-safe: a call that is dropped (a timeout) loses nothing, the next goes on where it was.
//! - Writing is not: a call that is dropped may leave half a message, and the connection is of no more use.
//!
//! # What it does not do
//! Time limits: the callers know how long they can wait. Verifying checksums: that is for who uses the data
//! (`transfer::checksum`).

mod buffer;
mod error;
mod packet;
mod reader;
mod writer;

use env::net::TcpStream;

pub use error::Error;
pub use packet::Packet;
pub use reader::Reader;
pub use writer::Writer;

/// The two directions of a connection as one again, with nothing under way; none when something was received that nobody
/// has read, or they are not of the same connection.
#[must_use]
pub fn rejoin(reader: Reader, writer: Writer) -> Option<TcpStream> {
    reader.into_source()?.reunite(writer.into_sink())
}

/// The two directions of a connection.
#[must_use]
pub fn split(stream: TcpStream) -> (Reader, Writer) {
    let (read, write) = stream.into_split();
    (Reader::new(read), Writer::new(write))
}
