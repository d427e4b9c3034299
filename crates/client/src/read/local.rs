//! A replica on this host, read from its files.
//!
//! # Guarantees
//! Every byte that comes out was checked against its CRC32C, here: nobody else has. What does not match, or can not be read, is no
//! verdict on the replica: its datanode is asked over the network then, and judges.
//!
//! The sums that came with a replica never change, whatever becomes of it (`xceiver/local.rs` of the datanode says why); so a reader that
//! goes on reading from files that it was given long ago reads the file as it was when it was opened, or nothing.

use std::io;
use std::sync::Arc;

use env::disk::File;
use tokio::sync::OwnedSemaphorePermit;
use transfer::checksum;
use types::limits::CHECKSUM_UNIT_BYTES;

const UNIT: u64 = CHECKSUM_UNIT_BYTES as u64;

/// Bytes that are read and then checked at once: they are still in the processor's cache.
const STEP: usize = 128 << 10;

/// The files of a replica.
pub(crate) struct LocalReplica {
    data: Arc<dyn File>,
    data_at: u64,
    sums: Arc<dyn File>,
    sums_at: u64,
    len: u64,
    _permit: Option<OwnedSemaphorePermit>,
}

/// Why bytes are not to be had from the files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalFault {
    /// They are not in memory, and are not waited for.
    #[error("they are only on the disk")]
    Cold,
    /// They are not what they should be.
    #[error("the bytes from {0} on do not match their checksums")]
    Mismatch(u64),
    /// The system does not give them.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Whether the disk is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Never,
    ForDisk,
}

impl LocalReplica {
    /// A replica of `len` bytes in one file, or in two: data, sums.
    pub(crate) fn new(files: Vec<Arc<dyn File>>, len: u64, data_at: u64, sums_at: u64) -> Option<Self> {
        let data = files.first()?;
        let sums = files.last()?;
        Some(Self {
            data: Arc::clone(data),
            data_at,
            sums: Arc::clone(sums),
            sums_at,
            len,
            _permit: None,
        })
    }

    /// Counts as open for as long as it lives.
    pub(crate) fn counted(self, permit: OwnedSemaphorePermit) -> Self {
        Self {
            _permit: Some(permit),
            ..self
        }
    }

    /// Bytes of data.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// Fills `data` from `offset`, and checks it. `offset` is at a unit; `data` ends at one, or with the replica. `sums` is
    /// memory to work with.
    pub(crate) fn read(
        &self,
        offset: u64,
        data: &mut [u8],
        sums: &mut Vec<u8>,
        wait: Wait,
    ) -> Result<(), LocalFault> {
        sums.resize(checksum::sums_len(data.len()), 0);
        let sums_at = self.sums_at.saturating_add(offset / UNIT * 4);
        fill(&*self.sums, sums, sums_at, wait)?;
        let mut at = offset;
        for (part, sums) in std::iter::zip(data.chunks_mut(STEP), sums.chunks(checksum::sums_len(STEP))) {
            fill(&*self.data, part, self.data_at.saturating_add(at), wait)?;
            checksum::verify(part, sums).map_err(|_| LocalFault::Mismatch(at))?;
            at += part.len() as u64;
        }
        Ok(())
    }
}

fn fill(file: &dyn File, bytes: &mut [u8], at: u64, wait: Wait) -> Result<(), LocalFault> {
    let read = match wait {
        Wait::ForDisk => file.read_at(bytes, at)?,
        Wait::Never => match file.read_cached_at(bytes, at) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(LocalFault::Cold),
            Ok(read) if read < bytes.len() => return Err(LocalFault::Cold),
            read => read?,
        },
    };
    match read == bytes.len() {
        true => Ok(()),
        false => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    }
}
