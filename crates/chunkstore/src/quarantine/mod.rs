//! Deleted replicas rest before they are destroyed.
//!
//! ```text
//! <dir>/quarantine/chunk-<uuid>.<generation>.<ms>        data, deleted at that moment (wall clock)
//! <dir>/quarantine/chunk-<uuid>.<generation>.<ms>.meta   its sidecar
//! ```
//!
//! A replica with files of its own is renamed there; a packed one is marked as resting in its pack, which stays until the
//! replica is destroyed. A restart finds both again; of a packed one the rest then begins anew.
//!
//! # Guarantees
//! - A replica is destroyed when it has rested for the retention, or earlier when its volume needs the space, oldest first.
//! - [`ChunkStore::restore`] brings back what was deleted, compared with its sums first, or changes nothing.
//! - A crash in the middle leaves a replica deleted or not, and either way whole: halves find each other at the next start.

mod list;
mod restore;
pub(crate) mod scan;

use std::io;

use types::{ChunkId, Generation, UnixMillis};

use crate::index::{Place, Replica, ReplicaState, Slot};
use crate::names::{Paths, QUARANTINE};
use crate::store::{ChunkStore, Shared, absent_is_fine};

pub(crate) use list::{Quarantine, Resting};
pub use restore::RestoreError;

/// Replicas that are destroyed by one call at most.
const DESTROYED_AT_ONCE: usize = 10_000;

/// Which replica a deletion is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// The one at that generation.
    Any,
    /// The one at that generation, if it is marked as corrupt: not one that has taken its place.
    OnlyCorrupt,
}

/// Why a replica was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// There is none.
    #[error("chunk {0} is not here")]
    Unknown(ChunkId),
    /// It has another generation.
    #[error("chunk {chunk} is here at generation {present}, not {asked}")]
    Generation {
        /// The chunk.
        chunk: ChunkId,
        /// The generation that is here.
        present: Generation,
        /// The generation that was to be deleted.
        asked: Generation,
    },
    /// Only a corrupt one was to be deleted.
    #[error("the replica of chunk {0} is not known to be corrupt")]
    NotCorrupt(ChunkId),
    /// It is being appended to.
    #[error("chunk {0} is being appended to")]
    Busy(ChunkId),
    /// Its files can not be removed.
    #[error("can not delete chunk {chunk}: {source}")]
    Io {
        /// The chunk.
        chunk: ChunkId,
        /// What the file system said.
        source: io::Error,
    },
}

impl ChunkStore {
    /// Deletes a replica, at exactly this generation; it rests, unless the retention is zero. Gives what was deleted.
    ///
    /// # Errors
    /// See [`DeleteError`].
    pub fn delete(
        &self,
        chunk: ChunkId,
        generation: Generation,
        victim: Victim,
    ) -> Result<Replica, DeleteError> {
        let shared = &self.0;
        let _names = shared.lock_bucket(chunk);
        let slot = shared.index.find(chunk).ok_or(DeleteError::Unknown(chunk))?;
        if slot.generation != generation {
            return Err(DeleteError::Generation {
                chunk,
                present: slot.generation,
                asked: generation,
            });
        }
        if victim == Victim::OnlyCorrupt && slot.state != ReplicaState::Corrupt {
            return Err(DeleteError::NotCorrupt(chunk));
        }
        if shared.is_reopened(chunk, slot.volume) {
            return Err(DeleteError::Busy(chunk));
        }
        let replica = shared.describe(chunk, slot);
        let removed = if shared.options.quarantine_retention.is_zero() {
            shared.remove_replica(chunk, slot, false)
        } else {
            shared.lay_to_rest(chunk, slot)
        };
        removed.map_err(|source| {
            shared.examine(slot.volume);
            DeleteError::Io { chunk, source }
        })?;
        Ok(replica)
    }

    /// The generations of `chunk` that rest.
    #[must_use]
    pub fn resting(&self, chunk: ChunkId) -> Vec<Generation> {
        self.0.quarantine.generations(chunk)
    }

    /// Destroys what has rested long enough, and of volumes that are full what has rested longest; a bounded part of it at
    /// once. Says how many replicas are gone, and whether there is more to do. Blocks.
    pub fn expire_quarantine(&self) -> (usize, bool) {
        let shared = &self.0;
        let retention = u64::try_from(shared.options.quarantine_retention.as_millis()).unwrap_or(u64::MAX);
        let now = shared.clock.wall();
        let mut gone = 0;
        while gone < DESTROYED_AT_ONCE {
            let Some((since, chunk, generation)) = shared.quarantine.oldest(None) else {
                break;
            };
            // A clock that was set back keeps things for longer, not for ever: they are freed when space is short.
            if now.since_ms(since) < retention {
                break;
            }
            gone += usize::from(shared.destroy(chunk, generation));
        }
        for (position, volume) in shared.volumes().into_iter().enumerate() {
            while gone < DESTROYED_AT_ONCE && volume.room(&*shared.disk) == Some(0) {
                if !shared.destroy_oldest_of(position) {
                    break;
                }
                gone += 1;
            }
        }
        (gone, gone == DESTROYED_AT_ONCE)
    }
}

