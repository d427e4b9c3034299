//! Writing files.
//!
//! ```text
//! FileWriter        bytes ▶ packets (summed once) ▶ chunks          the program's task
//!   ├ small         a file that is one small chunk: with those of others, in one message
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
pub(crate) mod small;
mod target;
mod window;

pub use file::FileWriter;
pub(crate) use packet::Buffers;
pub(crate) use target::wire_ids;
