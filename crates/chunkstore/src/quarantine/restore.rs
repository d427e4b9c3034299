//! Taking a replica back out of quarantine.

use std::io;

use types::{ChunkId, Generation};

use crate::index::{Place, Replica, ReplicaState, Slot};
use crate::names::{Paths, bucket};
use crate::quarantine::Resting;
use crate::reader::{ReadError, Reader, Source};
use crate::store::{ChunkStore, Shared, absent_is_fine};

/// Why a replica was not restored. It rests on, if it did.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// None of this generation rests.
    #[error("no replica of chunk {chunk} at generation {generation} rests in quarantine")]
    Unknown {
        /// The chunk.
        chunk: ChunkId,
        /// The generation that was asked for.
        generation: Generation,
    },
    /// A newer one is here.
    #[error("chunk {chunk} is here at generation {present}, which is newer than {asked}")]
    Newer {
        /// The chunk.
        chunk: ChunkId,
        /// The generation that is here.
        present: Generation,
        /// The generation that was asked for.
        asked: Generation,
    },
    /// It is not what was written.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It can not be moved back.
    #[error("can not restore chunk {chunk}: {source}")]
    Io {
        /// The chunk.
        chunk: ChunkId,
        /// What the file system said.
        source: io::Error,
    },
}

impl ChunkStore {
    /// Brings a replica back that rests, when its bytes are those that were written. One that is older, or corrupt, makes
    /// room for it; where it is already, nothing is to be done.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub fn restore(&self, chunk: ChunkId, generation: Generation) -> Result<Replica, RestoreError> {
        let shared = &self.0;
        let unknown = RestoreError::Unknown { chunk, generation };
        let resting = shared.quarantine.find(chunk, generation);
        if let Some(resting) = &resting {
            let slot = resting.slot(generation);
            let source = shared.resting_source(chunk, generation, resting)?;
            Reader::open(shared, source, chunk, slot)?.check_all(&mut |_| true)?;
        }
        let _names = shared.lock_bucket(chunk);
        let present = shared.index.find(chunk);
        if let Some(present) = present {
            if present.generation > generation {
                return Err(RestoreError::Newer {
                    chunk,
                    present: present.generation,
                    asked: generation,
                });
            }
            if present.generation == generation && present.state == ReplicaState::Finalized {
                return Ok(shared.describe(chunk, present));
            }
        }
        // It may have been destroyed, or another one laid down, while it was compared.
        let resting = (resting.filter(|known| shared.quarantine.find(chunk, generation) == Some(*known)))
            .ok_or(unknown)?;
        let io = |source| RestoreError::Io { chunk, source };
        if let Some(present) = present {
            shared.remove_replica(chunk, present, true).map_err(io)?;
        }
        let slot = resting.slot(generation);
        shared.wake(chunk, generation, &resting).map_err(|source| {
            shared.examine(resting.volume);
            io(source)
        })?;
        shared.quarantine.take(chunk, generation);
        if !shared.index.put(chunk, slot) {
            return Err(io(io::Error::other("its volume is not used any more")));
        }
        Ok(shared.describe(chunk, slot))
    }
}

impl Resting {
    /// What it is once it is back.
    const fn slot(&self, generation: Generation) -> Slot {
        Slot {
            generation,
            len: self.len,
            volume: self.volume,
            place: self.place,
            state: ReplicaState::Finalized,
        }
    }
}

impl Shared {
    fn resting_source(
        &self,
        chunk: ChunkId,
        generation: Generation,
        resting: &Resting,
    ) -> Result<Source, ReadError> {
        let volume = self.volume(resting.volume);
        match resting.place {
            Place::Files => {
                let paths = Paths::resting(&volume.dir, &self.pool, chunk, generation, resting.since);
                Source::of_files(&*self.disk, &paths, chunk)
            }
            Place::Packed(spot) => Source::of_resting(&volume.packs, spot, chunk),
        }
    }

    /// Gives a replica its final name again, durably. The sidecar goes first: data under its final name always has one.
    fn wake(&self, chunk: ChunkId, generation: Generation, resting: &Resting) -> io::Result<()> {
        let volume = self.volume(resting.volume);
        match resting.place {
            Place::Packed(spot) => volume.packs.wake(spot, resting.len),
            Place::Files => {
                let from = Paths::resting(&volume.dir, &self.pool, chunk, generation, resting.since);
                let to = self.paths(chunk, resting.volume);
                volume.prepare_bucket(&*self.disk, bucket(chunk), &to.directory)?;
                self.disk.rename(&from.sidecar, &to.sidecar)?;
                if let Err(error) = self.disk.rename(&from.data, &to.data) {
                    // It rests on, whole.
                    let _ = absent_is_fine(self.disk.rename(&to.sidecar, &from.sidecar));
                    return Err(error);
                }
                self.disk.sync_dir(&to.directory)
            }
        }
    }
}
