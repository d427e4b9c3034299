//! A replica that is being written.
//!
//! Data goes to a temporary file as it comes; the sums of whole units follow in blocks, so that memory stays at 64 KiB of
//! sums and those of one write besides (a write of 16 MiB brings 128 KiB). Every 8 MiB the disk is asked to begin writing,
//! so that the final sync is short.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use env::disk::{File, Open};
use types::limits::CHUNK_SIZE_MAX;
use types::{ChunkId, Generation, StorageId};

use crate::index::{Replica, ReplicaState, Slot};
use crate::names::{Paths, bucket};
use crate::reader::{Corruption, ReadError, check_range, verify};
use crate::sidecar::Header;
use crate::store::{Shared, absent_is_fine};
use crate::sums::Sums;
use crate::units::{SUM, UNIT, align_down, sum_of, units};

/// Data between two requests to begin writing to the disk.
const WRITEBACK_BYTES: u64 = 8 << 20;

/// Why a replica could not be written on.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The bytes do not follow those that are here. Nothing was written; the replica is as it was.
    #[error(
        "chunk {chunk} has received {received} bytes; {len} bytes at {offset} with {sums} bytes of sums do not follow"
    )]
    Misplaced {
        /// The chunk.
        chunk: ChunkId,
        /// Bytes received so far.
        received: u64,
        /// Where the bytes were to go.
        offset: u64,
        /// How many they are.
        len: u64,
        /// Bytes of sums that came with them.
        sums: u64,
    },
    /// The replica can not be cut to a length that it does not have.
    #[error("chunk {chunk} has received {received} bytes and can not be cut to {asked}")]
    TooShort {
        /// The chunk.
        chunk: ChunkId,
        /// Bytes received so far.
        received: u64,
        /// The length asked for.
        asked: u64,
    },
    /// The new generation is older than the one that is here.
    #[error("chunk {chunk} is at generation {present}, which is newer than {asked}")]
    Older {
        /// The chunk.
        chunk: ChunkId,
        /// The generation that is here.
        present: Generation,
        /// The generation that was asked for.
        asked: Generation,
    },
    /// Another replica of the same chunk, not older than this, was finalized in the meantime.
    #[error("chunk {chunk} was finalized by another writer at generation {present}")]
    Superseded {
        /// The chunk.
        chunk: ChunkId,
        /// The generation that is here.
        present: Generation,
    },
    /// A write or a sync failed. The replica is lost.
    #[error("can not write chunk {chunk} in {dir}: {source}")]
    Io {
        /// The chunk.
        chunk: ChunkId,
        /// On which volume.
        dir: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// What was written does not read back as it was written. The replica is lost.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A write or a sync failed before.
    #[error("an earlier write to chunk {0} failed; its replica is lost")]
    Poisoned(ChunkId),
}

/// A replica that is being written. Dropping it removes what was written.
///
/// # Invariants
/// - the data file holds `received` bytes, as far as the page cache knows, and `sums` has one for each of their units;
/// - once `poisoned`, nothing is written or synced any more.
pub struct Writer {
    shared: Arc<Shared>,
    volume: usize,
    chunk: ChunkId,
    generation: Generation,
    paths: Paths,
    data: Arc<dyn File>,
    sums: Sums,
    received: u64,
    written_back: u64,
    poisoned: bool,
    /// The temporary files have got their final names.
    finalized: bool,
}

impl Writer {
    pub(crate) fn create(
        shared: Arc<Shared>,
        volume: usize,
        chunk: ChunkId,
        generation: Generation,
    ) -> io::Result<Self> {
        let paths = Paths::temporary(
            &shared.volume(volume).dir,
            &shared.pool,
            chunk,
            shared.next_serial(),
        );
        let data = shared.disk.open(&paths.data, Open::CreateNew)?;
        let sidecar = match shared.disk.open(&paths.sidecar, Open::CreateNew) {
            Ok(sidecar) => sidecar,
            Err(error) => {
                let _ = shared.disk.remove_file(&paths.data);
                return Err(error);
            }
        };
        Ok(Self::over(
            shared, volume, chunk, generation, paths, data, sidecar,
        ))
    }

    /// A writer over two temporary files; from here on they are removed with it.
    pub(crate) fn over(
        shared: Arc<Shared>,
        volume: usize,
        chunk: ChunkId,
        generation: Generation,
        paths: Paths,
        data: Arc<dyn File>,
        sidecar: Arc<dyn File>,
    ) -> Self {
        shared.volume(volume).writer_began();
        Self {
            shared,
            volume,
            chunk,
            generation,
            paths,
            data,
            sums: Sums::new(sidecar),
            received: 0,
            written_back: 0,
            poisoned: false,
            finalized: false,
        }
    }

