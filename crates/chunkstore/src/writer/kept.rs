//! What of an unfinished replica outlives its process: how far it was brought to the disk, in a small file beside it.
//!
//! ```text
//! offset  size
//!      0    64  a record: the header of a sidecar under another magic
//!    512    64  another one
//! ```
//!
//! A record has the generation and the length of the replica at a sync; in the place of the checksum over the sums it has the
//! CRC32C of all of these bytes, and in the reserved field a number that rises with every record. The two are written in turn,
//! so that one of them is whole at any moment. A record is written only when the bytes are on the disk; who starts again compares
//! the bytes with it, all of them, and makes their sums anew.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::disk::{Disk, File, Open};
use transfer::checksum::{self, Composite};
use uuid::Uuid;

use crate::sidecar::{HEADER_BYTES, Header};
use crate::store::absent_is_fine;
use crate::sums::Sums;
use crate::units::{SUM, UNIT, units};

const MAGIC: &[u8; 8] = b"DFSSYNCD";

/// Where the second record is: in another sector, so that no torn write harms both.
const SLOT_BYTES: u64 = 512;

/// Sums that are looked at together.
const BLOCK_UNITS: u64 = 16 << 10;

/// The record of a replica that is being written.
pub(crate) struct Kept {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn File>,
    number: u32,
    /// Of the whole units that were recorded.
    composite: Composite,
}

impl Kept {
    pub(crate) fn create(disk: Arc<dyn Disk>, path: PathBuf) -> io::Result<Self> {
        let file = disk.open(&path, Open::CreateTruncate)?;
        Ok(Self {
            disk,
            path,
            file,
            number: 0,
            composite: Composite::new(),
        })
    }

    /// Goes on with a record that is there.
    pub(crate) fn resume(disk: Arc<dyn Disk>, path: PathBuf, number: u32) -> io::Result<Self> {
        let file = disk.open(&path, Open::Write)?;
        Ok(Self {
            disk,
            path,
            file,
            number,
            composite: Composite::new(),
        })
    }

    /// What was recorded is not whole any more from byte `len` on.
    pub(crate) fn forget_from(&mut self, len: u64) {
        if len < self.composite.len() {
            self.composite = Composite::new();
        }
    }

    /// Records what is on the disk: the replica as `header` says, with these sums. Durable when it returns.
    pub(crate) fn note(&mut self, header: Header, sums: &Sums) -> io::Result<()> {
        let mut unit = self.composite.len() / UNIT;
        let (whole, end) = (header.len / UNIT, units(header.len));
        let mut composite = self.composite;
        while unit < end {
            let upto = if unit < whole {
                whole.min(unit + BLOCK_UNITS)
            } else {
                end
            };
            let bytes = header.len.min(upto * UNIT) - unit * UNIT;
            let mut block = vec![0; index((upto - unit) * SUM)];
            sums.read(unit, &mut block)?;
            let fits = composite.push_sums(&block, index(bytes));
            fits.map_err(|_| io::ErrorKind::InvalidData)?;
            if upto <= whole {
                self.composite = composite;
            }
            unit = upto;
        }
        self.number = self.number.wrapping_add(1);
        let record = Header {
            sums_crc: composite.crc(),
            ..header
        };
        let at = u64::from(self.number % 2) * SLOT_BYTES;
        self.file
            .write_all_at(&record.encode_as(MAGIC, self.number), at)?;
        self.file.sync_data()
    }

    /// The records in a file with their numbers, the newest first.
    pub(crate) fn read(disk: &dyn Disk, path: &Path, uuid: Uuid) -> io::Result<Vec<(u32, Header)>> {
        let file = disk.open(path, Open::Read)?;
        let mut found = Vec::new();
        for slot in 0..2 {
            let mut bytes = [0; HEADER_BYTES];
            let read = file.read_at(&mut bytes, slot * SLOT_BYTES)?;
            let bytes = bytes.get(..read).unwrap_or_default();
            if let Ok((header, number)) = Header::decode_as(bytes, MAGIC)
                && header.uuid == uuid
            {
                found.push((number, header));
            }
        }
        found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        Ok(found)
    }

    /// Nothing outlives the process any more.
    pub(crate) fn remove(&self) {
        if let Err(error) = absent_is_fine(self.disk.remove_file(&self.path)) {
            tracing::warn!(path = %self.path.display(), %error, "could not remove a temporary file");
        }
    }
}

/// Reads the data of a replica as far as a record says, and gives the sums of each piece to `each`. False when the data is not
/// what was recorded.
pub(crate) fn compare(
    data: &dyn File,
    record: &Header,
    mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<bool> {
    let mut composite = Composite::new();
    let mut at = 0;
    let mut piece = Vec::new();
    while at < record.len {
        piece.resize(index((record.len - at).min(BLOCK_UNITS * UNIT)), 0);
        if data.read_at(&mut piece, at)? < piece.len() {
            return Ok(false);
        }
        let mut sums = vec![0; checksum::sums_len(piece.len())];
        checksum::compute(&piece, &mut sums);
        let fits = composite.push_sums(&sums, piece.len());
        fits.map_err(|_| io::ErrorKind::InvalidData)?;
        each(at / UNIT, &sums)?;
        at += piece.len() as u64;
    }
    Ok(composite.crc() == record.sums_crc)
}

/// Pieces are far smaller than an address space.
fn index(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
