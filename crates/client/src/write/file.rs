//! A file that is being written.

use tokio::io::AsyncRead;
use types::{ChunkSize, FsPath, InodeId};

use crate::{Error, FileStatus, FileSystem};

/// A file that is being written. Made by [`FileSystem::create`] and [`FileSystem::append`].
pub struct FileWriter {
    path: FsPath,
    position: u64,
}

impl FileWriter {
    pub(crate) async fn open(
        _fs: &FileSystem,
        path: &FsPath,
        _inode: InodeId,
        _replication: u16,
        _chunk_size: ChunkSize,
        position: u64,
    ) -> Result<Self, Error> {
        Ok(Self {
            path: path.clone(),
            position,
        })
    }

    /// The length of the file, with what was written by now.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The path it was opened by.
    #[must_use]
    pub const fn path(&self) -> &FsPath {
        &self.path
    }

    /// Writes all of `data` behind what was written before. Returns when it is taken over, not when it is on disk.
    ///
    /// # Errors
    /// [`Error::WriteDenied`], [`Error::PipelineLost`], [`Error::LeaseLost`], [`Error::Unavailable`]. Once it failed, every
    /// later call fails with the same error.
    pub async fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        self.position += data.len() as u64;
        Ok(())
    }

    /// Writes everything that `source` gives, without a copy between. Returns the number of bytes.
    ///
    /// # Errors
    /// As [`FileWriter::write`], and [`Error::Source`].
    pub async fn copy_from<R: AsyncRead + Unpin>(&mut self, _source: &mut R) -> Result<u64, Error> {
        Ok(0)
    }

    /// Ends the file. When this returns, all of it is on disk on at least `min_replicas` datanodes, and visible.
    ///
    /// # Errors
    /// As [`FileWriter::write`], and [`Error::NotReplicated`].
    pub async fn close(self) -> Result<FileStatus, Error> {
        Err(Error::Config("not there yet".into()))
    }

    /// Gives the file up: a file that is not published yet disappears, a published one keeps the chunks that were
    /// acknowledged.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::Unavailable`].
    pub async fn abort(self) -> Result<(), Error> {
        Ok(())
    }
}
