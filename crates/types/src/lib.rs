//! The vocabulary of DistriFS: identities, paths, extents, units and limits.
//!
//! Everything here is a plain value: nothing does I/O, reads a clock or draws a random number. Values are checked when
//! they are made (`parse`, `new`), so that inside the system a [`FsPath`] is a valid path and a [`ChunkSize`] a valid
//! chunk size.

mod admin;
mod caller;
mod extent;
pub mod fingerprint;
mod id;
mod job;
pub mod limits;
mod path;
mod time;
mod trace;
mod units;

pub use admin::AdminState;
pub use caller::{CallId, Caller, ClientId, RequestId};
pub use extent::{ChunkExtent, ChunkSize, ChunkSlice, InvalidChunkSize, Layout};
pub use id::{
    ChunkId, ChunkIdError, ClusterId, DatanodeId, Generation, InodeId, InvalidId, MasterId, PoolId,
    StorageId, Term,
};
pub use job::{JobError, JobLimit, JobState, JobStatus};
pub use path::{FsPath, Name, PathError, normalize};
pub use time::UnixMillis;
pub use trace::TraceId;
pub use units::{
    ByteSize, InvalidByteSize, InvalidDuration, about_duration, format_duration, millis, parse_duration, word,
};
