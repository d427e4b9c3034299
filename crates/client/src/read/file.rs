//! A file that is being read.

use std::ops::Range;
use std::sync::Arc;

use types::FsPath;

use super::chunk::ChunkReader;
use super::target::Target;
use crate::{ByteStream, Error, FileStatus, FileSystem};

/// A file that is being read. Made by [`FileSystem::open`]. Cloning is cheap; clones share the known locations.
///
/// It is the file as it was when it was opened: bytes that are added later are not seen. Of a file that is being written,
/// that is all that its writer had flushed by then. No byte comes out that was not
/// checked against its CRC32C; where a replica fails, the next one goes on at the same byte.
#[derive(Clone)]
pub struct FileReader {
    target: Arc<Target>,
}

impl FileReader {
    pub(crate) async fn open(fs: &FileSystem, path: &FsPath) -> Result<Self, Error> {
        Ok(Self {
            target: Arc::new(Target::open(fs.inner(), path).await?),
        })
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &FsPath {
        &self.target.path
    }

    /// What was known of the file when it was opened.
    #[must_use]
    pub fn status(&self) -> &FileStatus {
        &self.target.status
    }

    /// The length of the file in bytes when it was opened.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.target.status.len
    }

    /// Whether the file has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` with the bytes at `offset`. Returns how many there were: fewer than `buf` is long only at the end of the
    /// file. May be called by many at once; each call holds one packet of up to 1 MiB at a time.
    ///
    /// # Errors
    /// [`Error::DataUnavailable`], [`Error::Changed`], [`Error::Unavailable`]. What is in `buf` then means nothing.
    pub async fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, Error> {
        let end = self.len().min(offset.saturating_add(buf.len() as u64));
        if offset == 0
            && end == self.len()
            && let Some(bytes) = self.target.read_small().await
            && let Some(room) = buf.get_mut(..bytes.len())
        {
            room.copy_from_slice(&bytes);
            return Ok(bytes.len());
        }
        let packets = &self.target.inner.packets;
        let mut packet = packets.take().unwrap_or_default();
        let mut filled = 0;
        let mut at = offset;
        while at < end {
            let chunk = self.target.chunk_at(at).await?;
            let to = end.min(chunk.end());
            let mut reader = ChunkReader::new(&self.target, chunk, at..to);
            loop {
                let free = buf.get_mut(filled..).unwrap_or_default();
                match reader.read_into(&mut packet, free).await? {
                    0 => break,
                    count => filled += count,
                }
            }
            at = to;
        }
        packets.give(packet);
        Ok(filled)
    }

    /// The bytes of `range` in order, read ahead. What lies past the end of the file is left out.
    #[must_use]
    pub fn stream(&self, range: Range<u64>) -> ByteStream {
        ByteStream::new(Arc::clone(&self.target), range.start..range.end.min(self.len()))
    }

    /// All bytes of the file in order, read ahead.
    #[must_use]
    pub fn stream_all(&self) -> ByteStream {
        self.stream(0..self.len())
    }

    pub(crate) const fn target(&self) -> &Arc<Target> {
        &self.target
    }
}
