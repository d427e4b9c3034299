//! A replica that is being written.
//!
//! It begins in memory ([`held`]). One that stays small is packed with others when it is finalized; one that grows, or
//! whose writer asks for its bytes on the disk before that, goes on in files of its own ([`files`]).

mod error;
mod files;
mod growing;
mod held;

use std::io;
use std::sync::{Arc, MutexGuard};

use types::limits::CHUNK_SIZE_MAX;
use types::{ChunkId, Generation, StorageId};

use crate::index::{Place, Replica, ReplicaState, Slot};
use crate::names::{Paths, bucket};
use crate::pack::Entry;
use crate::reader::{ReadError, check_range, verify};
use crate::sidecar::Header;
use crate::store::Shared;
use crate::units::{SUM, UNIT, align_down, sum_of, units};

pub use error::WriteError;
pub(crate) use files::Files;
pub use growing::{Growing, GrowingError};
use growing::{Growth, Shape};
pub(crate) use held::Held;

/// A replica that is being written. Dropping it removes what was written.
///
/// # Invariants
/// - Once `poisoned`, nothing is written or synced any more.
/// - A byte that was received is never changed: what is sent again is compared with what is here.
pub struct Writer {
    shared: Arc<Shared>,
    volume: usize,
    chunk: ChunkId,
    /// What those who read it meanwhile see, too.
    growth: Arc<Growth>,
    /// What it may still take of the space that was kept for it.
    promised: u64,
    poisoned: bool,
}

/// Where the bytes are.
pub(crate) enum Body {
    Held(Held),
    Files(Box<Files>),
}

/// What ends a replica in the middle.
pub(crate) enum Broken {
    Disk(io::Error),
    Read(ReadError),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<ReadError> for Broken {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl Writer {
    pub(crate) fn create(
        shared: Arc<Shared>,
        volume: usize,
        chunk: ChunkId,
        generation: Generation,
        promised: u64,
    ) -> io::Result<Self> {
        let body = if shared.options.packed_max > 0 {
            Body::Held(Held::default())
        } else {
            Body::Files(Box::new(new_files(&shared, volume, chunk)?))
        };
        Ok(Self::over(shared, volume, chunk, generation, body, 0, promised))
    }

    /// A writer that goes on behind `received` bytes, and may take `promised` more.
    pub(crate) fn over(
        shared: Arc<Shared>,
        volume: usize,
        chunk: ChunkId,
        generation: Generation,
        body: Body,
        received: u64,
        promised: u64,
    ) -> Self {
        shared.volume(volume).promise(promised);
        Self {
            shared,
            volume,
            chunk,
            growth: Arc::new(Growth::new(Shape {
                body: Some(body),
                generation,
                received,
            })),
            promised,
            poisoned: false,
        }
    }

    fn shape(&self) -> MutexGuard<'_, Shape> {
        self.growth.lock()
    }

    /// For those who read the replica while it is written.
    #[must_use]
    pub fn growing(&self) -> Growing {
        Growing::new(self.chunk, Arc::clone(&self.growth))
    }

    /// The chunk.
    #[must_use]
    pub const fn chunk(&self) -> ChunkId {
        self.chunk
    }

    /// The generation that it will be finalized under.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.shape().generation
    }

    /// The storage that it is on.
    #[must_use]
    pub fn storage(&self) -> StorageId {
        self.shared.volume(self.volume).storage
    }

