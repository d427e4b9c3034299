//! What a file or directory is, apart from its name's place in the index.

use std::sync::Arc;

use types::{ChunkId, ChunkSize, ClientId, FsPath, InodeId, UnixMillis};

/// The mode bits that are kept: permissions and the sticky bit.
pub(crate) const MODE_MASK: u16 = 0o1777;

/// Entries of a directory with this bit are removed only by their owner, or the directory's.
pub(crate) const STICKY: u16 = 0o1000;

/// A file or directory.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Inode {
    pub(crate) place: Place,
    pub(crate) attributes: Attributes,
    pub(crate) mtime: UnixMillis,
    pub(crate) atime: UnixMillis,
    pub(crate) body: Body,
}

impl Inode {
    pub(crate) const fn is_directory(&self) -> bool {
        matches!(self.body, Body::Directory { .. })
    }

    pub(crate) const fn file(&self) -> Option<&File> {
        match &self.body {
            Body::File(file) => Some(file),
            Body::Directory { .. } => None,
        }
    }

    /// The number of entries; 0 for a file.
    pub(crate) const fn children(&self) -> u64 {
        match self.body {
            Body::Directory { children } => children,
            Body::File(_) => 0,
        }
    }
}

/// Where an inode is named; an unpublished file: where it will be. The root is in itself, with an empty name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Place {
    pub(crate) parent: InodeId,
    pub(crate) name: Arc<str>,
}

/// Whose it is, and who may do what.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Attributes {
    /// Bits of [`MODE_MASK`].
    pub(crate) mode: u16,
    pub(crate) owner: Arc<str>,
    pub(crate) group: Arc<str>,
}

/// What is different between files and directories.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Body {
    Directory { children: u64 },
    File(File),
}

/// The contents of a file.
///
/// # Invariants
/// - The first `committed` chunks are committed, and `len` is the sum of their lengths: this is what readers see.
/// - `chunks` goes on behind them only while the file has a writer, and then with a chunk that is being written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct File {
    pub(crate) replication: u16,
    pub(crate) chunk_size: ChunkSize,
    pub(crate) chunks: Vec<ChunkId>,
    pub(crate) committed: usize,
    pub(crate) len: u64,
    pub(crate) writer: Option<Box<Writer>>,
}

impl File {
    pub(crate) fn committed_chunks(&self) -> &[ChunkId] {
        self.chunks.get(..self.committed).unwrap_or_default()
    }

    /// The chunks from the first one on that is being written.
    pub(crate) fn uncommitted_chunks(&self) -> &[ChunkId] {
        self.chunks.get(self.committed..).unwrap_or_default()
    }
}

/// Who writes a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Writer {
    pub(crate) client: ClientId,
    pub(crate) user: Arc<str>,
    /// Of a file that has no name yet.
    pub(crate) unpublished: Option<Unpublished>,
}

/// How a file gets its name when it is complete.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Unpublished {
    /// As the client said it, for messages. The name goes into the directory that was there then, wherever it is by now.
    pub(crate) path: FsPath,
    pub(crate) overwrite: bool,
}
