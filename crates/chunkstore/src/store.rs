//! The store: volumes, and the replicas on them.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use env::disk::Disk;
use types::{ChunkId, Generation, PoolId, StorageId};

use crate::index::{Index, Place, Replica, ReplicaState, Slot};
use crate::names::{BUCKETS, Paths, bucket};
use crate::pack::scan::PACKED_BYTES_MAX;
use crate::reader::{ReadError, Reader, Source};
use crate::scan::{self, ScanReport};
use crate::volume::{Reserve, Volume, VolumeDir, VolumeStatus};
use crate::writer::Writer;

/// Why a store can not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No directory was given.
    #[error("a chunk store needs at least one directory")]
    NoVolumes,
    /// A directory can not be read or prepared.
    #[error("can not open the volume {dir}: {source}")]
    Volume {
        /// Which one.
        dir: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

/// Why a replica can not be begun.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// There is one already, and it is not older.
    #[error("chunk {chunk} is here already, at generation {present} (asked for: {asked})")]
    Exists {
        /// The chunk.
        chunk: ChunkId,
        /// The generation that is here.
        present: Generation,
        /// The generation that was to be created.
        asked: Generation,
    },
    /// No volume has room.
    #[error("no volume can take chunk {chunk}: {why}")]
    NoRoom {
        /// The chunk.
        chunk: ChunkId,
        /// Each volume and what is wrong with it.
        why: String,
    },
    /// The files can not be made.
    #[error("can not begin chunk {chunk} in {dir}: {source}")]
    Io {
        /// The chunk.
        chunk: ChunkId,
        /// On which volume.
        dir: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

/// Why a finalized replica can not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenReplicaError {
    /// There is none.
    #[error("chunk {0} is not here")]
    Unknown(ChunkId),
    /// It is marked as corrupt.
    #[error("the replica of chunk {chunk} at generation {generation} is corrupt")]
    MarkedCorrupt {
        /// The chunk.
        chunk: ChunkId,
        /// Its generation.
        generation: Generation,
    },
    /// It can not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
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
    /// It is not corrupt.
    #[error("the replica of chunk {chunk} at generation {generation} is not corrupt")]
    NotCorrupt {
        /// The chunk.
        chunk: ChunkId,
        /// Its generation.
        generation: Generation,
    },
    /// Its files can not be removed.
    #[error("can not delete chunk {chunk}: {source}")]
    Io {
        /// The chunk.
        chunk: ChunkId,
        /// What the file system said.
        source: io::Error,
    },
}

pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) pool: PoolId,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) index: Index,
    /// One for each subdirectory: held while files in it change their names.
    buckets: Vec<Mutex<()>>,
    serial: AtomicU64,
    /// Replicas up to this length are packed.
    pub(crate) packed_max: u64,
}

/// How a store is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What is left alone on every volume.
    pub reserve: Reserve,
    /// Replicas of up to this many bytes share files with others; longer ones have files of their own. At most 1 MiB; 0:
    /// none is packed. May be changed at every start.
    pub packed_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reserve: Reserve::Auto,
            packed_max: 64 << 10,
        }
    }
}

/// The replicas of a datanode. Cloning is cheap; clones are the same store.
#[derive(Clone)]
pub struct ChunkStore(pub(crate) Arc<Shared>);

impl ChunkStore {
    /// Opens the volumes, removes what was being written when the process last ended, and builds the index.
    ///
    /// # Errors
    /// When a directory can not be read or prepared. What is wrong with single files is in the report.
    pub fn open(
        disk: Arc<dyn Disk>,
        pool: PoolId,
        volumes: Vec<VolumeDir>,
        options: Options,
    ) -> Result<(Self, ScanReport), OpenError> {
        if volumes.is_empty() {
            return Err(OpenError::NoVolumes);
        }
        let shared = Shared {
            volumes: (volumes.into_iter())
                .map(|place| Volume::new(&disk, place, options.reserve))
                .collect(),
            buckets: (0..BUCKETS).map(|_| Mutex::new(())).collect(),
            index: Index::default(),
            serial: AtomicU64::new(0),
            packed_max: options.packed_max.min(PACKED_BYTES_MAX),
            disk,
            pool,
        };
        let mut report = ScanReport::default();
        for (position, volume) in shared.volumes.iter().enumerate() {
            scan::volume(&shared, position, volume, &mut report).map_err(|source| OpenError::Volume {
                dir: volume.dir.clone(),
                source,
            })?;
        }
        Ok((Self(Arc::new(shared)), report))
    }

