//! What is to be done, and by whom.

use types::{ChunkExtent, ChunkId, DatanodeId, Generation};

use super::Priority;
use crate::Target;

/// Something that a datanode is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `source` is to send its replica to `target`.
    Copy {
        /// In which version.
        extent: ChunkExtent,
        /// Who has it.
        source: DatanodeId,
        /// Who is to get it.
        target: Target,
        /// Why.
        urgency: Priority,
        /// How fast at most; 0: no limit.
        bytes_per_s: u64,
    },
    /// `node` is to read its replica again from disk, all of it, and to say whether it is good.
    Verify {
        /// Who.
        node: DatanodeId,
        /// Which chunk.
        chunk: ChunkId,
        /// In which version.
        generation: Generation,
    },
    /// `node` is to destroy its replica: to move it into quarantine. To be confirmed by
    /// [`Repair::confirm`](super::Repair::confirm) at the moment when it is sent.
    Delete {
        /// Who.
        node: DatanodeId,
        /// Which chunk.
        chunk: ChunkId,
        /// Only in exactly this version.
        generation: Generation,
        /// Only if it is bad: not if a whole one took its place.
        only_corrupt: bool,
    },
}

impl Order {
    /// The node that the order is for.
    #[must_use]
    pub const fn recipient(&self) -> DatanodeId {
        match self {
            Self::Copy { source, .. } => *source,
            Self::Verify { node, .. } | Self::Delete { node, .. } => *node,
        }
    }

    /// The chunk that it is about.
    #[must_use]
    pub const fn chunk(&self) -> ChunkId {
        match self {
            Self::Copy { extent, .. } => extent.chunk,
            Self::Verify { chunk, .. } | Self::Delete { chunk, .. } => *chunk,
        }
    }
}
