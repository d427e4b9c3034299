//! Appending: whoever finds nobody at it writes and syncs what all others have queued, too.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use env::disk::{Disk, File, Open};
use types::StorageId;

use crate::pack::layout::{Spot, encode_close, encode_live, encode_pack, entry_len};
use crate::pack::usage::Usage;
use crate::sidecar::{HEADER_BYTES, Header};

/// The directory of the packs of a volume.
pub(crate) const PACKS: &str = "packs";

/// A pack is closed before it grows beyond this.
const PACK_BYTES_MAX: u64 = 64 << 20;

/// A replica to be packed.
pub(crate) struct Entry {
    pub(crate) header: Header,
    pub(crate) sums: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

/// What became of queued entries. An error is told to all of its batch, so it must be told more than once.
type Outcome = Arc<OnceLock<Result<Vec<Spot>, (io::ErrorKind, String)>>>;

struct Queued {
    entries: Vec<Entry>,
    outcome: Outcome,
    /// Wakes its owner: when it is told, or to commit. Each has its own, so that nobody is woken in vain.
    turn: Arc<Condvar>,
}

/// The pack that is written.
struct Active {
    file: Arc<dyn File>,
    serial: u32,
    /// Where the next entry goes. All before it is on disk.
    end: u64,
}

/// # Invariants
/// - while `committing`, `active` is with the thread that commits, and nobody else writes to it;
/// - the queue is not empty only while somebody commits, or its owner is about to.
struct State {
    active: Option<Active>,
    queue: Vec<Queued>,
    committing: bool,
    next_serial: u32,
}

/// The packs of one volume.
pub(crate) struct Packs {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    pub(crate) storage: StorageId,
    pub(crate) usage: Usage,
    state: Mutex<State>,
}

impl Packs {
    pub(crate) fn new(disk: Arc<dyn Disk>, volume: &Path, storage: StorageId) -> Self {
        Self {
            disk,
            directory: volume.join(PACKS),
            storage,
            usage: Usage::default(),
            state: Mutex::new(State {
                active: None,
                queue: Vec::new(),
                committing: false,
                next_serial: 1,
            }),
        }
    }

    pub(crate) fn path(&self, serial: u32) -> PathBuf {
        self.directory.join(format!("pack-{serial:08x}"))
    }

    /// New packs get higher numbers than `serial`.
    pub(crate) fn begin_after(&self, serial: u32) {
        let mut state = self.lock();
        state.next_serial = state.next_serial.max(serial.saturating_add(1));
    }

