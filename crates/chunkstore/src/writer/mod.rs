//! A replica that is being written.
//!
//! It begins in memory ([`held`]). One that is small when it is finalized is packed with others; one that grows, or whose writer
//! asks for its bytes on the disk before that, goes on in files of its own ([`files`]). What was brought to the disk is recorded
//! ([`kept`]), so that it outlives the process.

mod error;
mod files;
mod finalize;
mod growing;
mod held;
mod kept;
mod within;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use types::limits::CHUNK_SIZE_MAX;
use types::{ChunkId, Generation, StorageId};

use crate::index::Slot;
use crate::names::Paths;
use crate::reader::{ReadError, check_range, verify};
use crate::sidecar::Header;
use crate::store::Shared;
use crate::units::{SUM, UNIT, align_down, sum_of, units};

pub use error::WriteError;
pub(crate) use files::Files;
pub use growing::{Growing, GrowingError};
use growing::{Growth, Locked, Shape};
pub(crate) use held::Held;
pub(crate) use kept::{Kept, compare};

/// A replica that is being written. Dropping it removes what was written.
///
/// # Invariants
/// - Once `poisoned`, nothing is written or synced any more.
/// - Once its volume is not used any more, nothing is acknowledged, and its files are left alone: what was synced of them is
///   adopted when the volume comes back.
/// - A byte that was received is never changed: what is sent again is compared with what is here.
pub struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) volume: usize,
    chunk: ChunkId,
    /// What those who read it meanwhile see, too.
    growth: Arc<Growth>,
    /// What it may still take of the space that was kept for it.
    promised: u64,
    poisoned: bool,
    /// The finalized replica that it is to take the place of, and nothing else is.
    base: Option<Slot>,
    /// Whether it outlives the process: then so does its generation.
    durable: bool,
    /// The files of one that is packed after all; they go with the writer.
    files_left: Option<Body>,
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
            base: None,
            durable: false,
            files_left: None,
        }
    }

    /// The same, of what takes the place of `base` alone, and outlives the process from its next generation on.
    pub(crate) fn instead_of(mut self, base: Option<Slot>) -> Self {
        self.base = base;
        self.durable = true;
        self
    }

    fn shape(&self) -> Locked<'_> {
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

    /// Whether its volume is not used any more, at least not as it was: nothing can be written or finalized. What was synced is
    /// there, and had by [`ChunkStore::adopt`](crate::ChunkStore::adopt) when the volume has come back.
    #[must_use]
    pub fn is_stranded(&self) -> bool {
        !self.shared.volume(self.volume).is_working()
    }

    /// Bytes of the finalized replica that it is written behind; 0 when it is not.
    #[must_use]
    pub fn finalized(&self) -> u64 {
        self.base.map_or(0, |base| base.len)
    }

    /// Bytes received.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.shape().received
    }

    /// Writes `data` at `offset`, a multiple of 512 that is not behind the last whole unit; or at the end of what is here, as
    /// far as the unit goes that is not full (so HDFS's clients begin to append). Bytes that are here already are
    /// compared, as far as checksums tell, and kept: after a repair they are sent again to all, whoever had them. `sums` are
    /// stored as given; the caller has compared them with the data. No data: `offset` is not behind what was received.
    ///
    /// # Errors
    /// See [`WriteError`]. After `Misplaced` and `Differs` the replica is as it was, after others it is lost.
    pub fn write(&mut self, offset: u64, data: &[u8], sums: &[u8]) -> Result<(), WriteError> {
        self.usable()?;
        if !data.is_empty() && !offset.is_multiple_of(UNIT) {
            return self.write_within_unit(offset, data, sums);
        }
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

    /// Makes what was received durable: [`ChunkStore::adopt`](crate::ChunkStore::adopt) gives it back, as it is now, when the
    /// process has ended without having finalized it. So it is with its generation from then on.
    ///
    /// # Errors
    /// See [`WriteError`]; the replica is then lost.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        self.usable()?;
        let growth = Arc::clone(&self.growth);
        let mut shape = growth.lock();
        self.in_files(&mut shape)?;
        let header = self.header(&shape);
        let synced = match &mut shape.body {
            Some(Body::Files(files)) => files.keep(header),
            Some(Body::Held(_)) => Ok(()),
            None => Err(gone()),
        };
        self.durable = true;
        self.poison_on(synced)
    }

    /// What there is to say of it.
    fn header(&self, shape: &Shape) -> Header {
        Header {
            uuid: self.shared.pool.chunk_uuid(self.chunk),
            generation: shape.generation,
            len: shape.received,
            sums_crc: 0,
        }
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
        let rises = shape.generation < generation;
        shape.generation = generation;
        drop(shape);
        if rises && self.durable {
            self.sync()
        } else {
            Ok(())
        }
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

    /// Gives the replica up and removes what was written. Dropping does the same.
    pub fn abandon(self) {
        drop(self);
    }

    /// Ends it without removing what was synced of it: the next start may adopt that.
    pub fn leave(self) {
        let mut shape = self.shape();
        if let Some(Body::Files(files)) = shape.body.take_if(|_| self.durable && !self.poisoned) {
            drop(files.at_rest());
        }
    }

    /// Ends it, but for files of which something is recorded; says where the record is.
    pub(crate) fn rest(&mut self) -> Option<PathBuf> {
        let growth = Arc::clone(&self.growth);
        let bodies = [self.files_left.take(), growth.lock().body.take()];
        bodies.into_iter().flatten().find_map(|body| match body {
            Body::Files(files) => files.leave_recorded(),
            Body::Held(_) => None,
        })
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

    fn usable(&self) -> Result<(), WriteError> {
        if self.poisoned {
            Err(WriteError::Poisoned(self.chunk))
        } else if self.is_stranded() {
            Err(self.io_error(io::Error::other("its volume is not used any more")))
        } else {
            Ok(())
        }
    }

    /// A failure of the disk is final for this replica, and makes the volume prove that it still works. What was done on a volume
    /// that is not used any more was done to files that may have no names by now.
    fn poison_on<T>(&mut self, outcome: io::Result<T>) -> Result<T, WriteError> {
        match outcome {
            Ok(done) => self.usable().map(|()| done),
            Err(source) => {
                self.poisoned = true;
                self.shared.examine(self.volume);
                Err(self.io_error(source))
            }
        }
    }

    fn io_error(&self, source: io::Error) -> WriteError {
        WriteError::Io {
            chunk: self.chunk,
            dir: self.shared.volume(self.volume).dir.clone(),
            source,
        }
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
    pub(crate) fn timed_sync<T>(&self, volume: usize, sync: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
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
        let body = self.shape().body.take();
        let bodies = [body, self.files_left.take()].into_iter().flatten();
        if self.is_stranded() {
            for body in bodies {
                if let Body::Files(files) = body {
                    drop(files.at_rest());
                }
            }
        } else {
            bodies.for_each(drop);
        }
        if let Some(base) = self.base {
            self.shared.end_reopened(self.chunk, base.volume);
        }
        self.shared.volume(self.volume).release(self.promised);
    }
}
