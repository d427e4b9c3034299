//! What a file or directory is, as handlers and queries see it.
//!
//! These are views: plain copies of a packed record, with references into the tables for what is kept once. Names are not
//! among it: whoever comes along a path knows the name, and the tables keep a name by inode only for directories and for
//! files that are being written.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use types::{ChunkId, ChunkSize, ClientId, FsPath, InodeId, UnixMillis};

use crate::table::Attributes;

/// The mode bits that are kept: permissions and the sticky bit.
pub(crate) const MODE_MASK: u16 = 0o1777;

/// Entries of a directory with this bit are removed only by their owner, or the directory's.
pub(crate) const STICKY: u16 = 0o1000;

/// A file or directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inode<'t> {
    pub(crate) id: InodeId,
    pub(crate) attributes: &'t Attributes,
    pub(crate) mtime: UnixMillis,
    pub(crate) atime: UnixMillis,
    pub(crate) body: Body<'t>,
}

/// What is different between files and directories.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'t> {
    Directory { children: u64 },
    File(File<'t>),
}

/// The contents of a file: its committed chunks, which are what readers see. Those behind them are its writer's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct File<'t> {
    /// Committed bytes.
    pub(crate) len: u64,
    pub(crate) replication: u16,
    pub(crate) chunk_size: ChunkSize,
    pub(crate) writer: Option<&'t Writer>,
}

impl<'t> Inode<'t> {
    pub(crate) const fn is_directory(&self) -> bool {
        matches!(self.body, Body::Directory { .. })
    }

    pub(crate) const fn file(self) -> Option<File<'t>> {
        match self.body {
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

impl<'t> File<'t> {
    /// The chunks from the first one on that is being written.
    pub(crate) fn uncommitted_chunks(&self) -> &'t [ChunkId] {
        self.writer.map_or(&[], |writer| &writer.tail)
    }
}

/// Who writes a file, and what is known of a file only as long as somebody writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Writer {
    pub(crate) client: ClientId,
    pub(crate) user: Arc<str>,
    /// The file's name; of an unpublished one, the name that it will have.
    pub(crate) name: Arc<str>,
    /// Of a file that has no name yet.
    pub(crate) unpublished: Option<Unpublished>,
    /// The chunks from the first one on that is being written.
    pub(crate) tail: Vec<ChunkId>,
    /// Whether there are committed chunks without a byte, which go when the file is closed.
    pub(crate) has_empty: bool,
}

/// How a file gets its name when it is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unpublished {
    /// As the client said it, for messages.
    pub(crate) path: FsPath,
    /// The directory that was there then, wherever it is by now: the name goes into it.
    pub(crate) parent: InodeId,
    pub(crate) overwrite: bool,
}
