//! Reading a replica while it is written.
//!
//! The writer and its readers share the replica's shape behind a lock, which each holds for one packet at a time; the writer also
//! while it syncs, as long as the disk takes for that. What was received never changes; only the sum of a unit that is not full
//! does, when it gets more bytes: so the unit is read together with its sum.
//!
//! Who only wants to know how far it is waits for no disk: generation and length are beside that lock, as they were when it was
//! last let go.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use types::{ChunkId, Generation};

use super::Body;
use crate::reader::{ReadError, check_range, verify};
use crate::units::{SUM, UNIT, align_down, sum_of, units};

/// What the writer of a replica shares with its readers.
pub(crate) struct Growth {
    shape: Mutex<Shape>,
    /// The shape's [`state`](Shape::state) when its lock was last let go. Nobody holds this one while a disk works.
    seen: Mutex<Option<(Generation, u64)>>,
}

/// The shape of a replica, locked. What became of it is seen when this goes.
pub(crate) struct Locked<'a> {
    shape: MutexGuard<'a, Shape>,
    growth: &'a Growth,
}

/// A replica that is being written.
pub(crate) struct Shape {
    /// None once it is finalized or given up.
    pub(crate) body: Option<Body>,
    pub(crate) generation: Generation,
    pub(crate) received: u64,
}

impl Growth {
    pub(crate) fn new(shape: Shape) -> Self {
        Self {
            seen: Mutex::new(shape.state()),
            shape: Mutex::new(shape),
        }
    }

    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked {
            shape: self.shape.lock().unwrap_or_else(PoisonError::into_inner),
            growth: self,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Option<(Generation, u64)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Locked<'_> {
    type Target = Shape;

    fn deref(&self) -> &Shape {
        &self.shape
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Shape {
        &mut self.shape
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        *self.growth.seen() = self.shape.state();
    }
}

impl Shape {
    /// Its generation and how many bytes were received; none when it is not being written any more.
    fn state(&self) -> Option<(Generation, u64)> {
        self.body.is_some().then_some((self.generation, self.received))
    }

    /// Reads without comparing.
    pub(crate) fn read(&self, offset: u64, data: &mut [u8], sums: &mut [u8]) -> io::Result<()> {
        match &self.body {
            Some(Body::Held(held)) => {
                held.read(offset, data, sums);
                Ok(())
            }
            Some(Body::Files(files)) => files.read(offset, data, sums),
            None => Err(super::gone()),
        }
    }

    /// Fills `sums` from number `unit` on.
    pub(crate) fn sums(&self, unit: u64, sums: &mut [u8]) -> io::Result<()> {
        match &self.body {
            Some(Body::Held(held)) => {
                held.read(unit * UNIT, &mut [], sums);
                Ok(())
            }
            Some(Body::Files(files)) => files.read_sums(unit, sums),
            None => Err(super::gone()),
        }
    }
}

/// Why bytes of a replica that is being written can not be had.
#[derive(Debug, thiserror::Error)]
pub enum GrowingError {
    /// It was finalized or given up meanwhile.
    #[error("chunk {0} is not being written any more")]
    Ended(ChunkId),
    /// It can not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A replica that is being written, for those who read it. Cloning is cheap.
#[derive(Clone)]
pub struct Growing {
    chunk: ChunkId,
    growth: Arc<Growth>,
}

impl Growing {
    pub(crate) const fn new(chunk: ChunkId, growth: Arc<Growth>) -> Self {
        Self { chunk, growth }
    }

    /// Its generation and how many bytes were received; none when it is not being written any more. As it was before what its
    /// writer does at the moment: this waits for no disk.
    #[must_use]
    pub fn state(&self) -> Option<(Generation, u64)> {
        *self.growth.seen()
    }

    /// Fills `data` from `offset` and `sums` with the sums of its units, each of them checked. `offset` is a multiple of 512;
    /// `data` may end within a unit: that gets the sum of what is read of it.
    ///
    /// # Errors
    /// See [`GrowingError`].
    pub fn read_verified(&self, offset: u64, data: &mut [u8], sums: &mut [u8]) -> Result<(), GrowingError> {
        let chunk = self.chunk;
        let shape = self.growth.lock();
        if shape.body.is_none() {
            return Err(GrowingError::Ended(chunk));
        }
        let (received, len) = (shape.received, data.len() as u64);
        let end = offset.saturating_add(len);
        let cut = end < received && !end.is_multiple_of(UNIT);
        let whole = if cut { align_down(len) } else { len };
        if end > received || sums.len() as u64 != units(len) * SUM {
            check_range(chunk, received, offset, data, sums)?;
        }
        let io = |source| ReadError::Io { chunk, source };
        let (first, rest) = data.split_at_mut(super::index(whole));
        let (first_sums, last_sum) = sums.split_at_mut(super::index(units(whole) * SUM));
        check_range(chunk, received, offset, first, first_sums)?;
        shape.read(offset, first, first_sums).map_err(io)?;
        let at = offset + whole;
        let mut unit = vec![
            0;
            if cut {
                super::index((received - at).min(UNIT))
            } else {
                0
            }
        ];
        let mut sum = [0; 4];
        if cut {
            shape.read(at, &mut unit, &mut sum).map_err(io)?;
        }
        drop(shape);
        verify(chunk, offset, first, first_sums)?;
        if cut {
            verify(chunk, at, &unit, &sum)?;
            unit.truncate(rest.len());
            rest.copy_from_slice(&unit);
            last_sum.copy_from_slice(&sum_of(&unit));
        }
        Ok(())
    }
}
