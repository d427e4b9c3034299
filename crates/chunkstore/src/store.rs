//! The store: volumes, and the replicas on them.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use env::clock::Clock;
use env::disk::Disk;
use types::{ChunkId, Generation, PoolId, StorageId};

use crate::adopt::Left;
use crate::index::{Index, Place, Replica, ReplicaState, Slot};
use crate::names::{BUCKETS, Paths, bucket};
use crate::pack::scan::PACKED_BYTES_MAX;
use crate::quarantine::Quarantine;
use crate::reader::{ReadError, Reader, Source};
use crate::scan::{self, ScanReport};
use crate::sidecar;
use crate::volume::{Reserve, Volume, VolumeDir};
use crate::volumes::VolumeChange;
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

pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pool: PoolId,
    /// Only ever added to: see [`crate::volumes`].
    pub(crate) volumes: RwLock<Vec<Arc<Volume>>>,
    pub(crate) index: Index,
    pub(crate) quarantine: Quarantine,
    /// One for each subdirectory: held while files in it change their names.
    buckets: Vec<Mutex<()>>,
    serial: AtomicU64,
    pub(crate) options: Options,
    /// What happened to volumes, and was not asked for yet.
    pub(crate) changes: Mutex<Vec<VolumeChange>>,
    /// Chunks whose finalized replica is being appended to, and the positions of their volumes.
    reopened: Mutex<BTreeSet<(ChunkId, usize)>>,
    /// What was being written when a volume was last used, and was not asked for yet.
    pub(crate) left: Mutex<Vec<Left>>,
    /// Volumes are taken in one after the other.
    pub(crate) attaching: Mutex<()>,
}

/// Space that is kept for a replica whose length nobody knows.
const EXPECTED_BYTES: u64 = 64 << 20;

/// How a store is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What is left alone on every volume.
    pub reserve: Reserve,
    /// Replicas of up to this many bytes share files with others; longer ones have files of their own. At most 1 MiB; 0:
    /// none is packed. May be changed at every start.
    pub packed_max: u64,
    /// How long deleted replicas rest; zero: they do not.
    pub quarantine_retention: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reserve: Reserve::Auto,
            packed_max: 64 << 10,
            quarantine_retention: Duration::from_secs(3600),
        }
    }
}

/// The replicas of a datanode. Cloning is cheap; clones are the same store.
#[derive(Clone)]
pub struct ChunkStore(pub(crate) Arc<Shared>);

