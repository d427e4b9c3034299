//! How much of each pack is still of use.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use env::disk::{Open, read_exact_at};

use crate::pack::active::Packs;
use crate::pack::layout::{Mark, Spot, decode_entry, encode_gone, entry_len};
use crate::sidecar::HEADER_BYTES;
use crate::store::absent_is_fine;

/// Live entries of a pack, and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) live: u64,
    pub(crate) live_bytes: u64,
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

    fn has_live(&self, serial: u32) -> bool {
        self.lock().get(&serial).is_some_and(|load| load.live > 0)
    }

    fn forget(&self, serial: u32) {
        self.lock().remove(&serial);
    }

    /// An entry is gone. Says whether the pack has no other.
    fn removed(&self, serial: u32, bytes: u64) -> bool {
        let mut packs = self.lock();
        let Some(load) = packs.get_mut(&serial) else {
            return false;
        };
        load.live = load.live.saturating_sub(1);
        load.live_bytes = load.live_bytes.saturating_sub(bytes);
        load.live == 0
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
        let path = self.path(spot.pack);
        let marked = self.disk.open(&path, Open::Write).and_then(|file| {
            let mut bytes = [0; HEADER_BYTES];
            read_exact_at(&*file, &mut bytes, spot.at.into())?;
            // A broken header is no replica to the next start either.
            if let Ok(Mark::Live(header)) = decode_entry(&bytes, self.storage, spot) {
                file.write_all_at(&encode_gone(&header, self.storage, spot), spot.at.into())?;
            }
            if durably { file.sync_data() } else { Ok(()) }
        });
        // A pack that was removed, or cut, by hand holds nothing that could come back.
        match marked {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            marked => absent_is_fine(marked)?,
        }
        if self.usage.removed(spot.pack, entry_len(len)) {
            self.remove_if_empty(spot.pack)?;
        }
        Ok(())
    }

    /// Removes a pack without live entries, unless it is still written to. Says whether it is gone.
    pub(crate) fn remove_if_empty(&self, serial: u32) -> io::Result<bool> {
        if self.is_active(serial) || self.usage.has_live(serial) {
            return Ok(false);
        }
        absent_is_fine(self.disk.remove_file(&self.path(serial)))?;
        self.usage.forget(serial);
        Ok(true)
    }
}
