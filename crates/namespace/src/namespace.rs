//! The state machine.

use types::{Caller, ChunkId, ClientId, ClusterId, DatanodeId, FsPath, InodeId};

use crate::{
    ChunkInfo, ContentSummary, Entry, FileStatus, Lease, Located, Member, NamespaceError, Outcome, Page,
    Totals, WriterFile,
};

/// The metadata of one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespace {}

#[expect(clippy::unused_self, unused_variables, reason = "bodies follow")]
impl Namespace {
    /// One that is not formatted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Carries out the next entry of the log.
    ///
    /// # Errors
    /// When the command is refused; nothing is changed then.
    pub fn apply(&mut self, entry: &Entry) -> Result<Outcome, NamespaceError> {
        Err(NamespaceError::Format(false))
    }

    /// The cluster's identity; none before `Format`.
    #[must_use]
    pub fn cluster(&self) -> Option<ClusterId> {
        None
    }

    /// What is known of a file or directory.
    ///
    /// # Errors
    /// When there is none, or the caller may not look there.
    pub fn stat(&self, caller: &Caller, path: &FsPath) -> Result<FileStatus, NamespaceError> {
        Err(NamespaceError::Format(false))
    }

    /// Up to `limit` entries of a directory, behind the name `start_after`.
    ///
    /// # Errors
    /// When it is not a directory, or the caller may not read it.
    pub fn list(
        &self,
        caller: &Caller,
        path: &FsPath,
        start_after: Option<&str>,
        limit: usize,
    ) -> Result<Page, NamespaceError> {
        Err(NamespaceError::Format(false))
    }

    /// The chunks of a file.
    ///
    /// # Errors
    /// When it is not a file, or the caller may not read it.
    pub fn locate(&self, caller: &Caller, path: &FsPath) -> Result<Located, NamespaceError> {
        Err(NamespaceError::Format(false))
    }

    /// What is in a tree.
    ///
    /// # Errors
    /// When there is none, or the caller may not read all of its directories.
    pub fn content_summary(&self, caller: &Caller, path: &FsPath) -> Result<ContentSummary, NamespaceError> {
        Err(NamespaceError::Format(false))
    }

    /// How much there is of everything.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals::default()
    }

    /// A file that `client` writes.
    ///
    /// # Errors
    /// `NotWriter` when it does not, or does no longer.
    pub fn writer_file(&self, inode: InodeId, client: ClientId) -> Result<WriterFile, NamespaceError> {
        Err(NamespaceError::NotWriter { inode, client })
    }

    /// All chunks of a file in order, with those that are being written; none when there is no such file.
    #[must_use]
    pub fn file_chunks(&self, inode: InodeId) -> Option<Vec<ChunkInfo>> {
        None
    }

    /// What is known of a chunk; none when no file holds it.
    #[must_use]
    pub fn chunk(&self, chunk: ChunkId) -> Option<ChunkInfo> {
        None
    }

    /// All chunks that files hold, by id.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkInfo> + '_ {
        std::iter::empty()
    }

    /// The next chunk to be given out: this and anything above it is from the future.
    #[must_use]
    pub fn next_chunk_id(&self) -> ChunkId {
        ChunkId::new(1).unwrap_or_else(|_| unreachable!())
    }

    /// The datanodes of the cluster, by id.
    pub fn members(&self) -> impl Iterator<Item = &Member> + '_ {
        std::iter::empty()
    }

    /// A datanode of the cluster.
    #[must_use]
    pub fn member(&self, id: DatanodeId) -> Option<&Member> {
        None
    }

    /// The leases of those that write, by client.
    pub fn leases(&self) -> impl Iterator<Item = Lease> + '_ {
        std::iter::empty()
    }

    /// Chunks that no file holds any more, each of them once, in the order in which they were let go. Also those of the
    /// log's past: a master that has just replayed it need not look at them.
    pub fn take_freed(&mut self) -> Vec<ChunkId> {
        Vec::new()
    }
}
