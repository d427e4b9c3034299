//! Raising the generation of a finalized replica, and cutting it: a new sidecar takes the place of the old one, whole.
//!
//! The sidecar says how long a replica is. Its data file may have more behind that, of no meaning: so a replica is cut the
//! moment its sidecar changes, and a crash leaves the old length or the new one.

use std::io;

use env::disk::{File, Open};
use types::{ChunkId, Generation};

use crate::index::{Place, Replica, Slot};
use crate::names::Paths;
use crate::pack::{Entry, Spot};
use crate::reader::{ReadError, Reader};
use crate::sidecar::{self, Header};
use crate::store::{ChunkStore, OpenReplicaError, Shared};
use crate::units::{align_down, units};
use crate::writer::Held;

/// Why the generation of a finalized replica was not raised.
#[derive(Debug, thiserror::Error)]
pub enum BumpError {
    /// It can not be opened.
    #[error(transparent)]
    Open(#[from] OpenReplicaError),
    /// The new generation is older than the one that is here; or it is the same, and was to be newer, or the other way round.
    #[error("chunk {chunk} is here at generation {present}, and can not move to {asked}")]
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

/// What becomes of the generation of a replica.
#[derive(Debug, Clone, Copy)]
enum Rises {
    /// It may be the new one already.
    Perhaps,
    /// The same, unless the replica is to be shorter than it is.
    ToBeShorter,
    /// It is the one that is named.
    Never,
}

impl ChunkStore {
    /// Raises the generation of a finalized replica. Its bytes stay as they are.
    ///
    /// # Errors
    /// See [`BumpError`].
    pub fn bump_generation(&self, chunk: ChunkId, generation: Generation) -> Result<Replica, BumpError> {
        self.move_to(chunk, generation, None, Rises::Perhaps)
    }

    /// Cuts a finalized replica to `len` bytes, under a higher generation. The unit that is cut gets a new sum; what that is
    /// made from is compared with the old one first. A replica that is not longer only gets the generation.
    ///
    /// # Errors
    /// See [`BumpError`].
    pub fn cut(&self, chunk: ChunkId, generation: Generation, len: u64) -> Result<Replica, BumpError> {
        self.move_to(chunk, generation, Some(len), Rises::ToBeShorter)
    }

    /// As [`ChunkStore::cut`], of a replica that is at `generation` already. For a recovery alone: it moves replicas to a generation
    /// that nobody else is given, and then learns how long they are to be. So of two forms at one generation the shorter counts.
    ///
    /// # Errors
    /// See [`BumpError`].
    pub fn cut_within(&self, chunk: ChunkId, generation: Generation, len: u64) -> Result<Replica, BumpError> {
        self.move_to(chunk, generation, Some(len), Rises::Never)
    }

    fn move_to(
        &self,
        chunk: ChunkId,
        generation: Generation,
        len: Option<u64>,
        rises: Rises,
    ) -> Result<Replica, BumpError> {
        let _names = self.0.lock_bucket(chunk);
        let reader = self.0.open_replica(chunk)?;
        let slot = (self.0.index.find(chunk)).ok_or(BumpError::Open(OpenReplicaError::Unknown(chunk)))?;
        let len = len.unwrap_or(slot.len).min(slot.len);
        let fits = match rises {
            Rises::Perhaps => slot.generation <= generation,
            Rises::ToBeShorter => {
                slot.generation < generation || (slot.generation, slot.len) == (generation, len)
            }
            Rises::Never => slot.generation == generation,
        };
        if !fits {
            return Err(BumpError::Older {
                chunk,
                present: slot.generation,
                asked: generation,
            });
        }
        let io = |source| BumpError::Io { chunk, source };
        let mut place = slot.place;
        if (slot.generation, slot.len) != (generation, len) {
            place = match slot.place {
                Place::Files => (self.0)
                    .rewrite_sidecar(slot, &reader, generation, len)
                    .map(|()| Place::Files)?,
                Place::Packed(spot) => self.0.repack(slot, spot, &reader, generation, len)?,
            };
        }
        let was = slot.len;
        let slot = Slot {
            generation,
            len,
            place,
            ..slot
        };
        if !self.0.index.put(chunk, slot) {
            return Err(io(io::Error::other("its volume is not used any more")));
        }
        if len < was && slot.place == Place::Files {
            self.0.give_back(chunk, slot);
        }
        Ok(self.0.describe(chunk, slot))
    }
}

impl Shared {
    /// Packs the same bytes again, under a new generation, or fewer of them; then the old entry goes. The caller holds the chunk's
    /// bucket.
    fn repack(
        &self,
        slot: Slot,
        spot: Spot,
        reader: &Reader,
        generation: Generation,
        len: u64,
    ) -> Result<Place, BumpError> {
        let (chunk, volume) = (reader.chunk(), self.volume(slot.volume));
        let packs = &volume.packs;
        let read = |error: ReadError| BumpError::Open(error.into());
        let (data, sums) = reader.read_all().map_err(read)?;
        let mut held = Held { data, sums };
        if len < slot.len {
            held.cut(chunk, len).map_err(read)?;
        }
        let Held { data, sums } = held;
        let header = Header {
            generation,
            len,
            sums_crc: crc_fast::crc32_iscsi(&sums),
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
            // The new one is in place, and of two generations the higher one counts, of one generation the shorter.
            tracing::warn!(%chunk, %error, "could not mark an old form of a replica as gone");
        }
        Ok(Place::Packed(new))
    }

    /// The caller holds the chunk's bucket.
    fn rewrite_sidecar(
        &self,
        slot: Slot,
        reader: &Reader,
        generation: Generation,
        len: u64,
    ) -> Result<(), BumpError> {
        let (chunk, volume) = (reader.chunk(), self.volume(slot.volume));
        let temporary = Paths::temporary(&volume.dir, &self.pool, chunk, self.next_serial()).sidecar;
        let io = |source| BumpError::Io { chunk, source };
        let paths = self.paths(chunk, slot.volume);
        let file = self.disk.open(&temporary, Open::CreateNew).map_err(io)?;
        let rewritten = write_sidecar(&*file, reader, generation, len).and_then(|()| {
            file.sync_data().map_err(io)?;
            self.disk.rename(&temporary, &paths.sidecar).map_err(io)
        });
        drop(file);
        if let Err(error) = rewritten {
            let _ = self.disk.remove_file(&temporary);
            return Err(error);
        }
        self.disk.sync_dir(&paths.directory).map_err(io)
    }

    /// Gives the space back that a replica which was cut had behind its end. The caller holds the chunk's bucket.
    fn give_back(&self, chunk: ChunkId, slot: Slot) {
        let data = self.disk.open(&self.paths(chunk, slot.volume).data, Open::Write);
        if let Err(error) = data.and_then(|data| data.set_len(slot.len)) {
            tracing::warn!(%chunk, %error, "a replica that was cut keeps its space");
        }
    }
}

/// Writes a sidecar of the first `len` bytes of a replica.
fn write_sidecar(
    file: &dyn File,
    reader: &Reader,
    generation: Generation,
    len: u64,
) -> Result<(), BumpError> {
    let chunk = reader.chunk();
    let read = |error: ReadError| BumpError::Open(error.into());
    let io = |source| BumpError::Io { chunk, source };
    let mut header = Header {
        generation,
        len,
        ..*reader.header()
    };
    if len == reader.len() {
        reader.copy_sums(file, units(len)).map_err(io)?;
    } else {
        // They get a checksum of their own, which must not bless what is wrong.
        reader.check_sums().map_err(read)?;
        let whole = align_down(len);
        let mut crc = reader.copy_sums(file, units(whole)).map_err(io)?;
        if whole < len {
            let sum = reader.sum_of_cut(len).map_err(read)?;
            file.write_all_at(&sum, sidecar::sum_at(units(whole)))
                .map_err(io)?;
            crc.update(&sum);
        }
        // 32 bits, in a u64.
        header.sums_crc = u32::try_from(crc.finalize()).unwrap_or_default();
    }
    file.write_all_at(&header.encode(), 0).map_err(io)
}
