//! A file, as its writer needs it.

use types::{Caller, ClientId, FsPath, InodeId, UnixMillis};

use crate::permission::{self, Access};
use crate::table::Inode;
use crate::{Namespace, NamespaceError, WriterFile, is_leaders, resolve};

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
    /// Who writes a file, and when that client was heard of last. None where nobody does, also where a directory above the file
    /// was removed.
    #[must_use]
    pub fn writer_of(&self, inode: InodeId) -> Option<(ClientId, UnixMillis)> {
        let tree = &self.files.tree;
        let client = tree.find(inode)?.file()?.writer?.client;
        let renewed = self.files.leases.renewed(client)?;
        tree.is_there(inode).then_some((client, renewed))
    }

    /// The files that `client` writes.
    pub fn written_by(&self, client: ClientId) -> impl Iterator<Item = InodeId> + '_ {
        let tree = &self.files.tree;
        self.files.leases.of(client).filter(|file| tree.is_there(*file))
    }

    /// The files whose writers were not heard of since `before`, without those that are the leader's to close.
    pub fn left_alone_since(&self, before: UnixMillis) -> impl Iterator<Item = InodeId> + '_ {
        let tree = &self.files.tree;
        let expired = self.files.leases.expired(before, |holder| !is_leaders(holder));
        expired.filter(|file| tree.is_there(*file))
    }

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
    use types::UnixMillis;

    use crate::testing::{Fs, client_of, filled, options, path, unpublished};
    use crate::{Command, NamespaceError, RECOVERY};

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

    #[test]
    fn who_writes_is_known_of_each_file_and_what_is_written_of_each_client() {
        let mut fs = Fs::new();
        fs.by("root").mkdir_mode("/d", 0o777).unwrap();
        let above = fs.by("ann").create("/d/f", options()).unwrap().inode;
        let kept = fs.by("ann").create("/tmp/f", options()).unwrap().inode;
        let (ann, since) = (client_of("ann"), UnixMillis(fs.at));
        let other = fs.by("bob").create("/tmp/g", options()).unwrap().inode;
        let closed = fs.by("bob").put("/tmp/h", &[1]);

        assert_eq!(fs.ns.writer_of(kept), Some((ann, since)));
        assert_eq!(fs.ns.writer_of(closed), None);
        let written = |fs: &Fs, client| fs.ns.written_by(client).collect::<Vec<_>>();
        assert_eq!(written(&fs, ann), [above, kept]);
        assert_eq!(written(&fs, client_of("bob")), [other]);
        assert_eq!(written(&fs, client_of("eve")), []);
        let alone = |fs: &Fs, before| fs.ns.left_alone_since(UnixMillis(before)).collect::<Vec<_>>();
        assert_eq!(alone(&fs, since.0), []);
        assert_eq!(alone(&fs, since.0 + 1), [above, kept]);

        fs.by("root").delete_recursive("/d").unwrap();
        assert_eq!(fs.ns.writer_of(above), None);
        assert_eq!(written(&fs, ann), [kept]);
        assert_eq!(alone(&fs, since.0 + 1), [kept]);
    }

    #[test]
    fn what_is_the_leaders_to_close_is_not_left_alone() {
        let mut fs = Fs::new();
        let inode = fs.by("ann").create("/tmp/f", options()).unwrap().inode;
        fs.by("ann").add_chunk(inode, &[]).unwrap();
        let before = UnixMillis(fs.at + 1);
        fs.by("root").run(Command::Recover { inode, before }).unwrap();
        let (writer, _) = fs.ns.writer_of(inode).unwrap();
        assert_eq!(writer, RECOVERY);
        assert_eq!(fs.ns.written_by(RECOVERY).collect::<Vec<_>>(), [inode]);
        assert_eq!(fs.ns.left_alone_since(UnixMillis(u64::MAX)).count(), 0);
    }
}
