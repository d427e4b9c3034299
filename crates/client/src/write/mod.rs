//! Writing files.
//!
//! ```text
//! FileWriter        bytes ▶ packets (summed once) ▶ chunks          the program's task
//!   └ ChunkWriter   packets ▶ pipeline ▶ acknowledgements           a task for each chunk, at most three at a time
//!       ├ Window    what is kept until it is acknowledged           pure
//!       ├ Pipeline  one connection to the first datanode
//!       └ repair    survivors, newcomers, a new generation
//! ```

mod chunk;
mod file;
mod packet;
mod pipeline;
mod repair;
mod target;
mod window;

pub use file::FileWriter;
pub(crate) use packet::Buffers;
