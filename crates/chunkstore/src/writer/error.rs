//! Why a replica can not be written on.

use std::io;
use std::path::PathBuf;

use types::{ChunkId, Generation};

use crate::reader::ReadError;

/// Why a replica could not be written on.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The bytes do not follow those that are here. Nothing was written; the replica is as it was.
    #[error(
        "chunk {chunk} has received {received} bytes; {len} bytes at {offset} with {sums} bytes of sums do not follow"
    )]
    Misplaced {
        /// The chunk.
        chunk: ChunkId,
        /// Bytes received so far.
        received: u64,
        /// Where the bytes were to go.
        offset: u64,
        /// How many they are.
        len: u64,
        /// Bytes of sums that came with them.
        sums: u64,
    },
    /// The bytes are not those that were received before at the same place. The replica is as it was.
    #[error("chunk {chunk} has received other bytes already where {len} bytes at {offset} were sent again")]
    Differs {
        /// The chunk.
        chunk: ChunkId,
        /// Where the bytes were to go.
        offset: u64,
        /// How many they are.
        len: u64,
    },
    /// The replica can not be cut to a length that it does not have.
    #[error("chunk {chunk} has received {received} bytes and can not be cut to {asked}")]
    TooShort {
        /// The chunk.
        chunk: ChunkId,
        /// Bytes received so far.
        received: u64,
        /// The length asked for.
        asked: u64,
    },
    /// The new generation is older than the one that is here.
    #[error("chunk {chunk} is at generation {present}, which is newer than {asked}")]
    Older {
        /// The chunk.
        chunk: ChunkId,
        /// The generation that is here.
        present: Generation,
        /// The generation that was asked for.
        asked: Generation,
    },
    /// Another replica of the same chunk, not older than this, was finalized in the meantime.
    #[error("chunk {chunk} was finalized by another writer at generation {present}")]
    Superseded {
        /// The chunk.
        chunk: ChunkId,
        /// The generation that is here.
        present: Generation,
    },
    /// A write or a sync failed. The replica is lost, but for what was synced before.
    #[error("can not write chunk {chunk} in {dir}: {source}")]
    Io {
        /// The chunk.
        chunk: ChunkId,
        /// On which volume.
        dir: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// What was written does not read back as it was written. The replica is lost.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A write or a sync failed before.
    #[error("an earlier write to chunk {0} failed; its replica is lost")]
    Poisoned(ChunkId),
}

impl WriteError {
    /// Whether the replica is as it was, and can be written on.
    #[must_use]
    pub const fn leaves_the_replica(&self) -> bool {
        matches!(
            self,
            Self::Misplaced { .. } | Self::Differs { .. } | Self::TooShort { .. } | Self::Older { .. }
        )
    }
}