    /// The block pool whose chunks are kept here.
    #[must_use]
    pub fn pool(&self) -> &PoolId {
        &self.0.pool
    }

    /// Begins a replica on the volume that has the most room. Nothing of it is visible before it is finalized.
    ///
    /// A replica of a lower generation, or one marked as corrupt, may be here; it is replaced when the new one is
    /// finalized.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn create(&self, chunk: ChunkId, generation: Generation) -> Result<Writer, CreateError> {
        if let Some(present) = self.0.index.find(chunk)
            && (present.generation > generation
                || (present.generation == generation && present.state == ReplicaState::Finalized))
        {
            return Err(CreateError::Exists {
                chunk,
                present: present.generation,
                asked: generation,
            });
        }
        let best = (self.0.volumes.iter().enumerate())
            .filter_map(|(position, volume)| Some((position, volume, volume.room(&*self.0.disk)?)))
            // Of equals the first: `max_by_key` would take the last.
            .reduce(|best, next| if next.2 > best.2 { next } else { best });
        let Some((position, volume, _)) = best else {
            return Err(CreateError::NoRoom {
                chunk,
                why: self.why_no_room(),
            });
        };
        Writer::create(Arc::clone(&self.0), position, chunk, generation).map_err(|source| {
            volume.probe(&*self.0.disk);
            CreateError::Io {
                chunk,
                dir: volume.dir.clone(),
                source,
            }
        })
    }

    /// The replica of `chunk`.
    #[must_use]
    pub fn replica(&self, chunk: ChunkId) -> Option<Replica> {
        self.0.index.find(chunk).map(|slot| self.0.describe(chunk, slot))
    }

    /// Up to `limit` replicas with ids above `after`, in the order of ids.
    #[must_use]
    pub fn replicas(&self, after: Option<ChunkId>, limit: usize) -> Vec<Replica> {
        let page = self.0.index.page(after, limit).into_iter();
        page.map(|(chunk, slot)| self.0.describe(chunk, slot)).collect()
    }

    /// The storages, in the order of the volumes.
    #[must_use]
    pub fn storages(&self) -> Vec<StorageId> {
        self.0.volumes.iter().map(|volume| volume.storage).collect()
    }

    /// What there is to say about each volume. One that failed is tried again.
    #[must_use]
    pub fn volumes(&self) -> Vec<VolumeStatus> {
        let disk = &*self.0.disk;
        let status = |volume: &Volume| {
            if volume.failure().is_some() {
                volume.probe(disk);
            }
            volume.status(disk)
        };
        self.0.volumes.iter().map(status).collect()
    }

    /// Opens a finalized replica for reading.
    ///
    /// # Errors
    /// When there is none, it is marked as corrupt, or its sidecar is broken.
    pub fn open_replica(&self, chunk: ChunkId) -> Result<Reader, OpenReplicaError> {
        let _names = self.0.lock_bucket(chunk);
        self.0.open_replica(chunk)
    }

    /// Marks a replica as corrupt, when it is still this generation: it is not opened any more, and a new replica of the
    /// same generation may take its place. Says whether it was there and not marked before.
    #[must_use]
    pub fn mark_corrupt(&self, chunk: ChunkId, generation: Generation) -> bool {
        self.0.index.mark_corrupt(chunk, generation)
    }

    /// Deletes a replica, at exactly this generation. Gives what was deleted.
    ///
    /// # Errors
    /// See [`DeleteError`].
    pub fn delete(&self, chunk: ChunkId, generation: Generation) -> Result<Replica, DeleteError> {
        self.delete_if(chunk, generation, false)
    }

    /// As [`delete`](Self::delete), when it is marked as corrupt: a whole one that has taken its place stays.
    ///
    /// # Errors
    /// See [`DeleteError`].
    pub fn delete_corrupt(&self, chunk: ChunkId, generation: Generation) -> Result<Replica, DeleteError> {
        self.delete_if(chunk, generation, true)
    }

    fn delete_if(
        &self,
        chunk: ChunkId,
        generation: Generation,
        only_corrupt: bool,
    ) -> Result<Replica, DeleteError> {
        let _names = self.0.lock_bucket(chunk);
        let slot = self.0.index.find(chunk).ok_or(DeleteError::Unknown(chunk))?;
        if slot.generation != generation {
            return Err(DeleteError::Generation {
                chunk,
                present: slot.generation,
                asked: generation,
            });
        }
        if only_corrupt && slot.state != ReplicaState::Corrupt {
            return Err(DeleteError::NotCorrupt { chunk, generation });
        }
        self.0
            .remove_replica(chunk, slot, false)
            .map_err(|source| DeleteError::Io { chunk, source })?;
        Ok(self.0.describe(chunk, slot))
    }

    fn why_no_room(&self) -> String {
        let disk = &*self.0.disk;
        let reasons = self.0.volumes.iter().map(|volume| {
            let why = match (volume.failure(), volume.space(disk)) {
                (Some(failed), _) => format!("it can not be written to: {failed}"),
                (None, Err(error)) => format!("its free space is not known: {error}"),
                (None, Ok(_)) => "it has no free space beyond its reserve".to_owned(),
            };
            format!("{}: {why}", volume.dir.display())
        });
        reasons.collect::<Vec<_>>().join("; ")
    }
}

