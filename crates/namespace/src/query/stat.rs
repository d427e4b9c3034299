//! What is known of a file or directory, and of everything together.

use types::{Caller, ClusterId, FsPath};

use crate::table::{Body, ChunkState, Chunks, File, Inode};
use crate::{FileKind, FileStatus, Lease, Namespace, NamespaceError, Totals, resolve};

impl Namespace {
    /// The cluster's identity; none before `Format`.
    #[must_use]
    pub const fn cluster(&self) -> Option<ClusterId> {
        self.cluster
    }

    /// What is known of a file or directory. Needs search permission on the directories above it.
    ///
    /// # Errors
    /// When there is none, or the caller may not look there.
    pub fn stat(&self, caller: &Caller, path: &FsPath) -> Result<FileStatus, NamespaceError> {
        let id = resolve::existing(&self.files.tree, caller, path)?.found;
        Ok(status(
            path.name().unwrap_or_default(),
            &self.files.tree.inode(id),
            &self.files.chunks,
        ))
    }

    /// How much there is of everything, in O(1). What was removed is not counted, though it may not be freed yet: see
    /// [`Namespace::graveyard`].
    #[must_use]
    pub fn totals(&self) -> Totals {
        let tree = &self.files.tree;
        Totals {
            files: tree.files(),
            directories: tree.directories(),
            chunks: self.files.chunks.count().saturating_sub(tree.graveyard().chunks),
        }
    }

    /// Whether the operator has switched the safe mode on.
    #[must_use]
    pub const fn safe_mode(&self) -> bool {
        self.safe_mode
    }

    /// The leases of those that write, by client. Files that were removed with a directory above them are not in it.
    pub fn leases(&self) -> impl Iterator<Item = Lease> + '_ {
        self.files.leases.iter().filter_map(|mut lease| {
            lease.files.retain(|file| self.files.tree.is_there(*file));
            (!lease.files.is_empty()).then_some(lease)
        })
    }
}

/// The bytes of the first chunk that is being written which are known to be acknowledged.
pub(crate) fn acknowledged(file: &File<'_>, chunks: &Chunks) -> u64 {
    let first = file.uncommitted_chunks().first();
    match first.and_then(|id| chunks.find(*id)).map(|chunk| chunk.state) {
        Some(ChunkState::BeingWritten { acknowledged, .. }) => acknowledged,
        Some(ChunkState::Committed { .. }) | None => 0,
    }
}

/// An inode as callers see it, under its name.
pub(crate) fn status(name: &str, inode: &Inode<'_>, chunks: &Chunks) -> FileStatus {
    let (kind, len, replication, chunk_size, being_written) = match &inode.body {
        Body::Directory { .. } => (FileKind::Directory, 0, 0, None, false),
        Body::File(file) => (
            FileKind::File,
            file.len + acknowledged(file, chunks),
            file.replication,
            Some(file.chunk_size),
            file.writer.is_some(),
        ),
    };
    FileStatus {
        inode: inode.id,
        name: name.to_owned(),
        kind,
        len,
        mode: inode.attributes.mode,
        owner: (*inode.attributes.owner).to_owned(),
        group: (*inode.attributes.group).to_owned(),
        mtime: inode.mtime,
        atime: inode.atime,
        replication,
        chunk_size,
        children: inode.children(),
        being_written,
    }
}