    /// Bytes received.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.shape().received
    }

    /// Writes `data` at `offset`, a multiple of 512 that is not behind the last whole unit. Bytes that are here already are
    /// compared, as far as checksums tell, and kept: after a repair they are sent again to all, whoever had them. `sums` are
    /// stored as given; the caller has compared them with the data. No data: `offset` is not behind what was received.
    ///
    /// # Errors
    /// See [`WriteError`]. After `Misplaced` and `Differs` the replica is as it was, after others it is lost.
    pub fn write(&mut self, offset: u64, data: &[u8], sums: &[u8]) -> Result<(), WriteError> {
        self.usable()?;
        let len = data.len() as u64;
        let end = offset.saturating_add(len);
        let growth = Arc::clone(&self.growth);
        let mut shape = growth.lock();
        let received = shape.received;
        let follows = if data.is_empty() {
            offset <= received && sums.is_empty()
        } else {
            offset.is_multiple_of(UNIT)
                && offset <= align_down(received)
                && end <= CHUNK_SIZE_MAX
                && sums.len() as u64 == units(len) * SUM
        };
        if !follows {
            return Err(WriteError::Misplaced {
                chunk: self.chunk,
                received,
                offset,
                len,
                sums: sums.len() as u64,
            });
        }
        if data.is_empty() {
            return Ok(());
        }
        match known(&shape, offset, data, sums) {
            Ok(true) => {}
            Ok(false) => {
                return Err(WriteError::Differs {
                    chunk: self.chunk,
                    offset,
                    len,
                });
            }
            Err(error) => return self.poison_on(Err(error)),
        }
        if end <= received {
            return Ok(());
        }
        let start = align_down(received);
        let skip = start - offset;
        let data = data.get(index(skip)..).unwrap_or_default();
        let sums = sums.get(index(skip / UNIT * SUM)..).unwrap_or_default();
        if end > self.shared.options.packed_max {
            self.in_files(&mut shape)?;
        }
        let written = match &mut shape.body {
            Some(Body::Held(held)) => {
                held.write(start, data, sums);
                Ok(())
            }
            Some(Body::Files(files)) => files.write(start, data, sums),
            None => Err(gone()),
        };
        self.poison_on(written)?;
        if matches!(shape.body, Some(Body::Files(_))) {
            // The file system counts it from now on.
            let taken = (end - received).min(self.promised);
            self.shared.volume(self.volume).release(taken);
            self.promised -= taken;
        }
        shape.received = end;
        Ok(())
    }

    /// Whether the replica ends at `len`.
    ///
    /// # Errors
    /// `Misplaced` when not; the replica is as it was.
    pub fn ends_at(&self, len: u64) -> Result<(), WriteError> {
        let received = self.received();
        if received == len {
            return Ok(());
        }
        Err(WriteError::Misplaced {
            chunk: self.chunk,
            received,
            offset: len,
            len: 0,
            sums: 0,
        })
    }

    /// Makes what was received durable, under its temporary name. It still ends with the process: this is for a writer who
    /// asks that its bytes are on the disk before it goes on.
    ///
    /// # Errors
    /// See [`WriteError`]; the replica is then lost.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        self.usable()?;
        let growth = Arc::clone(&self.growth);
        let mut shape = growth.lock();
        self.in_files(&mut shape)?;
        let synced = match &shape.body {
            Some(Body::Files(files)) => files.sync_data(),
            Some(Body::Held(_)) => Ok(()),
            None => Err(gone()),
        };
        self.poison_on(synced)
    }

    /// Cuts the replica to `len` bytes.
    ///
    /// # Errors
    /// See [`WriteError`]. After `TooShort` the replica is as it was, after others it is lost.
    pub fn truncate_to(&mut self, len: u64) -> Result<(), WriteError> {
        self.usable()?;
        let growth = Arc::clone(&self.growth);
        let mut shape = growth.lock();
        let received = shape.received;
        if len > received {
            return Err(WriteError::TooShort {
                chunk: self.chunk,
                received,
                asked: len,
            });
        }
        if len < received {
            let cut = match &mut shape.body {
                Some(Body::Held(held)) => held.cut(self.chunk, len).map_err(Broken::Read),
                Some(Body::Files(files)) => files.cut(self.chunk, len),
                None => Err(Broken::Disk(gone())),
            };
            match cut {
                Ok(()) => shape.received = len,
                Err(Broken::Disk(error)) => self.poison_on(Err(error))?,
                Err(Broken::Read(error)) => {
                    self.poisoned = true;
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// Raises the generation.
    ///
    /// # Errors
    /// When `generation` is lower than the present one.
    pub fn bump_generation(&mut self, generation: Generation) -> Result<(), WriteError> {
        self.usable()?;
        let mut shape = self.shape();
        if generation < shape.generation {
            return Err(WriteError::Older {
                chunk: self.chunk,
                present: shape.generation,
                asked: generation,
            });
        }
        shape.generation = generation;
        Ok(())
    }

    /// As [`crate::Reader::read_verified`], of what was received.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read_verified(&self, offset: u64, data: &mut [u8], sums: &mut [u8]) -> Result<(), ReadError> {
        let chunk = self.chunk;
        let shape = self.shape();
        check_range(chunk, shape.received, offset, data, sums)?;
        let read = shape.read(offset, data, sums);
        read.map_err(|source| ReadError::Io { chunk, source })?;
        verify(chunk, offset, data, sums)
    }

    /// Makes the replica durable under its final name. A replica of the same chunk that it replaces goes; one that is
    /// corrupt, in the same generation, only once this one is in its place.
    ///
    /// # Errors
    /// See [`WriteError`]; the replica is then lost.
    pub fn finalize(self) -> Result<Replica, WriteError> {
        self.finalize_over(None)
    }

    /// As [`Writer::finalize`], of a copy of the replica at `from`, which goes once this one is there.
    pub(crate) fn finalize_over(mut self, from: Option<Slot>) -> Result<Replica, WriteError> {
        self.usable()?;
        let growth = Arc::clone(&self.growth);
        let mut shape = growth.lock();
        let (generation, len) = (shape.generation, shape.received);
        let header = Header {
            uuid: self.shared.pool.chunk_uuid(self.chunk),
            generation,
            len,
            sums_crc: 0,
        };
        let shared = Arc::clone(&self.shared);
        let in_files = matches!(shape.body, Some(Body::Files(_)));
        let completed = match &mut shape.body {
            Some(Body::Held(_)) => Ok(()),
            Some(Body::Files(files)) => shared.timed_sync(self.volume, || files.complete(header)),
            None => Err(gone()),
        };
        self.poison_on(completed)?;

        let _names = shared.lock_bucket(self.chunk);
        let present = shared.index.find(self.chunk);
        if from.is_some() && from != present {
            // What was copied has changed, or is gone.
            return Err(WriteError::Superseded {
                chunk: self.chunk,
                present: present.map_or(generation, |present| present.generation),
            });
        }
        let mut replaced = None;
        if let Some(present) = present {
            let same = present.generation == generation;
            if from.is_some() || (same && present.state == ReplicaState::Corrupt) {
                replaced = Some(present);
            } else if same || present.generation > generation {
                return Err(WriteError::Superseded {
                    chunk: self.chunk,
                    present: present.generation,
                });
            } else {
                // The old one goes for good before the new one is there: after a crash, a sidecar of the one beside the data
                // of the other would look like a corrupt replica.
                let removed = shared.remove_replica(self.chunk, present, true);
                self.poison_on(removed)?;
            }
        }
        let body = shape.body.take();
        let place = shared.timed_sync(self.volume, || self.settle(body, header));
        let slot = match place {
            Ok(place) => Slot {
                generation,
                len,
                volume: self.volume,
                place,
                state: ReplicaState::Finalized,
            },
            Err(error) => {
                let shares_names =
                    |old: &Slot| in_files && old.volume == self.volume && old.place == Place::Files;
                if let Some(old) = replaced.filter(shares_names) {
                    // The names that both would have are gone.
                    shared.index.remove(self.chunk);
                    shared.unmark_corrupt(self.chunk, &old);
                }
                return self.poison_on(Err(error));
            }
        };
        if !shared.index.put(self.chunk, slot) {
            let isolated = io::Error::other("its volume is not used any more");
            return self.poison_on(Err(isolated));
        }
        if let Some(old) = replaced {
            let in_place = (old.volume, old.place) == (slot.volume, slot.place);
            let gone = if in_place {
                shared.unmark_corrupt(self.chunk, &old);
                Ok(())
            } else {
                shared.erase(self.chunk, old)
            };
            if let Err(error) = gone {
                tracing::warn!(chunk = %self.chunk, %error, "could not remove a replica that was replaced");
            }
        }
        Ok(shared.describe(self.chunk, slot))
    }

    /// Gives the replica up and removes what was written. Dropping does the same.
    pub fn abandon(self) {
        drop(self);
    }

    /// Puts the bytes where they stay.
    fn settle(&self, body: Option<Body>, header: Header) -> io::Result<Place> {
        let volume = self.shared.volume(self.volume);
        match body {
            Some(Body::Held(Held { data, sums })) => {
                let header = Header {
                    sums_crc: crc_fast::crc32_iscsi(&sums),
                    ..header
                };
                let spots = volume.packs.append(vec![Entry { header, sums, data }])?;
                let spot = spots.first().copied().ok_or(io::ErrorKind::UnexpectedEof)?;
                Ok(Place::Packed(spot))
            }
            Some(Body::Files(mut files)) => {
                let to = self.shared.paths(self.chunk, self.volume);
                files.name(&volume, bucket(self.chunk), &to)?;
                Ok(Place::Files)
            }
            None => Err(gone()),
        }
    }

    /// From here on in files of its own.
    fn in_files(&mut self, shape: &mut Shape) -> Result<(), WriteError> {
        let Some(Body::Held(held)) = &mut shape.body else {
            return Ok(());
        };
        let Held { data, sums } = std::mem::take(held);
        let begun = new_files(&self.shared, self.volume, self.chunk).and_then(|mut files| {
            if !data.is_empty() {
                files.write(0, &data, &sums)?;
            }
            Ok(files)
        });
        shape.body = Some(Body::Files(Box::new(self.poison_on(begun)?)));
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
            self.shared.examine(self.volume);
            WriteError::Io {
                chunk: self.chunk,
                dir: self.shared.volume(self.volume).dir.clone(),
                source,
            }
        })
    }
}

