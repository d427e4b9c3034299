//! A file, as its writer needs it.

use types::{ClientId, InodeId};

use crate::table::Inode;
use crate::{Namespace, NamespaceError, WriterFile};

impl Namespace {
    /// A file that `client` writes.
    ///
    /// # Errors
    /// `NotWriter` when it does not, or does no longer.
    pub fn writer_file(&self, inode: InodeId, client: ClientId) -> Result<WriterFile, NamespaceError> {
        let tree = &self.files.tree;
        let file = tree.find(inode).and_then(Inode::file);
        let (file, writer) = file
            .and_then(|file| Some((file, file.writer.as_ref()?)))
            .filter(|(_, writer)| writer.client == client)
            .ok_or(NamespaceError::NotWriter { inode, client })?;
        Ok(WriterFile {
            path: tree.path(inode),
            published: writer.unpublished.is_none(),
            replication: file.replication,
            chunk_size: file.chunk_size,
            len: file.len,
            uncommitted: self.chunk_infos(file.uncommitted_chunks()),
        })
    }
}