impl Shared {
    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn lock_bucket(&self, chunk: ChunkId) -> MutexGuard<'_, ()> {
        #[expect(clippy::indexing_slicing, reason = "one lock for each value of `bucket`")]
        let lock = &self.buckets[bucket(chunk)];
        lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the positions in the index are those of the list, which never changes"
    )]
    pub(crate) fn volume(&self, position: usize) -> &Volume {
        &self.volumes[position]
    }

    pub(crate) fn describe(&self, chunk: ChunkId, slot: Slot) -> Replica {
        Replica {
            chunk,
            generation: slot.generation,
            len: slot.len,
            storage: self.storage(slot.volume),
            state: slot.state,
        }
    }

    fn storage(&self, position: usize) -> StorageId {
        self.volume(position).storage
    }

    pub(crate) fn paths(&self, chunk: ChunkId, position: usize) -> Paths {
        Paths::finalized(&self.volume(position).dir, &self.pool, chunk)
    }

    /// The caller holds the chunk's bucket.
    pub(crate) fn open_replica(&self, chunk: ChunkId) -> Result<Reader, OpenReplicaError> {
        let slot = self.index.find(chunk).ok_or(OpenReplicaError::Unknown(chunk))?;
        if slot.state == ReplicaState::Corrupt {
            return Err(OpenReplicaError::MarkedCorrupt {
                chunk,
                generation: slot.generation,
            });
        }
        let source = match slot.place {
            Place::Files => Source::of_files(&*self.disk, &self.paths(chunk, slot.volume), chunk)?,
            Place::Packed(spot) => Source::of_pack(&self.volume(slot.volume).packs, spot, chunk)?,
        };
        Ok(Reader::open(&self.pool, source, chunk, slot)?)
    }

    /// Removes a finalized replica from the disk and from the index; `durably`: so that it does not come back after a crash.
    /// Of files the data goes first: a sidecar alone is known, at the next start, for what it is. The caller holds the
    /// chunk's bucket.
    pub(crate) fn remove_replica(&self, chunk: ChunkId, slot: Slot, durably: bool) -> io::Result<()> {
        let volume = self.volume(slot.volume);
        match slot.place {
            Place::Files => {
                let paths = self.paths(chunk, slot.volume);
                absent_is_fine(self.disk.remove_file(&paths.data))?;
                self.index.remove(chunk);
                volume.replica_removed(slot.len);
                absent_is_fine(self.disk.remove_file(&paths.sidecar))?;
                if durably {
                    self.disk.sync_dir(&paths.directory)?;
                }
            }
            Place::Packed(spot) => {
                volume.packs.retire(spot, slot.len, durably)?;
                self.index.remove(chunk);
                volume.replica_removed(slot.len);
            }
        }
        Ok(())
    }
}

pub(crate) fn absent_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