fn new_files(shared: &Shared, volume: usize, chunk: ChunkId) -> io::Result<Files> {
    let paths = Paths::temporary(
        &shared.volume(volume).dir,
        &shared.pool,
        chunk,
        shared.next_serial(),
    );
    Files::create(Arc::clone(&shared.disk), paths)
}

impl Shared {
    /// Notes how long a sync takes.
    fn timed_sync<T>(&self, volume: usize, sync: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let begun = self.clock.monotonic();
        let synced = sync();
        if synced.is_ok() {
            let took = self.clock.monotonic().saturating_sub(begun);
            self.volume(volume).syncs.note(took);
        }
        synced
    }
}

/// Whether what is here of `data` is the same, as far as the sums tell: those of whole units, and the one of a unit that
/// was not full, which is made anew.
fn known(shape: &Shape, offset: u64, data: &[u8], sums: &[u8]) -> io::Result<bool> {
    let here = shape.received.saturating_sub(offset).min(data.len() as u64);
    if here == 0 {
        return Ok(true);
    }
    let whole = index(here / UNIT * SUM);
    let mut stored = vec![0; whole];
    shape.sums(offset / UNIT, &mut stored)?;
    if sums.get(..whole) != Some(stored.as_slice()) {
        return Ok(false);
    }
    let partial = shape.received % UNIT;
    if here < shape.received - offset || partial == 0 {
        return Ok(true);
    }
    let mut stored = [0; 4];
    shape.sums(shape.received / UNIT, &mut stored)?;
    let from = index(here - partial);
    let unit = data.get(from..from + index(partial)).unwrap_or_default();
    Ok(sum_of(unit) == stored)
}

/// The body was taken: only a writer that has ended is without one.
fn gone() -> io::Error {
    io::Error::other("the replica is not being written any more")
}

/// Packets are far smaller than an address space.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Also for those who still read it.
        drop(self.shape().body.take());
        self.shared.volume(self.volume).release(self.promised);
    }
}
