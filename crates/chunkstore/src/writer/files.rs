//! A replica that is written to two temporary files.
//!
//! Data goes to its file as it comes; the sums of whole units follow in blocks, so that memory stays at 64 KiB of sums and
//! those of one write besides (a write of 16 MiB brings 128 KiB). Every 8 MiB the disk is asked to begin writing, so that
//! the final sync is short.

use std::io;
use std::sync::Arc;

use env::disk::{Disk, File, Open, read_exact_at};
use types::ChunkId;

use crate::names::Paths;
use crate::reader::{Corruption, ReadError, verify};
use crate::sidecar::Header;
use crate::store::absent_is_fine;
use crate::sums::Sums;
use crate::units::{UNIT, align_down, sum_of};
use crate::volume::Volume;
use crate::writer::Broken;

/// Data between two requests to begin writing to the disk.
const WRITEBACK_BYTES: u64 = 8 << 20;

/// The temporary files of a replica, removed with it unless they got their final names.
///
/// # Invariants
/// The data file holds `received` bytes, as far as the page cache knows, and `sums` has one for each of their units.
pub(crate) struct Files {
    disk: Arc<dyn Disk>,
    paths: Paths,
    data: Arc<dyn File>,
    sums: Sums,
    received: u64,
    written_back: u64,
    /// They have their final names.
    named: bool,
}

impl Files {
    pub(crate) fn create(disk: Arc<dyn Disk>, paths: Paths) -> io::Result<Self> {
        let data = disk.open(&paths.data, Open::CreateNew)?;
        match disk.open(&paths.sidecar, Open::CreateNew) {
            Ok(sidecar) => Ok(Self::over(disk, paths, data, sidecar)),
            Err(error) => {
                let _ = disk.remove_file(&paths.data);
                Err(error)
            }
        }
    }

    /// Over two temporary files that are there.
    pub(crate) fn over(
        disk: Arc<dyn Disk>,
        paths: Paths,
        data: Arc<dyn File>,
        sidecar: Arc<dyn File>,
    ) -> Self {
        Self {
            disk,
            paths,
            data,
            sums: Sums::new(sidecar),
            received: 0,
            written_back: 0,
            named: false,
        }
    }

    /// Takes over what the two files hold, as `header` describes it.
    pub(crate) fn adopt(&mut self, chunk: ChunkId, header: &Header) -> Result<(), ReadError> {
        let whole = header.len / UNIT;
        let loaded = if header.len.is_multiple_of(UNIT) {
            self.sums.load(whole)
        } else {
            self.sums.load_with_short(whole)
        };
        loaded.map_err(|source| ReadError::Io { chunk, source })?;
        if self.sums.crc() != header.sums_crc {
            return Err(ReadError::Corrupt {
                chunk,
                offset: 0,
                why: Corruption::Sums,
            });
        }
        self.received = header.len;
        self.written_back = align_down(header.len);
        Ok(())
    }

    pub(crate) fn write(&mut self, offset: u64, data: &[u8], sums: &[u8]) -> io::Result<()> {
        self.data.write_all_at(data, offset)?;
        self.sums.replace(offset / UNIT, sums);
        self.received = offset + data.len() as u64;
        if self.sums.is_long() {
            self.sums.spill(self.received / UNIT)?;
        }
        if self.received - self.written_back >= WRITEBACK_BYTES {
            let from = self.written_back;
            self.written_back = align_down(self.received);
            self.data.start_writeback(from, self.written_back - from);
        }
        Ok(())
    }

    pub(crate) fn sync_data(&self) -> io::Result<()> {
        self.data.sync_data()
    }

    /// Reads without comparing.
    pub(crate) fn read(&self, offset: u64, data: &mut [u8], sums: &mut [u8]) -> io::Result<()> {
        read_exact_at(&*self.data, data, offset)?;
        self.sums.read(offset / UNIT, sums)
    }

    /// Fills `sums` from number `unit` on.
    pub(crate) fn read_sums(&self, unit: u64, sums: &mut [u8]) -> io::Result<()> {
        self.sums.read(unit, sums)
    }

    /// Cuts to `len` bytes. The unit that is cut gets a new sum; what that is made from is checked first.
    pub(crate) fn cut(&mut self, chunk: ChunkId, len: u64) -> Result<(), Broken> {
        let start = align_down(len);
        let mut last = Vec::new();
        if start < len {
            let unit_len = (self.received - start).min(UNIT);
            last.resize(usize::try_from(unit_len).unwrap_or_default(), 0);
            let mut sum = [0; 4];
            self.read(start, &mut last, &mut sum)
                .map_err(|source| ReadError::Io { chunk, source })?;
            verify(chunk, start, &last, &sum)?;
            last.truncate(usize::try_from(len - start).unwrap_or_default());
        }
        self.data.set_len(len)?;
        self.sums.cut(start / UNIT)?;
        if !last.is_empty() {
            self.sums.replace(start / UNIT, &sum_of(&last));
        }
        self.received = len;
        self.written_back = self.written_back.min(start);
        Ok(())
    }

    /// Makes both files whole and durable, under their temporary names.
    pub(crate) fn complete(&mut self, header: Header) -> io::Result<()> {
        self.sums.spill(self.received / UNIT)?;
        self.sums.complete(header)?;
        self.data.sync_data()?;
        self.sums.sync()
    }

    /// Gives the files their final names. The sidecar gets its name first: data under its final name always has one.
    pub(crate) fn name(&mut self, volume: &Volume, bucket: usize, to: &Paths) -> io::Result<()> {
        let disk = &*self.disk;
        volume.prepare_bucket(disk, bucket, &to.directory)?;
        let renamed = disk
            .rename(&self.paths.sidecar, &to.sidecar)
            .and_then(|()| disk.rename(&self.paths.data, &to.data))
            .and_then(|()| disk.sync_dir(&to.directory));
        if renamed.is_err() {
            // Never finalized, so never to be found.
            let _ = disk.remove_file(&to.data);
            let _ = disk.remove_file(&to.sidecar);
        }
        self.named = renamed.is_ok();
        renamed
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if self.named {
            return;
        }
        for path in [&self.paths.data, &self.paths.sidecar] {
            if let Err(error) = absent_is_fine(self.disk.remove_file(path)) {
                tracing::warn!(path = %path.display(), %error, "could not remove a temporary file");
            }
        }
    }
}