impl ChunkStore {
    /// Opens the volumes, removes what was being written when the process last ended and had not been synced, and builds the
    /// index. What had been is had by [`ChunkStore::adopt`].
    ///
    /// A volume that can not be read or prepared is isolated; it is told of by [`ChunkStore::take_volume_changes`].
    ///
    /// # Errors
    /// When there is no volume that can be used. What is wrong with single files is in the report.
    pub fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        pool: PoolId,
        volumes: Vec<VolumeDir>,
        options: Options,
    ) -> Result<(Self, ScanReport), OpenError> {
        let options = Options {
            packed_max: options.packed_max.min(PACKED_BYTES_MAX),
            ..options
        };
        let shared = Shared {
            volumes: RwLock::default(),
            buckets: (0..BUCKETS).map(|_| Mutex::new(())).collect(),
            index: Index::default(),
            quarantine: Quarantine::default(),
            serial: AtomicU64::new(0),
            options,
            changes: Mutex::default(),
            attaching: Mutex::default(),
            reopened: Mutex::default(),
            left: Mutex::default(),
            disk,
            clock,
            pool,
        };
        let mut report = ScanReport::default();
        let (mut usable, mut failed) = (0, None);
        for place in volumes {
            let (position, volume) = shared.add_volume(Volume::new(&shared.disk, place, options.reserve));
            let scan = |report: &mut ScanReport| {
                volume.prepare(&*shared.disk)?;
                shared.note_left(position, shared.empty_temporary(&volume, report)?);
                scan::volume(&shared, position, &volume, report)
            };
            match scan(&mut report) {
                Ok(()) => usable += 1,
                Err(source) => {
                    shared.isolate(position, format!("it can not be looked through: {source}"));
                    failed.get_or_insert(OpenError::Volume {
                        dir: volume.dir.clone(),
                        source,
                    });
                }
            }
        }
        match failed {
            Some(error) if usable == 0 => Err(error),
            None if usable == 0 => Err(OpenError::NoVolumes),
            _ => Ok((Self(Arc::new(shared)), report)),
        }
    }

    /// The block pool whose chunks are kept here.
    #[must_use]
    pub fn pool(&self) -> &PoolId {
        &self.0.pool
    }

    /// Begins a replica of unknown length: see [`ChunkStore::create_expecting`]. A chunk of the usual size may not fit, and
    /// is then refused when it is written.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn create(&self, chunk: ChunkId, generation: Generation) -> Result<Writer, CreateError> {
        self.begin(chunk, generation, None, None)
    }

    /// Begins a replica of at most `len` bytes on the volume that has the most room, and keeps room for all of it. Nothing
    /// of it is visible before it is finalized.
    ///
    /// A replica of a lower generation, or one marked as corrupt, may be here; it is replaced when the new one is
    /// finalized. Where a volume is short of space, replicas that rest in quarantine make room.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn create_expecting(
        &self,
        chunk: ChunkId,
        generation: Generation,
        len: u64,
    ) -> Result<Writer, CreateError> {
        self.begin(chunk, generation, Some(len), None)
    }

    /// As [`ChunkStore::create_expecting`], but on the volume of `wish` where that is one that works and has room.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn create_on(
        &self,
        chunk: ChunkId,
        generation: Generation,
        len: u64,
        wish: Option<StorageId>,
    ) -> Result<Writer, CreateError> {
        self.begin(chunk, generation, Some(len), wish)
    }

    fn begin(
        &self,
        chunk: ChunkId,
        generation: Generation,
        len: Option<u64>,
        wish: Option<StorageId>,
    ) -> Result<Writer, CreateError> {
        let shared = &self.0;
        if let Some(present) = shared.index.find(chunk)
            && (present.generation > generation
                || (present.generation == generation && present.state == ReplicaState::Finalized))
        {
            return Err(CreateError::Exists {
                chunk,
                present: present.generation,
                asked: generation,
            });
        }
        // Without a length, any room will do; with one, all of it is needed, and its sums.
        let needed = len.map_or(1, |len| len.saturating_add(sidecar::file_len(len)));
        let Some(position) = shared.place_for(wish, needed) else {
            return Err(CreateError::NoRoom {
                chunk,
                why: shared.why_no_room(needed),
            });
        };
        let promised = len.map_or(EXPECTED_BYTES, |_| needed);
        Writer::create(Arc::clone(shared), position, chunk, generation, promised).map_err(|source| {
            shared.examine(position);
            CreateError::Io {
                chunk,
                dir: shared.volume(position).dir.clone(),
                source,
            }
        })
    }

    /// Opens a finalized replica for reading.
    ///
    /// # Errors
    /// When there is none, it is marked as corrupt, or its sidecar is broken.
    pub fn open_replica(&self, chunk: ChunkId) -> Result<Reader, OpenReplicaError> {
        let _names = self.0.lock_bucket(chunk);
        self.0.open_replica(chunk)
    }
}

impl Shared {
    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// A file with this number is there.
    pub(crate) fn serial_taken(&self, serial: u64) {
        self.serial.fetch_max(serial.saturating_add(1), Ordering::Relaxed);
    }

    fn reopened(&self) -> MutexGuard<'_, BTreeSet<(ChunkId, usize)>> {
        self.reopened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False when it is being appended to already. A volume that has come back has another position: what still holds the replica
    /// at the old one appends nothing any more.
    pub(crate) fn begin_reopened(&self, chunk: ChunkId, volume: usize) -> bool {
        self.reopened().insert((chunk, volume))
    }

    pub(crate) fn end_reopened(&self, chunk: ChunkId, volume: usize) {
        self.reopened().remove(&(chunk, volume));
    }

    /// Whether the finalized replica of `chunk` on the volume at this position is being appended to.
    pub(crate) fn is_reopened(&self, chunk: ChunkId, volume: usize) -> bool {
        self.reopened().contains(&(chunk, volume))
    }

    pub(crate) fn lock_bucket(&self, chunk: ChunkId) -> MutexGuard<'_, ()> {
        #[expect(clippy::indexing_slicing, reason = "one lock for each value of `bucket`")]
        let lock = &self.buckets[bucket(chunk)];
        lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The volume for `needed` bytes: that of `wish` where it works and has room, else the roomiest.
    pub(crate) fn place_for(&self, wish: Option<StorageId>, needed: u64) -> Option<usize> {
        let wished = wish.and_then(|storage| self.position_with_room(storage, needed));
        wished.or_else(|| self.roomiest(needed))
    }

    /// Where `storage` is, when it works and has `needed` bytes of room.
    fn position_with_room(&self, storage: StorageId, needed: u64) -> Option<usize> {
        let position = self.position_of(storage)?;
        let room = self.volume(position).room(&*self.disk)?;
        (room >= needed).then_some(position)
    }

