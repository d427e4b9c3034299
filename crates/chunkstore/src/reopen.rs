//! Writing on behind the end of a finalized replica.
//!
//! A file is appended to; or all nodes of a pipeline finalize at once, one of them fails then, and those that have finalized go on
//! with the others. What is finalized stays in the index, is read as before, and is what a crash leaves, until the longer replica
//! takes its place with a newer generation. See [`crate::writer`].

use std::sync::Arc;

use types::{ChunkId, Generation};

use crate::index::{Place, ReplicaState, Slot};
use crate::names::Paths;
use crate::reader::Reader;
use crate::store::{ChunkStore, OpenReplicaError, Shared};
use crate::writer::{Body, Files, Held, WriteError, Writer};

/// Why a finalized replica was not reopened.
#[derive(Debug, thiserror::Error)]
pub enum ReopenError {
    /// It can not be opened.
    #[error(transparent)]
    Open(#[from] OpenReplicaError),
    /// It has another generation.
    #[error("chunk {chunk} is here at generation {present}, not {asked}")]
    Generation {
        /// The chunk.
        chunk: ChunkId,
        /// The generation that is here.
        present: Generation,
        /// The generation that was asked for.
        asked: Generation,
    },
    /// It is written on already, or what was synced when that ended is not adopted yet.
    #[error("chunk {0} is being appended to already")]
    Busy(ChunkId),
    /// What it is to be written on with can not be made.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Space that is kept for what may be added to a replica.
const REOPENED_BYTES: u64 = 64 << 20;

impl ChunkStore {
    /// A writer that begins with all bytes of a finalized replica, at exactly this generation. It is finalized only in the place
    /// of that one, under a newer generation; when it is given up, that one is as it was.
    ///
    /// # Errors
    /// See [`ReopenError`]; nothing is changed then.
    pub fn reopen(&self, chunk: ChunkId, generation: Generation) -> Result<Writer, ReopenError> {
        let shared = &self.0;
        let _names = shared.lock_bucket(chunk);
        let reader = shared.open_replica(chunk)?;
        let slot = (shared.index.find(chunk)).ok_or(OpenReplicaError::Unknown(chunk))?;
        if slot.generation != generation {
            return Err(ReopenError::Generation {
                chunk,
                present: slot.generation,
                asked: generation,
            });
        }
        debug_assert_eq!(slot.state, ReplicaState::Finalized, "only such are opened");
        // First, for what is made of the body cuts the file when it goes.
        if shared.is_left(chunk, slot.volume) || !shared.begin_reopened(chunk, slot.volume) {
            return Err(ReopenError::Busy(chunk));
        }
        let body = match shared.body_behind(chunk, slot, &reader) {
            Ok(body) => body,
            Err(error) => {
                shared.end_reopened(chunk, slot.volume);
                return Err(WriteError::Read(error).into());
            }
        };
        let promised = REOPENED_BYTES;
        let shared = Arc::clone(shared);
        let writer = Writer::over(shared, slot.volume, chunk, generation, body, slot.len, promised);
        Ok(writer.instead_of(Some(slot)))
    }
}

impl Shared {
    /// What is packed is read into memory: an entry of a pack never changes.
    fn body_behind(&self, chunk: ChunkId, slot: Slot, reader: &Reader) -> Result<Body, crate::ReadError> {
        match slot.place {
            Place::Packed(_) => {
                let (data, sums) = reader.read_all()?;
                Ok(Body::Held(Held { data, sums }))
            }
            Place::Files => {
                let directory = &self.volume(slot.volume).dir;
                let paths = Paths {
                    data: self.paths(chunk, slot.volume).data,
                    ..Paths::temporary(directory, &self.pool, chunk, self.next_serial())
                };
                let disk = Arc::clone(&self.disk);
                Files::behind(disk, paths, chunk, reader).map(|files| Body::Files(Box::new(files)))
            }
        }
    }
}
