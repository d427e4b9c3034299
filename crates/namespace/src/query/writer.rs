//! A file, as its writer needs it.

use types::{Caller, ClientId, FsPath, InodeId};

use crate::permission::{self, Access};
use crate::table::Inode;
use crate::{Namespace, NamespaceError, WriterFile, resolve};

impl Namespace {
    /// A file that `client` writes.
    ///
    /// # Errors
    /// `NotWriter` when it does not, or does no longer.
    pub fn writer_file(&self, inode: InodeId, client: ClientId) -> Result<WriterFile, NamespaceError> {
        let tree = &self.files.tree;
        let file = tree.find(inode).and_then(Inode::file);
        let (file, writer) = file
            .and_then(|file| Some((file, file.writer?)))
            .filter(|(_, writer)| writer.client == client && tree.is_there(inode))
            .ok_or(NamespaceError::NotWriter { inode, client })?;
        let uncommitted = file.uncommitted_chunks().iter();
        Ok(WriterFile {
            path: tree.path(inode),
            published: writer.unpublished.is_none(),
            replication: file.replication,
            chunk_size: file.chunk_size,
            len: file.len,
            uncommitted: uncommitted.filter_map(|&id| self.chunk(id)).collect(),
        })
    }
}

impl Namespace {
    /// The file at `path`, which the caller may write.
    ///
    /// # Errors
    /// When it may not, or it is not a file.
    pub fn check_write(&self, caller: &Caller, path: &FsPath) -> Result<InodeId, NamespaceError> {
        let id = resolve::existing(&self.files.tree, caller, path)?.found;
        let inode = self.files.tree.inode(id);
        permission::require(caller, &inode, &[Access::Write], || path.clone())?;
        match inode.file() {
            Some(_) => Ok(id),
            None => Err(NamespaceError::IsDirectory(path.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::NamespaceError;
    use crate::testing::{Fs, client_of, filled, path, unpublished};

    #[test]
    fn the_writer_sees_what_it_has_open() {
        let mut fs = Fs::new();
        let inode = fs.by("ann").create("/tmp/f", unpublished()).unwrap().inode;
        let first = fs.by("ann").add_chunk(inode, &[]).unwrap();
        let second = fs.by("ann").add_chunk(inode, &[filled(first, 10)]).unwrap();
        let file = fs.ns.writer_file(inode, client_of("ann")).unwrap();
        assert_eq!((file.path, file.published), (Some(path("/tmp/f")), false));
        assert_eq!((file.len, file.replication), (10, 3));
        let open: Vec<_> = file.uncommitted.iter().map(|info| info.chunk).collect();
        assert_eq!(open, [second.chunk]);
        assert_eq!(file.uncommitted[0].owner, inode);

        let client = client_of("bob");
        let refusal = NamespaceError::NotWriter { inode, client };
        assert_eq!(fs.ns.writer_file(inode, client), Err(refusal));
        fs.by("ann").rename("/tmp", "/x").unwrap_err();
        fs.by("root").rename("/tmp", "/x").unwrap();
        let file = fs.ns.writer_file(inode, client_of("ann")).unwrap();
        assert_eq!(file.path, Some(path("/x/f")));
    }
}