    /// The chunk.
    #[must_use]
    pub const fn chunk(&self) -> ChunkId {
        self.chunk
    }

    /// The generation that it will be finalized under.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The storage that it is on.
    #[must_use]
    pub fn storage(&self) -> StorageId {
        self.shared.volume(self.volume).storage
    }

    /// Bytes received.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Writes `data` at `offset`, which is where the last whole unit ends: bytes of a unit that was not full are sent
    /// again with those that follow. `sums` are stored as given; the caller has compared them with the data.
    ///
    /// # Errors
    /// See [`WriteError`]. After `Misplaced` the replica is as it was, after others it is lost.
    pub fn write(&mut self, offset: u64, data: &[u8], sums: &[u8]) -> Result<(), WriteError> {
        self.usable()?;
        let len = data.len() as u64;
        let end = offset.saturating_add(len);
        let follows = if data.is_empty() {
            offset == self.received && sums.is_empty()
        } else {
            offset == align_down(self.received)
                && (self.received..=CHUNK_SIZE_MAX).contains(&end)
                && sums.len() as u64 == units(len) * SUM
        };
        if !follows {
            return Err(WriteError::Misplaced {
                chunk: self.chunk,
                received: self.received,
                offset,
                len,
                sums: sums.len() as u64,
            });
        }
        if data.is_empty() {
            return Ok(());
        }
        let written = self.data.write_all_at(data, offset);
        self.poison_on(written)?;
        self.sums.replace(offset / UNIT, sums);
        self.received = end;
        if self.sums.is_long() {
            let spilled = self.sums.spill(self.received / UNIT);
            self.poison_on(spilled)?;
        }
        if self.received - self.written_back >= WRITEBACK_BYTES {
            let from = self.written_back;
            self.written_back = align_down(self.received);
            self.data.start_writeback(from, self.written_back - from);
        }
        Ok(())
    }

