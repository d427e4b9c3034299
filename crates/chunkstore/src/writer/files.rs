//! A replica that is written to two temporary files; or to a temporary sidecar alone, and to the data file of a finalized
//! replica, behind its end.
//!
//! Of the latter, what is finalized stays as it is: its bytes are never written again, and its own sidecar, which says where it
//! ends, stays in its place until the new one takes that, whole. So it is read all the time, and a crash leaves the old replica
//! or the new one.
//!
//! Data goes to its file as it comes; the sums of whole units follow in blocks, so that memory stays at 64 KiB of sums and
//! those of one write besides (a write of 16 MiB brings 128 KiB). Every 8 MiB the disk is asked to begin writing, so that
//! the final sync is short.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use env::disk::{Disk, File, Open, read_exact_at};
use types::ChunkId;

use crate::names::Paths;
use crate::reader::{ReadError, Reader, verify};
use crate::sidecar::Header;
use crate::store::absent_is_fine;
use crate::sums::Sums;
use crate::units::{SUM, UNIT, align_down, sum_of};
use crate::volume::Volume;
use crate::writer::Broken;
use crate::writer::kept::Kept;

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
    /// The length of the finalized replica that is written on in its place.
    base: Option<u64>,
    /// What outlives the process; none before the first sync that is to.
    kept: Option<Kept>,
    /// What the last record says of it.
    header: Option<Header>,
    /// Its files stay whatever becomes of it: for the next start.
    rests: bool,
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
            base: None,
            kept: None,
            header: None,
            rests: false,
        }
    }

    /// Over the data of a finalized replica, which stays what it is, and a temporary sidecar. Its sums are compared with the
    /// checksum over them, and the unit that is not full with its sum.
    pub(crate) fn behind(
        disk: Arc<dyn Disk>,
        paths: Paths,
        chunk: ChunkId,
        reader: &Reader,
    ) -> Result<Self, ReadError> {
        let io = |source| ReadError::Io { chunk, source };
        reader.check_sums()?;
        let data = disk.open(&paths.data, Open::Write).map_err(io)?;
        let sidecar = disk.open(&paths.sidecar, Open::CreateNew).map_err(io)?;
        let len = reader.len();
        let mut files = Self::over(disk, paths, data, sidecar);
        files.base = Some(len);
        let start = align_down(len);
        reader.copy_sums(&*files.sums.file(), start / UNIT).map_err(io)?;
        files.sums.load(start / UNIT).map_err(io)?;
        if start < len {
            let mut unit = vec![0; usize::try_from(len - start).unwrap_or_default()];
            let mut sum = [0; 4];
            reader.read_verified(start, &mut unit, &mut sum)?;
            files.sums.replace(start / UNIT, &sum).map_err(io)?;
        }
        files.received = len;
        files.written_back = start;
        Ok(files)
    }

    /// Whether it is written behind the end of a finalized replica.
    pub(crate) const fn is_behind(&self) -> bool {
        self.base.is_some()
    }

    /// From here on it is behind the first `base` bytes of a finalized replica, and outlives the process as `kept` says.
    pub(crate) fn left(mut self, base: Option<u64>, kept: Kept, header: Header) -> Self {
        self.base = base;
        self.rests = false;
        self.received = header.len;
        self.written_back = align_down(header.len);
        self.kept = Some(kept);
        self.header = Some(header);
        self
    }

    /// Whatever becomes of it, its files stay, until it is said what is left of it.
    pub(crate) fn at_rest(mut self) -> Self {
        self.rests = true;
        self
    }

    /// Leaves what was recorded on the disk, and says where the record is. None: nothing was, and the files are gone.
    pub(crate) fn leave_recorded(self) -> Option<PathBuf> {
        let kept = self.kept.is_some().then(|| self.paths.kept.clone())?;
        drop(self.at_rest());
        Some(kept)
    }

    /// Notes the sums from number `unit` on of bytes that are there, `len` in all.
    pub(crate) fn found(&mut self, unit: u64, sums: &[u8], len: u64) -> io::Result<()> {
        self.sums.replace(unit, sums)?;
        if self.sums.is_long() {
            // That of a unit that is not full changes with what follows.
            let whole = len / UNIT;
            self.sums.spill(whole.min(unit + sums.len() as u64 / SUM))?;
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, offset: u64, data: &[u8], sums: &[u8]) -> io::Result<()> {
        // Bytes that are here are not written again, though they come again with the unit that they begin.
        let here = usize::try_from(self.received.saturating_sub(offset)).unwrap_or(usize::MAX);
        if self.base.is_some_and(|base| self.received < base) {
            return Err(io::Error::other("a finalized replica is never changed"));
        }
        self.data
            .write_all_at(data.get(here..).unwrap_or_default(), self.received.max(offset))?;
        self.sums.replace(offset / UNIT, sums)?;
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

    /// Brings what was received to the disk, and records it, so that it outlives the process: as `header` says.
    pub(crate) fn keep(&mut self, header: Header) -> io::Result<()> {
        self.data.sync_data()?;
        self.header = Some(header);
        if let Some(kept) = &mut self.kept {
            return kept.note(header, &self.sums);
        }
        let mut kept = Kept::create(Arc::clone(&self.disk), self.paths.kept.clone())?;
        let noted = kept.note(header, &self.sums);
        let directory = self.paths.kept.parent().ok_or(io::ErrorKind::InvalidInput)?;
        self.kept = Some(kept);
        noted?;
        self.disk.sync_dir(directory)
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
        self.sums.cut(start / UNIT)?;
        if !last.is_empty() {
            self.sums.replace(start / UNIT, &sum_of(&last))?;
        }
        self.received = len;
        self.written_back = self.written_back.min(start);
        if let (Some(kept), Some(header)) = (&mut self.kept, &mut self.header) {
            // Before the bytes go that it speaks of.
            kept.forget_from(len);
            header.len = header.len.min(len);
            kept.note(*header, &self.sums)?;
        }
        if self.base.is_none_or(|base| base <= len) {
            self.data.set_len(len)?;
        }
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
        if self.base.is_some() {
            disk.rename(&self.paths.sidecar, &to.sidecar)?;
            self.named = true;
            disk.sync_dir(&to.directory)?;
            // What was cut off again means nothing.
            if let Err(error) = self.data.set_len(self.received) {
                tracing::warn!(path = %to.data.display(), %error, "a replica keeps space that it does not need");
            }
            return Ok(());
        }
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
        if self.rests {
            return;
        }
        if let Some(kept) = &self.kept {
            kept.remove();
        }
        if self.named {
            return;
        }
        if let Some(base) = self.base {
            // What was written behind it means nothing.
            if let Err(error) = self.data.set_len(base) {
                tracing::warn!(path = %self.paths.data.display(), %error, "a replica keeps space that it does not need");
            }
        }
        let data = self.base.is_none().then_some(&self.paths.data);
        for path in data.into_iter().chain([&self.paths.sidecar]) {
            if let Err(error) = absent_is_fine(self.disk.remove_file(path)) {
                tracing::warn!(path = %path.display(), %error, "could not remove a temporary file");
            }
        }
    }
}
