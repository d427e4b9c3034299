//! A checkpoint as a stream of bytes.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use checkpoint::Checkpoint;

/// Bytes that are read at once.
const PART_BYTES: u64 = 1 << 20;

/// The bytes of a checkpoint file, in order. The file may be removed meanwhile.
#[derive(Debug)]
pub struct Backup {
    checkpoint: Checkpoint,
    offset: u64,
}

impl Backup {
    pub(crate) const fn new(checkpoint: Checkpoint) -> Self {
        Self {
            checkpoint,
            offset: 0,
        }
    }

    /// The record of the log up to which it has everything.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.checkpoint.header().index
    }

    /// How many bytes there are in all.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.checkpoint.bytes()
    }

    /// The next bytes; none behind the last.
    ///
    /// # Errors
    /// When the file can not be read.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let wanted = PART_BYTES.min(self.length().saturating_sub(self.offset));
        let length = usize::try_from(wanted).unwrap_or(usize::MAX);
        if length == 0 {
            return Ok(None);
        }
        let (file, offset) = (Arc::clone(self.checkpoint.raw()), self.offset);
        let part = env::blocking(move || {
            let mut part = vec![0; length];
            env::disk::read_exact_at(&*file, &mut part, offset)?;
            io::Result::Ok(part)
        })
        .await?;
        self.offset += wanted;
        Ok(Some(part.into()))
    }
}