    /// Makes what was received durable, under its temporary name. It still ends with the process: this is for a writer who
    /// asks that its bytes are on the disk before it goes on.
    ///
    /// # Errors
    /// See [`WriteError`]; the replica is then lost.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        self.usable()?;
        let synced = self.data.sync_data();
        self.poison_on(synced)
    }

    /// Cuts the replica to `len` bytes.
    ///
    /// # Errors
    /// See [`WriteError`]. After `TooShort` the replica is as it was, after others it is lost.
    pub fn truncate_to(&mut self, len: u64) -> Result<(), WriteError> {
        self.usable()?;
        if len > self.received {
            return Err(WriteError::TooShort {
                chunk: self.chunk,
                received: self.received,
                asked: len,
            });
        }
        if len < self.received {
            let cut = self.cut(len);
            self.poisoned |= cut.is_err();
            cut?;
        }
        Ok(())
    }

    /// Raises the generation.
    ///
    /// # Errors
    /// When `generation` is lower than the present one.
    pub fn bump_generation(&mut self, generation: Generation) -> Result<(), WriteError> {
        self.usable()?;
        if generation < self.generation {
            return Err(WriteError::Older {
                chunk: self.chunk,
                present: self.generation,
                asked: generation,
            });
        }
        self.generation = generation;
        Ok(())
    }

    /// As [`crate::Reader::read_verified`], of what was received.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read_verified(&self, offset: u64, data: &mut [u8], sums: &mut [u8]) -> Result<(), ReadError> {
        let chunk = self.chunk;
        check_range(chunk, self.received, offset, data, sums)?;
        let io = |source| ReadError::Io { chunk, source };
        env::disk::read_exact_at(&*self.data, data, offset).map_err(io)?;
        self.sums.read(offset / UNIT, sums).map_err(io)?;
        verify(chunk, offset, data, sums)
    }

    /// Makes the replica durable under its final name. A replica of the same chunk that it replaces goes first.
    ///
    /// # Errors
    /// See [`WriteError`]; the replica is then lost.
    pub fn finalize(mut self) -> Result<Replica, WriteError> {
        self.usable()?;
        let header = Header {
            uuid: self.shared.pool.chunk_uuid(self.chunk),
            generation: self.generation,
            len: self.received,
            sums_crc: 0,
        };
        let written = self
            .sums
            .spill(self.received / UNIT)
            .and_then(|()| self.sums.complete(header));
        self.poison_on(written)?;
        let synced = self.data.sync_data().and_then(|()| self.sums.sync());
        self.poison_on(synced)?;

        let shared = Arc::clone(&self.shared);
        let _names = shared.lock_bucket(self.chunk);
        if let Some(present) = shared.index.find(self.chunk) {
            let newer = present.generation > self.generation;
            if newer || (present.generation == self.generation && present.state == ReplicaState::Finalized) {
                return Err(WriteError::Superseded {
                    chunk: self.chunk,
                    present: present.generation,
                });
            }
            // The old files go for good before the first new name is there: after a crash, a sidecar of the one beside the
            // data of the other would look like a corrupt replica.
            let removed = shared.remove_files(self.chunk, present).and_then(|()| {
                let directory = shared.paths(self.chunk, present.volume).directory;
                shared.disk.sync_dir(&directory)
            });
            self.poison_on(removed)?;
        }
        let renamed = self.rename();
        self.poison_on(renamed)?;
        self.finalized = true;
        let slot = Slot {
            generation: self.generation,
            len: self.received,
            volume: self.volume,
            state: ReplicaState::Finalized,
        };
        shared.index.put(self.chunk, slot);
        shared.volume(self.volume).replica_added(slot.len);
        Ok(shared.describe(self.chunk, slot))
    }

    /// Gives the replica up and removes what was written. Dropping does the same.
    pub fn abandon(self) {
        drop(self);
    }

    /// Takes over what the two files hold, as `header` describes it.
    pub(crate) fn adopt(&mut self, header: &Header) -> Result<(), WriteError> {
        let chunk = self.chunk;
        let whole = header.len / UNIT;
        let loaded = if header.len.is_multiple_of(UNIT) {
            self.sums.load(whole)
        } else {
            self.sums.load_with_short(whole)
        };
        loaded.map_err(|source| ReadError::Io { chunk, source })?;
        if self.sums.crc() != header.sums_crc {
            return Err(WriteError::Read(ReadError::Corrupt {
                chunk,
                offset: 0,
                why: Corruption::Sums,
            }));
        }
        self.received = header.len;
        self.written_back = align_down(header.len);
        Ok(())
    }

    const fn usable(&self) -> Result<(), WriteError> {
        if self.poisoned {
            Err(WriteError::Poisoned(self.chunk))
        } else {
            Ok(())
        }
    }

    /// A failure of the disk is final for this replica, and makes the volume prove that it still works.
    fn poison_on<T>(&mut self, outcome: io::Result<T>) -> Result<T, WriteError> {
        outcome.map_err(|source| {
            self.poisoned = true;
            let volume = self.shared.volume(self.volume);
            volume.probe(&*self.shared.disk);
            WriteError::Io {
                chunk: self.chunk,
                dir: volume.dir.clone(),
                source,
            }
        })
    }

    /// The sidecar gets its name first: data under its final name always has one.
    fn rename(&self) -> io::Result<()> {
        let disk = &*self.shared.disk;
        let to = self.shared.paths(self.chunk, self.volume);
        let volume = self.shared.volume(self.volume);
        volume.prepare_bucket(disk, bucket(self.chunk), &to.directory)?;
        let renamed = disk
            .rename(&self.paths.sidecar, &to.sidecar)
            .and_then(|()| disk.rename(&self.paths.data, &to.data))
            .and_then(|()| disk.sync_dir(&to.directory));
        if renamed.is_err() {
            // Never finalized, so never to be found.
            let _ = disk.remove_file(&to.data);
            let _ = disk.remove_file(&to.sidecar);
        }
        renamed
    }

    fn cut(&mut self, len: u64) -> Result<(), WriteError> {
        let (chunk, start) = (self.chunk, align_down(len));
        let mut last = Vec::new();
        if start < len {
            // The unit that is cut gets a new sum; what that is made from is checked first.
            let unit_len = (self.received - start).min(UNIT);
            last.resize(usize::try_from(unit_len).unwrap_or_default(), 0);
            let mut sum = [0; 4];
            env::disk::read_exact_at(&*self.data, &mut last, start)
                .and_then(|()| self.sums.read(start / UNIT, &mut sum))
                .map_err(|source| ReadError::Io { chunk, source })?;
            verify(chunk, start, &last, &sum)?;
            last.truncate(usize::try_from(len - start).unwrap_or_default());
        }
        let cut = self.data.set_len(len);
        self.poison_on(cut)?;
        let cut = self.sums.cut(start / UNIT);
        self.poison_on(cut)?;
        if !last.is_empty() {
            self.sums.replace(start / UNIT, &sum_of(&last));
        }
        self.received = len;
        self.written_back = self.written_back.min(start);
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.volume(self.volume).writer_ended();
        if self.finalized {
            return;
        }
        for path in [&self.paths.data, &self.paths.sidecar] {
            if let Err(error) = absent_is_fine(self.shared.disk.remove_file(path)) {
                tracing::warn!(path = %path.display(), %error, "could not remove a temporary file");
            }
        }
    }
}
