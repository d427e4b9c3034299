//! What the state machine answers.

use serde::{Deserialize, Serialize};
use types::{ChunkExtent, ChunkSize, Generation, InodeId, UnixMillis};

/// Whether something is a file or a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// A file.
    File,
    /// A directory.
    Directory,
}

/// What is known of a file or directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStatus {
    /// Its identity.
    pub inode: InodeId,
    /// Its last path component; empty for the root.
    pub name: String,
    /// Which kind it is.
    pub kind: FileKind,
    /// Of a file: the bytes that are committed, and those of the first chunk behind them that its writer has told of.
    pub len: u64,
    /// Permission bits.
    pub mode: u16,
    /// Owner.
    pub owner: String,
    /// Group.
    pub group: String,
    /// Time of the last change to the contents.
    pub mtime: UnixMillis,
    /// Time of the last read.
    pub atime: UnixMillis,
    /// Replicas of each chunk; 0 for a directory.
    pub replication: u16,
    /// The largest length of its chunks; none for a directory.
    pub chunk_size: Option<ChunkSize>,
    /// Entries of a directory.
    pub children: u64,
    /// Whether somebody writes it.
    pub being_written: bool,
}

/// A file that is open for writing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedFile {
    /// Its identity: what `AddChunk` and `Complete` want.
    pub inode: InodeId,
    /// Replicas of each chunk.
    pub replication: u16,
    /// The largest length of its chunks.
    pub chunk_size: ChunkSize,
    /// Its length before this writer.
    pub len: u64,
}

/// A chunk of a file that is being recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovering {
    /// Which, in the generation in force, with what is known to be acknowledged.
    pub extent: ChunkExtent,
    /// The generation that it is recovered under; none when it is finished, and only those before it are not.
    pub generation: Option<Generation>,
}

/// A file that was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    /// The file as it is now.
    pub status: FileStatus,
}

/// The answer to a command that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Done; nothing to say.
    Done,
    /// `Create`, `Append`.
    Opened(OpenedFile),
    /// `AddChunk`: the new chunk, with length 0.
    ChunkAdded(ChunkExtent),
    /// `BumpGeneration`.
    Generation(Generation),
    /// `Complete`.
    Completed(Completed),
    /// `ExpireLeases`: how many files were closed or dropped.
    Expired(u64),
    /// `Reap`: how many inodes and chunks were freed.
    Reaped(u64),
    /// `Recover`, `LeaveFile`: the chunks that are to be recovered, in order; none when the file is closed, or gone.
    Recovering(Vec<Recovering>),
    /// `AppendChunk`.
    Reopened {
        /// The chunk, in the generation in force, with what is known to be acknowledged.
        extent: ChunkExtent,
        /// The new generation.
        generation: Generation,
    },
    /// `CreateWithChunk`.
    Begun {
        /// The file.
        file: OpenedFile,
        /// Its first chunk, with length 0.
        chunk: ChunkExtent,
    },
}