    /// Makes replicas durable, with those of all others that ask meanwhile. Blocks.
    ///
    /// # Errors
    /// As the file system answers; none of them is then to be found.
    pub(crate) fn append(&self, entries: Vec<Entry>) -> io::Result<Vec<Spot>> {
        let (outcome, turn) = (Outcome::default(), Arc::new(Condvar::new()));
        let mut state = self.lock();
        state.queue.push(Queued {
            entries,
            outcome: Arc::clone(&outcome),
            turn: Arc::clone(&turn),
        });
        loop {
            if let Some(outcome) = outcome.get() {
                return outcome.clone().map_err(|(kind, why)| io::Error::new(kind, why));
            }
            if state.committing {
                state = turn.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.committing = true;
            let batch = std::mem::take(&mut state.queue);
            let (active, next_serial) = (state.active.take(), state.next_serial);
            drop(state);
            let (active, written) = self.commit(active, next_serial, &batch);
            state = self.lock();
            let used = active.as_ref().map_or(next_serial, |active| active.serial);
            state.next_serial = next_serial.max(used.saturating_add(1));
            state.active = active;
            state.committing = false;
            tell(&batch, written);
            // Whoever has queued meanwhile is waiting: the first of them commits for all of them.
            let next = state.queue.first();
            for queued in batch.iter().chain(next) {
                queued.turn.notify_one();
            }
        }
    }

    /// Whether entries may still be added to the pack.
    pub(crate) fn is_active(&self, serial: u32) -> bool {
        let state = self.lock();
        // While somebody commits, the pack may be any of the newest.
        state.committing && serial.saturating_add(2) >= state.next_serial
            || state
                .active
                .as_ref()
                .is_some_and(|active| active.serial == serial)
    }

    /// Writes and syncs a batch. Gives the pack to go on with: none after a failure.
    fn commit(
        &self,
        active: Option<Active>,
        next_serial: u32,
        batch: &[Queued],
    ) -> (Option<Active>, io::Result<Vec<Spot>>) {
        let entries = || batch.iter().flat_map(|queued| &queued.entries);
        let bytes: u64 = entries().map(|entry| entry_len(entry.header.len)).sum();
        let active = active.and_then(|active| {
            if active.end + bytes <= PACK_BYTES_MAX {
                return Some(active);
            }
            self.close(&active);
            None
        });
        let mut active = match active.map_or_else(|| self.begin(next_serial), Ok) {
            Ok(active) => active,
            Err(error) => return (None, Err(error)),
        };
        match self.write(&mut active, entries()) {
            Ok(spots) => (Some(active), Ok(spots)),
            Err(error) => {
                let path = self.path(active.serial);
                tracing::warn!(pack = %path.display(), %error, "a pack is given up after a failed write");
                // What may have reached the page cache must not be taken for durable by the next start.
                if let Err(error) = active.file.set_len(active.end) {
                    tracing::error!(pack = %path.display(), %error, "could not cut off what a failed write left");
                }
                (None, Err(error))
            }
        }
    }

    fn begin(&self, serial: u32) -> io::Result<Active> {
        let file = self.disk.open(&self.path(serial), Open::CreateNew)?;
        self.usage.begun(serial);
        Ok(Active { file, serial, end: 0 })
    }

    fn write<'a>(
        &self,
        active: &mut Active,
        entries: impl Iterator<Item = &'a Entry> + Clone,
    ) -> io::Result<Vec<Spot>> {
        let new = active.end == 0;
        let mut bytes = Vec::new();
        if new {
            bytes.extend_from_slice(&encode_pack(self.storage, active.serial));
        }
        let mut spots = Vec::new();
        for entry in entries.clone() {
            let at = active.end + bytes.len() as u64;
            let spot = Spot {
                pack: active.serial,
                at: u32::try_from(at).map_err(|_| io::ErrorKind::FileTooLarge)?,
            };
            bytes.extend_from_slice(&encode_live(&entry.header, self.storage, spot));
            bytes.extend_from_slice(&entry.sums);
            bytes.extend_from_slice(&entry.data);
            bytes.resize(bytes.len().next_multiple_of(HEADER_BYTES), 0);
            spots.push(spot);
        }
        active.file.write_all_at(&bytes, active.end)?;
        active.file.sync_data()?;
        if new {
            self.disk.sync_dir(&self.directory)?;
        }
        active.end += bytes.len() as u64;
        for entry in entries {
            self.usage.added(active.serial, entry_len(entry.header.len));
        }
        Ok(spots)
    }

    /// Notes at the end of a pack that all of it was synced. Where this fails, the next start looks at all of its bytes.
    fn close(&self, active: &Active) {
        let closed = u32::try_from(active.end)
            .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
            .and_then(|at| {
                let spot = Spot {
                    pack: active.serial,
                    at,
                };
                active
                    .file
                    .write_all_at(&encode_close(self.storage, spot), active.end)
            });
        if let Err(error) = closed.and_then(|()| active.file.sync_data()) {
            tracing::warn!(pack = %self.path(active.serial).display(), %error, "could not close a pack in order");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(batch: &[Queued], written: io::Result<Vec<Spot>>) {
    let mut spots = written
        .map(Vec::into_iter)
        .map_err(|error| (error.kind(), error.to_string()));
    for queued in batch {
        let outcome = match &mut spots {
            Ok(spots) => Ok(spots.by_ref().take(queued.entries.len()).collect()),
            Err(error) => Err(error.clone()),
        };
        // Told once, by the thread that committed.
        let _ = queued.outcome.set(outcome);
    }
}
