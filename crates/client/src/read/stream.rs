//! A run of bytes of a file, in order, read ahead.

use bytes::Bytes;

use crate::Error;

/// A run of bytes of a file, in order. Made by [`FileReader::stream`](crate::FileReader::stream).
pub struct ByteStream {}

impl ByteStream {
    /// The next bytes, never empty; none behind the last. After an error there is nothing more.
    ///
    /// # Errors
    /// [`Error::DataUnavailable`], [`Error::Changed`], [`Error::Unavailable`].
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        None
    }
}
