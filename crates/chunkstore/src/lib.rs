//! Chunk files, sidecars and volumes: where a datanode keeps its replicas.
//!
//! All calls block. A [`ChunkStore`] spans one or several volumes (directories); on each
//!
//! ```text
//! <dir>/chunks/<2 hex>/chunk-<uuid>        the bytes of a finalized replica
//! <dir>/chunks/<2 hex>/chunk-<uuid>.meta   its sidecar: a header and one CRC32C for each 512 bytes
//! <dir>/packs/pack-<8 hex>                 small finalized replicas, sidecar and bytes of each, many to a file
//! <dir>/quarantine/                        replicas that were deleted, for a while
//! <dir>/corrupt/                           a mark for each replica that was found corrupt
//! <dir>/scrub                              how far the scrubbing of the volume has come
//! <dir>/tmp/                               replicas that are being written; emptied at start, but for what was synced
//! ```
//!
//! The UUID is made from the block pool and the chunk id, so that another cluster's chunk is recognised at sight; the two
//! hex digits are the lowest eight bits of the chunk id, which spread evenly.
//!
//! # Guarantees
//! - A replica that is being written is given back after a restart, or when its volume comes back, as it was when it was last
//!   synced ([`ChunkStore::adopt`]).
//! - A replica is *finalized* once [`Writer::finalize`] or [`ChunkStore::put_small`] has returned: data and sums are synced where
//!   they stay, in files under their final names or in a pack. A crash before that leaves nothing of it in the index; a crash after it, all of it.
//! - [`Reader::read_verified`] gives bytes that match their stored checksums, or an error. A flipped bit anywhere in the
//!   data, the sums or the header is found when it is read.
//! - A write or a sync that failed poisons its replica: nothing is tried again on it, and it never becomes finalized.
//! - What is deleted can be restored for a while ([`ChunkStore::restore`]), unless the space is needed.
//! - One volume that fails takes its own replicas out of the index, and nothing else ([`ChunkStore::take_volume_changes`]).
//! - The fingerprint of a storage is that of its finalized replicas, at any moment ([`ChunkStore::fingerprint`]).
//! - Files that are not understood (another pool's chunk, an unknown name, a broken header) are reported and left alone.
//!
//! # Bounds
//! Memory: the index has one entry a replica; a [`Writer`] holds at most 64 KiB of sums and those of one write besides,
//! whatever the length of the chunk; a [`Reader`] holds nothing.
//!
//! # What it does not do
//! It does not compare the content of replicas with other nodes, and does not choose what to delete.

mod adopt;
mod generation;
mod index;
mod list;
mod marks;
mod moves;
mod names;
mod pack;
mod quarantine;
mod reader;
mod reopen;
mod scan;
mod scrub;
mod sidecar;
mod small;
mod store;
mod sums;
mod units;
mod verify;
mod volume;
mod volumes;
mod writer;

pub use generation::BumpError;
pub use index::{Replica, ReplicaState};
pub use list::Listing;
pub use moves::{Move, MoveError};
pub use quarantine::{DeleteError, RestoreError, Victim};
pub use reader::{Corruption, Descriptors, ReadError, Reader};
pub use reopen::ReopenError;
pub use scan::{Finding, Problem, ScanReport};
pub use scrub::ScrubRound;
pub use small::{PutError, SmallReplica};
pub use store::{ChunkStore, CreateError, OpenError, OpenReplicaError, Options};
pub use verify::Verdict;
pub use volume::{Reserve, VolumeDir, VolumeStatus};
pub use volumes::{AttachError, VolumeChange};
pub use writer::{Growing, GrowingError, WriteError, Writer};
