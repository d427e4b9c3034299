//! The datanode: chunk storage and the data plane.
//!
//! ```text
//!            ┌ membership: one session a master ── register, heartbeat, report, obey ──▶ masters
//! Datanode ──┼ orders: what a leader wants and takes time ── copy, verify, restore ──▶ other datanodes
//!            └ xceiver: one thread a stream ── write, read, hand over files, checksum, transfer ◀──▶ clients, other datanodes
//!                  │   http: health, metrics, what is mounted
//!              Replicas ── ChunkStore (finalized), Writing (being written), Changes (to be reported)
//! ```
//!
//! # Guarantees
//! - The acknowledgement of a chunk's last packet leaves when the replica is on disk under its final name here and on
//!   every datanode behind in the pipeline.
//! - A replica has one writer at a time: a recovery stops the stream before it, and waits for it, before it touches the
//!   replica.
//! - Every byte that is sent was checked against its stored checksum by this process, and every byte that is stored
//!   against the one that came with it. What does not match is reported to the masters, not passed on.
//! - Commands of a master whose term is older than one that was seen are refused, also after a restart; those of a master
//!   that does not lead are ignored.
//! - One of several disks that fails is left, and its replicas are reported as gone, while the others go on; it comes back when
//!   it works again. Directories are added and removed while the datanode runs ([`Datanode::set_dirs`]).
//! - Every replica is read again from the disk within [`Config::scrub_period`]; what is corrupt or missing is reported.
//! - It reconnects to its masters for as long as it runs, and learns of others from them. One that is dead or hangs holds up
//!   nobody.
//!
//! # Bounds
//! Streams: `Config::max_streams`, each with a thread. Memory of a stream: two packets (the one in hand, and the buffer
//! that the next arrives in; a packet is at most 16 MiB, our client's 1 MiB), a queue of 256 small entries for packets that
//! wait for an acknowledgement, and 64 KiB of checksums. Who sends faster than the disk or the next datanode takes is held
//! up by TCP. Every wait for another process has a time limit.

mod changes;
mod config;
mod error;
mod fence;
mod http;
mod identity;
mod jobs;
mod membership;
mod node;
mod orders;
mod recovery;
mod refusal;
mod replicas;
mod scrub;
mod telemetry;
mod upkeep;
mod volumes;
mod writing;
mod xceiver;

pub use chunkstore::Reserve;
pub use config::{Config, LocalSocket, Timeouts};
pub use error::{Failure, StartError};
pub use membership::{Admin, Member};
pub use node::Datanode;
pub use volumes::DirsChange;
