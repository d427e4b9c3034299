//! Raising the generation of a finalized replica: a new sidecar takes the place of the old one, whole.

use std::io;

use env::disk::Open;
use types::{ChunkId, Generation};

use crate::index::{Place, Replica, Slot};
use crate::names::Paths;
use crate::pack::{Entry, Spot};
use crate::reader::Reader;
use crate::sidecar::Header;
use crate::store::{ChunkStore, OpenReplicaError, Shared};

/// Why the generation of a finalized replica was not raised.
#[derive(Debug, thiserror::Error)]
pub enum BumpError {
    /// It can not be opened.
    #[error(transparent)]
    Open(#[from] OpenReplicaError),
    /// The new generation is older than the one that is here.
    #[error("chunk {chunk} is here at generation {present}, which is newer than {asked}")]
    Older {
        /// The chunk.
        chunk: ChunkId,
        /// The generation that is here.
        present: Generation,
        /// The generation that was asked for.
        asked: Generation,
    },
    /// The new sidecar can not be written; the old one is still in place.
    #[error("can not rewrite the sidecar of chunk {chunk}: {source}")]
    Io {
        /// The chunk.
        chunk: ChunkId,
        /// What the file system said.
        source: io::Error,
    },
}

impl ChunkStore {
    /// Raises the generation of a finalized replica. Its bytes stay as they are.
    ///
    /// # Errors
    /// See [`BumpError`].
    pub fn bump_generation(&self, chunk: ChunkId, generation: Generation) -> Result<Replica, BumpError> {
        let _names = self.0.lock_bucket(chunk);
        let reader = self.0.open_replica(chunk)?;
        let slot = (self.0.index.find(chunk)).ok_or(BumpError::Open(OpenReplicaError::Unknown(chunk)))?;
        if slot.generation > generation {
            return Err(BumpError::Older {
                chunk,
                present: slot.generation,
                asked: generation,
            });
        }
        let io = |source| BumpError::Io { chunk, source };
        let mut place = slot.place;
        if slot.generation < generation {
            place = match slot.place {
                Place::Files => (self.0)
                    .rewrite_sidecar(chunk, slot, &reader, generation)
                    .map(|()| Place::Files)
                    .map_err(io)?,
                Place::Packed(spot) => self.0.repack(slot, spot, &reader, generation)?,
            };
        }
        let slot = Slot {
            generation,
            place,
            ..slot
        };
        if !self.0.index.put(chunk, slot) {
            return Err(io(io::Error::other("its volume is not used any more")));
        }
        Ok(self.0.describe(chunk, slot))
    }
}

impl Shared {
    /// Packs the same bytes again, under a new generation; then the old entry goes. The caller holds the chunk's bucket.
    fn repack(
        &self,
        slot: Slot,
        spot: Spot,
        reader: &Reader,
        generation: Generation,
    ) -> Result<Place, BumpError> {
        let (chunk, volume) = (reader.chunk(), self.volume(slot.volume));
        let packs = &volume.packs;
        let (data, sums) = (reader.read_all()).map_err(|error| BumpError::Open(error.into()))?;
        let header = Header {
            generation,
            ..*reader.header()
        };
        let packed = packs.append(vec![Entry { header, sums, data }]);
        let new = packed
            .and_then(|spots| {
                spots
                    .first()
                    .copied()
                    .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            })
            .map_err(|source| BumpError::Io { chunk, source })?;
        if let Err(error) = packs.retire(spot, slot.len, false) {
            // The new one is in place, and of two generations the higher one counts.
            tracing::warn!(%chunk, %error, "could not mark an old generation as gone");
        }
        Ok(Place::Packed(new))
    }

    /// The caller holds the chunk's bucket.
    fn rewrite_sidecar(
        &self,
        chunk: ChunkId,
        slot: Slot,
        reader: &Reader,
        generation: Generation,
    ) -> io::Result<()> {
        let volume = self.volume(slot.volume);
        let temporary = Paths::temporary(&volume.dir, &self.pool, chunk, self.next_serial()).sidecar;
        let file = self.disk.open(&temporary, Open::CreateNew)?;
        let written = (|| {
            let header = Header {
                generation,
                ..*reader.header()
            };
            file.write_all_at(&header.encode(), 0)?;
            reader.copy_sums(&*file)?;
            file.sync_data()
        })();
        drop(file);
        let paths = self.paths(chunk, slot.volume);
        let renamed = written.and_then(|()| self.disk.rename(&temporary, &paths.sidecar));
        if let Err(error) = renamed {
            let _ = self.disk.remove_file(&temporary);
            return Err(error);
        }
        self.disk.sync_dir(&paths.directory)
    }
}
