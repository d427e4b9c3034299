//! The DistriFS client SDK: files and directories of a cluster, from any async program.
//!
//! ```no_run
//! use client::{Config, CreateOptions, Error, FileSystem};
//! use env::Env;
//! use types::FsPath;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let fs = FileSystem::connect(Env::real(), Config::new(vec!["localhost:9800".into()], "ann"))?;
//! let path: FsPath = "/home/ann/hello".parse()?;
//!
//! let mut file = fs.create(&path, CreateOptions { parents: true, ..Default::default() }).await?;
//! file.write(b"hello, world\n").await?;
//! file.close().await?; // on disk on enough datanodes, and visible
//!
//! let mut bytes = fs.open(&path).await?.stream_all();
//! while let Some(part) = bytes.next().await {
//!     print!("{}", String::from_utf8_lossy(&part?));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//! - What [`FileWriter::close`] acknowledged is on disk on at least `min_replicas` datanodes. A datanode that dies, hangs or
//!   refuses on the way is dropped, and replaced where too few are left; bytes that were acknowledged are not sent again.
//! - No byte reaches the program that was not checked against its CRC32C end to end. A replica that dies, stalls or is
//!   corrupt is left for the next one, at the same byte.
//! - Every wait has a limit ([`Timeouts`]); every failure is an [`Error`] that says what happened, to what, why, and what
//!   to do next.
//! - A change that is tried again keeps its call id: it is made once, also when a master fails over in between.
//! - The leader is found and followed without anybody's help: a master that is gone or does not lead is left at once, a
//!   silent one as soon as another one leads.
//!
//! # Memory
//! Packets that are being written, kept for sending again, or read ahead take at most [`Config::memory_budget`] bytes, for
//! all files of a [`FileSystem`] together, plus one packet ([`Config::packet_bytes`]) for each writer and two (of up to
//! 1 MiB) for each [`ByteStream`]: those that everyone may have even when the budget is used up, so that nobody waits for
//! ever. Buffers that rest between uses take at most half of the budget more. [`FileReader::read_at`] uses one packet a
//! call, beside the budget.
//!
//! # What it does not do
//! Hedged reads (a replica is given up when it stalls, not when it is slow), and writing in the middle of a file.

mod admin;
mod batch;
mod config;
mod dataplane;
mod error;
mod fs;
mod gather;
mod lease;
mod list;
mod many;
mod masters;
mod memory;
mod neighbours;
mod operations;
mod origin;
mod read;
mod rpc;
mod search;
mod small;
mod status;
mod together;
mod write;

pub use admin::{Admin, Backup, CheckpointInfo, MasterGroup, MasterRole, MasterStatus, SafeMode};
pub use batch::{BatchAnswer, BatchOperation};
pub use config::{Config, Timeouts};
pub use error::{Attempt, Denial, Error, ErrorKind, Refusal};
pub use fs::{CreateOptions, FileSystem, Publish};
pub use list::ListPages;
pub use operations::{
    Activity, ChunkHealth, ChunkVerdict, ClassCounts, Condition, ConditionCounts, DataClass, Draining,
    Explanation, FileHealth, FileVerdict, Fsck, FsckPart, FsckShow, Health, HealthLevel, Imbalance, Job,
    JobLimit, JobState, NodeDetail, NodeLiveness, Operations, Problem, RebalanceAction, RebalanceReport,
    Repairing, ReplicaHealth, ReplicaVerdict, Setting, Standing, Subject, Sum, Verified, VolumeDetail,
};
pub use origin::Origin;
pub use read::{ByteStream, FileChecksum, FileReader, Location};
pub use status::{ClusterSpace, ContentSummary, DatanodeStatus, FileKind, FileStatus, ServerInfo};
pub use transfer::Node;
pub use write::FileWriter;
