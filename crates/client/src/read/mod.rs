//! Reading files.
//!
//! ```text
//! FileReader        read_at: straight into the caller's buffer
//!   ├ ByteStream    a task for each chunk, at most two, reads ahead within the budget
//!   ├ ChunkReader   whichever replica serves; the next one goes on at the same byte
//!   │  ├ LocalReplica the files of a replica on this host; checks every byte
//!   │  └ BlockReader  one request on one connection; checks every packet
//!   ├ small         a file that is one small chunk: with others, in one request
//!   └ Target        where the chunks are, and asking again
//!      └ open       how much of the last ones is visible, while they are written
//! ```

mod block;
mod buffer;
mod checksum;
mod chunk;
mod file;
mod local;
pub(crate) mod locations;
mod open;
pub(crate) mod small;
mod stream;
mod target;

pub(crate) use buffer::ReadBuffer;
pub use checksum::FileChecksum;
pub use file::FileReader;
pub(crate) use local::LocalReplica;
pub use locations::Location;
pub use stream::ByteStream;

/// Data bytes in one packet that a datanode sends to this client.
pub(crate) const READ_PACKET_BYTES: u64 = 1 << 20;
