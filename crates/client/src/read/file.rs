//! A file that is being read.

use std::ops::Range;

use types::FsPath;

use crate::{ByteStream, Error, FileStatus, FileSystem};

/// A file that is being read. Made by [`FileSystem::open`].
#[derive(Clone)]
pub struct FileReader {
    path: FsPath,
    status: FileStatus,
}

impl FileReader {
    pub(crate) async fn open(fs: &FileSystem, path: &FsPath) -> Result<Self, Error> {
        Ok(Self {
            path: path.clone(),
            status: fs.stat(path).await?,
        })
    }

    /// The path it was opened by.
    #[must_use]
    pub const fn path(&self) -> &FsPath {
        &self.path
    }

    /// What was known of the file when it was opened.
    #[must_use]
    pub const fn status(&self) -> &FileStatus {
        &self.status
    }

    /// The length of the file in bytes when it was opened.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.status.len
    }

    /// Whether the file has no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` with the bytes at `offset`. Returns how many there were: fewer than `buf` is long only at the end of the
    /// file. May be called by many at once.
    ///
    /// # Errors
    /// [`Error::DataUnavailable`], [`Error::Changed`], [`Error::Unavailable`].
    pub async fn read_at(&self, _offset: u64, _buf: &mut [u8]) -> Result<usize, Error> {
        Err(Error::Config("not there yet".into()))
    }

    /// The bytes of `range` in order, read ahead. What lies past the end of the file is left out.
    #[must_use]
    pub fn stream(&self, _range: Range<u64>) -> ByteStream {
        ByteStream {}
    }

    /// All bytes of the file in order, read ahead.
    #[must_use]
    pub fn stream_all(&self) -> ByteStream {
        self.stream(0..self.len())
    }
}
