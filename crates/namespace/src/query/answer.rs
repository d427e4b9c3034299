//! What the queries answer.

use types::{ChunkExtent, ChunkId, ChunkSize, FsPath, Generation, InodeId};

use crate::FileStatus;

/// A part of a directory, in the order of the names' bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<FileStatus>,
    /// Whether there are entries behind these: ask again with the last name.
    pub more: bool,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The file.
    pub status: FileStatus,
    /// Its committed chunks, in order; the last one as long as it is to be, when it is being cut.
    pub chunks: Vec<ChunkExtent>,
    /// The chunks behind these, in order: the first one is being written.
    pub open: Vec<ChunkInfo>,
    /// The largest length of its chunks.
    pub chunk_size: ChunkSize,
}

/// What is in a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContentSummary {
    /// Files.
    pub files: u64,
    /// Directories, with the one that was asked about.
    pub directories: u64,
    /// Bytes of all files, as `stat` tells them.
    pub len: u64,
    /// These times the replication of each file.
    pub space: u64,
}

/// How much there is of everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files that have a name.
    pub files: u64,
    /// Directories, with the root.
    pub directories: u64,
    /// Chunks, with those that are being written.
    pub chunks: u64,
}

/// A file, as its writer needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterFile {
    /// Where it is, or will be when it is complete; none when its directory is gone.
    pub path: Option<FsPath>,
    /// Whether it has its name already.
    pub published: bool,
    /// Replicas of each chunk.
    pub replication: u16,
    /// The largest length of its chunks.
    pub chunk_size: ChunkSize,
    /// Committed bytes, up to the first chunk that is being written.
    pub len: u64,
    /// The chunks from the first one on that is being written: few, see
    /// [`FILE_UNCOMMITTED_CHUNKS_MAX`](types::limits::FILE_UNCOMMITTED_CHUNKS_MAX). All chunks:
    /// [`Namespace::file_chunks`](crate::Namespace::file_chunks).
    pub uncommitted: Vec<ChunkInfo>,
}

/// What is known of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkInfo {
    /// Which chunk.
    pub chunk: ChunkId,
    /// Its generation: replicas of a lower one are stale.
    pub generation: Generation,
    /// Its committed length; none while it is being written.
    pub len: Option<u64>,
    /// While it is being written: bytes that are known to be acknowledged. It will not be committed with fewer.
    pub acknowledged: u64,
    /// The file that holds it.
    pub owner: InodeId,
    /// How many replicas it is to have.
    pub replication: u16,
    /// The highest generation given out for it that is not in force yet. Replicas of any generation up to this one may
    /// turn out to be good.
    pub pending_generation: Option<Generation>,
}