impl Shared {
    /// Moves a replica from the index to its rest; durably, when it is corrupt, for its mark goes. The caller holds the chunk's
    /// bucket.
    fn lay_to_rest(&self, chunk: ChunkId, slot: Slot) -> io::Result<()> {
        let since = match slot.place {
            Place::Files => match self.rest_files(chunk, slot.generation, slot.volume) {
                Ok(since) => {
                    if slot.is_corrupt() {
                        let directory = self.paths(chunk, slot.volume).directory;
                        self.disk
                            .sync_dir(&self.volume(slot.volume).dir.join(QUARANTINE))?;
                        self.disk.sync_dir(&directory)?;
                    }
                    since
                }
                // There is no room for even a name.
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    return self.remove_replica(chunk, slot, false);
                }
                Err(error) => return Err(error),
            },
            Place::Packed(spot) => {
                let packs = &self.volume(slot.volume).packs;
                packs.rest(spot, slot.len, slot.is_corrupt())?;
                Some(self.clock.wall())
            }
        };
        self.index.remove(chunk);
        self.unmark_corrupt(chunk, &slot);
        if let Some(since) = since {
            self.enter(chunk, slot, since);
        }
        Ok(())
    }

    /// Renames the files of a replica; since when they rest, or none when there was no data. The caller holds the chunk's
    /// bucket.
    pub(crate) fn rest_files(
        &self,
        chunk: ChunkId,
        generation: Generation,
        volume: usize,
    ) -> io::Result<Option<UnixMillis>> {
        let (mut since, from) = (self.clock.wall(), self.paths(chunk, volume));
        // The moment is a part of the name: two that rest do not share one.
        while (self.quarantine.find(chunk, generation)).is_some_and(|other| other.since == since) {
            since = UnixMillis(since.as_u64() + 1);
        }
        let to = Paths::resting(&self.volume(volume).dir, &self.pool, chunk, generation, since);
        // As when it is removed, the data goes first: a sidecar alone is known, at the next start, for what it is.
        let rests = match self.disk.rename(&from.data, &to.data) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            other => other.map(|()| true)?,
        };
        if rests {
            absent_is_fine(self.disk.rename(&from.sidecar, &to.sidecar))?;
        } else {
            absent_is_fine(self.disk.remove_file(&from.sidecar))?;
        }
        Ok(rests.then_some(since))
    }

    /// Notes that a replica rests. Of two of the same generation the one that is not corrupt stays.
    pub(crate) fn enter(&self, chunk: ChunkId, slot: Slot, since: UnixMillis) {
        let resting = Resting {
            volume: slot.volume,
            len: slot.len,
            place: slot.place,
            corrupt: slot.state == ReplicaState::Corrupt,
            since,
        };
        if let Some(out) = self.quarantine.enter(chunk, slot.generation, resting) {
            self.destroy_body(chunk, slot.generation, &out);
        }
    }

    /// Destroys a replica that rests. False when there is none.
    fn destroy(&self, chunk: ChunkId, generation: Generation) -> bool {
        let _names = self.lock_bucket(chunk);
        let Some(resting) = self.quarantine.take(chunk, generation) else {
            return false;
        };
        self.destroy_body(chunk, generation, &resting);
        true
    }

    /// The caller holds the chunk's bucket.
    fn destroy_body(&self, chunk: ChunkId, generation: Generation, resting: &Resting) {
        let volume = self.volume(resting.volume);
        let removed = match resting.place {
            Place::Files => {
                let paths = Paths::resting(&volume.dir, &self.pool, chunk, generation, resting.since);
                absent_is_fine(self.disk.remove_file(&paths.data))
                    .and(absent_is_fine(self.disk.remove_file(&paths.sidecar)))
            }
            Place::Packed(spot) => volume.packs.retire_resting(spot),
        };
        if let Err(error) = removed {
            tracing::warn!(%chunk, %generation, %error, "a replica that has rested was not destroyed; the next start tries again");
        }
    }

    /// Destroys what has rested longest on a volume. False when nothing does.
    fn destroy_oldest_of(&self, volume: usize) -> bool {
        match self.quarantine.oldest(Some(volume)) {
            Some((_, chunk, generation)) => self.destroy(chunk, generation),
            None => false,
        }
    }

    /// Destroys what rests on a volume, oldest first, until `bytes` are free there. Says whether they are.
    pub(crate) fn make_room(&self, position: usize, bytes: u64) -> bool {
        let volume = self.volume(position);
        loop {
            match volume.room(&*self.disk) {
                None => return false,
                Some(room) if room >= bytes && room > 0 => return true,
                Some(_) if self.destroy_oldest_of(position) => {}
                Some(_) => return false,
            }
        }
    }
}
