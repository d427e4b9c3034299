//! How much of each pack is still of use.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use env::disk::{Open, read_exact_at};

use crate::pack::active::Packs;
use crate::pack::layout::{Mark, Spot, decode_entry, encode_gone, encode_live, encode_resting, entry_len};
use crate::sidecar::HEADER_BYTES;
use crate::store::absent_is_fine;

/// Live and resting entries of a pack, and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) live: u64,
    pub(crate) live_bytes: u64,
    pub(crate) resting: u64,
    pub(crate) bytes: u64,
}

/// The load of every pack, by serial number.
#[derive(Debug, Default)]
pub(crate) struct Usage(Mutex<BTreeMap<u32, Load>>);

impl Usage {
    pub(crate) fn begun(&self, serial: u32) {
        self.lock().entry(serial).or_default();
    }

    pub(crate) fn added(&self, serial: u32, bytes: u64) {
        let mut packs = self.lock();
        let load = packs.entry(serial).or_default();
        load.live += 1;
        load.live_bytes += bytes;
        load.bytes += bytes;
    }

    /// Bytes that are of no use (any more).
    pub(crate) fn wasted(&self, serial: u32, bytes: u64) {
        self.lock().entry(serial).or_default().bytes += bytes;
    }

    /// The packs and their loads.
    pub(crate) fn all(&self) -> Vec<(u32, Load)> {
        self.lock()
            .iter()
            .map(|(&serial, &load)| (serial, load))
            .collect()
    }

    /// An entry that rests, found at a start.
    pub(crate) fn found_resting(&self, serial: u32, bytes: u64) {
        let mut packs = self.lock();
        let load = packs.entry(serial).or_default();
        load.resting += 1;
        load.bytes += bytes;
    }

    fn is_held(&self, serial: u32) -> bool {
        let packs = self.lock();
        packs
            .get(&serial)
            .is_some_and(|load| load.live + load.resting > 0)
    }

    /// An entry rests, or no longer does.
    fn rests(&self, serial: u32, bytes: u64, rests: bool) {
        if let Some(load) = self.lock().get_mut(&serial) {
            if rests {
                load.live = load.live.saturating_sub(1);
                load.live_bytes = load.live_bytes.saturating_sub(bytes);
                load.resting += 1;
            } else {
                load.resting = load.resting.saturating_sub(1);
                load.live += 1;
                load.live_bytes += bytes;
            }
        }
    }

    fn forget(&self, serial: u32) {
        self.lock().remove(&serial);
    }

    /// A live entry is gone.
    fn removed(&self, serial: u32, bytes: u64) {
        if let Some(load) = self.lock().get_mut(&serial) {
            load.live = load.live.saturating_sub(1);
            load.live_bytes = load.live_bytes.saturating_sub(bytes);
        }
    }

    /// A resting entry is gone.
    fn destroyed(&self, serial: u32) {
        if let Some(load) = self.lock().get_mut(&serial) {
            load.resting = load.resting.saturating_sub(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Load>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Packs {
    /// Marks an entry as gone; its pack is removed with the last one. `durably`: the mark must be found after a crash.
    /// Otherwise the entry may come back, as one that everybody knows to be old.
    ///
    /// # Errors
    /// As the file system answers.
    pub(crate) fn retire(&self, spot: Spot, len: u64, durably: bool) -> io::Result<()> {
        self.mark(spot, durably, |mark| match mark {
            Mark::Live(header) => Some(encode_gone(&header, self.storage, spot)),
            _ => None,
        })?;
        self.usage.removed(spot.pack, entry_len(len));
        self.remove_if_empty(spot.pack).map(drop)
    }

    /// Marks an entry as resting. It may be live again after a crash, unless `durably`.
    ///
    /// # Errors
    /// As the file system answers.
    pub(crate) fn rest(&self, spot: Spot, len: u64, durably: bool) -> io::Result<()> {
        self.mark(spot, durably, |mark| match mark {
            Mark::Live(header) => Some(encode_resting(&header, self.storage, spot)),
            _ => None,
        })?;
        self.usage.rests(spot.pack, entry_len(len), true);
        Ok(())
    }

    /// Marks an entry that rests as live, durably.
    ///
    /// # Errors
    /// As the file system answers.
    pub(crate) fn wake(&self, spot: Spot, len: u64) -> io::Result<()> {
        self.mark(spot, true, |mark| match mark {
            Mark::Resting(header) => Some(encode_live(&header, self.storage, spot)),
            _ => None,
        })?;
        self.usage.rests(spot.pack, entry_len(len), false);
        Ok(())
    }

    /// Marks an entry that rests as gone; its pack is removed with the last one.
    ///
    /// # Errors
    /// As the file system answers.
    pub(crate) fn retire_resting(&self, spot: Spot) -> io::Result<()> {
        self.mark(spot, false, |mark| match mark {
            Mark::Resting(header) => Some(encode_gone(&header, self.storage, spot)),
            _ => None,
        })?;
        self.usage.destroyed(spot.pack);
        self.remove_if_empty(spot.pack).map(drop)
    }

    /// Changes the mark of an entry in place, when `change` gives one for what is there.
    fn mark(
        &self,
        spot: Spot,
        durably: bool,
        change: impl FnOnce(Mark) -> Option<[u8; HEADER_BYTES]>,
    ) -> io::Result<()> {
        let marked = self
            .disk
            .open(&self.path(spot.pack), Open::Write)
            .and_then(|file| {
                let mut bytes = [0; HEADER_BYTES];
                read_exact_at(&*file, &mut bytes, spot.at.into())?;
                // A broken header is no replica to the next start either.
                let mark = decode_entry(&bytes, self.storage, spot).ok();
                if let Some(changed) = mark.and_then(change) {
                    file.write_all_at(&changed, spot.at.into())?;
                }
                if durably { file.sync_data() } else { Ok(()) }
            });
        // A pack that was removed, or cut, by hand holds nothing that could come back.
        match marked {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            marked => absent_is_fine(marked),
        }
    }

    /// Removes a pack without live and resting entries, unless it is still written to. Says whether it is gone.
    pub(crate) fn remove_if_empty(&self, serial: u32) -> io::Result<bool> {
        if self.is_active(serial) || self.usage.is_held(serial) {
            return Ok(false);
        }
        absent_is_fine(self.disk.remove_file(&self.path(serial)))?;
        self.usage.forget(serial);
        Ok(true)
    }
}
