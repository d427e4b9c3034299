//! The DistriFS client SDK.

mod config;
mod dataplane;
mod error;
mod fs;
mod lease;
mod list;
mod masters;
mod memory;
mod read;
mod rpc;
mod status;
mod write;

pub use config::{Config, Timeouts};
pub use error::{Attempt, Denial, Error, ErrorKind, Refusal};
pub use fs::{CreateOptions, FileSystem, Publish};
pub use list::ListPages;
pub use read::{ByteStream, FileChecksum, FileReader};
pub use status::{ClusterSpace, ContentSummary, DatanodeStatus, FileKind, FileStatus, ServerInfo};
pub use write::FileWriter;