    /// The working volume with the most room, of those with at least `needed` bytes of it. Of equals the first. Where none
    /// has, what rests in quarantine makes room, on the volume where most does.
    fn roomiest(&self, needed: u64) -> Option<usize> {
        let disk = &*self.disk;
        let volumes = self.volumes();
        let rooms = volumes.iter().enumerate();
        let rooms = rooms.filter_map(|(position, volume)| Some((position, volume.room(disk)?)));
        let (mut best, mut roomy) = (None, Vec::new());
        for (position, room) in rooms {
            let (_, resting) = self.quarantine.bytes(position);
            roomy.push((position, room.saturating_add(resting)));
            // `max_by_key` would take the last.
            if room >= needed && best.is_none_or(|(_, most)| room > most) {
                best = Some((position, room));
            }
        }
        if let Some((position, _)) = best {
            return Some(position);
        }
        roomy.retain(|(_, room)| *room >= needed);
        roomy.sort_by_key(|(_, room)| std::cmp::Reverse(*room));
        let mut candidates = roomy.into_iter().map(|(position, _)| position);
        candidates.find(|position| self.make_room(*position, needed))
    }

    pub(crate) fn why_no_room(&self, needed: u64) -> String {
        let disk = &*self.disk;
        let volumes = self.volumes();
        let present = volumes.iter().filter(|volume| !volume.is_detached());
        let reasons = present.map(|volume| {
            let why = match (volume.failure(), volume.space(disk)) {
                (Some(failed), _) => format!("it can not be used: {failed}"),
                (None, Err(error)) => format!("its free space is not known: {error}"),
                (None, Ok((_, 0))) => "it has no free space beyond its reserve".to_owned(),
                (None, Ok((_, free))) => {
                    let left = volume.room(disk).unwrap_or_default();
                    format!(
                        "{needed} bytes are needed; beyond its reserve {free} are free, of which {left} are not kept for \
                         replicas that are being written"
                    )
                }
            };
            format!("{}: {why}", volume.dir.display())
        });
        reasons.collect::<Vec<_>>().join("; ")
    }

    pub(crate) fn describe(&self, chunk: ChunkId, slot: Slot) -> Replica {
        Replica {
            chunk,
            generation: slot.generation,
            len: slot.len,
            storage: self.volume(slot.volume).storage,
            state: slot.state,
        }
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
        Ok(self.open_slot(chunk, slot)?)
    }

    /// Opens a replica, whatever is known of it. The caller holds the chunk's bucket.
    pub(crate) fn open_slot(&self, chunk: ChunkId, slot: Slot) -> Result<Reader, ReadError> {
        let source = match slot.place {
            Place::Files => Source::of_files(&*self.disk, &self.paths(chunk, slot.volume), chunk)?,
            Place::Packed(spot) => Source::of_pack(&self.volume(slot.volume).packs, spot, chunk)?,
        };
        Reader::open(self, source, chunk, slot)
    }

    /// Removes a finalized replica from the disk and from the index; `durably`: so that it does not come back after a crash, as
    /// a corrupt one never does, for its mark goes. Of files the data goes first: a sidecar alone is known, at the next start,
    /// for what it is. The caller holds the chunk's bucket.
    pub(crate) fn remove_replica(&self, chunk: ChunkId, slot: Slot, durably: bool) -> io::Result<()> {
        let durably = durably || slot.is_corrupt();
        match slot.place {
            Place::Files => {
                let paths = self.paths(chunk, slot.volume);
                absent_is_fine(self.disk.remove_file(&paths.data))?;
                self.index.remove(chunk);
                absent_is_fine(self.disk.remove_file(&paths.sidecar))?;
                if durably {
                    self.disk.sync_dir(&paths.directory)?;
                }
            }
            Place::Packed(spot) => {
                self.volume(slot.volume).packs.retire(spot, slot.len, durably)?;
                self.index.remove(chunk);
            }
        }
        self.unmark_corrupt(chunk, &slot);
        Ok(())
    }

    /// Removes what is left on the disk of a replica whose place in the index another one has taken; durably, when it is
    /// corrupt, for its mark goes. The caller holds the chunk's bucket.
    pub(crate) fn erase(&self, chunk: ChunkId, slot: Slot) -> io::Result<()> {
        match slot.place {
            Place::Files => {
                let paths = self.paths(chunk, slot.volume);
                absent_is_fine(self.disk.remove_file(&paths.data))?;
                absent_is_fine(self.disk.remove_file(&paths.sidecar))?;
                if slot.is_corrupt() {
                    self.disk.sync_dir(&paths.directory)?;
                }
            }
            Place::Packed(spot) => {
                let packs = &self.volume(slot.volume).packs;
                packs.retire(spot, slot.len, slot.is_corrupt())?;
            }
        }
        self.unmark_corrupt(chunk, &slot);
        Ok(())
    }
}

pub(crate) fn absent_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
