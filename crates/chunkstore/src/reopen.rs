//! Turning a finalized replica back into one that is being written.
//!
//! All nodes of a pipeline finalize at once. When one of them fails then, its neighbours may have finalized bytes that
//! nobody has acknowledged; the recovery that follows agrees on a length with them, and goes on writing.

use std::sync::Arc;

use env::disk::Open;
use types::{ChunkId, Generation};

use crate::index::{Place, Replica, ReplicaState, Slot};
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
    /// It has another generation. Nothing was changed.
    #[error("chunk {chunk} is here at generation {present}, not {asked}")]
    Generation {
        /// The chunk.
        chunk: ChunkId,
        /// The generation that is here.
        present: Generation,
        /// The generation that was asked for.
        asked: Generation,
    },
    /// Its files can not be taken back. It is lost when they had been moved already.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Space that is kept for what may be added to a replica.
const REOPENED_BYTES: u64 = 64 << 20;

impl ChunkStore {
    /// Takes a finalized replica, at exactly this generation, back: it leaves the index, and is lost unless it is
    /// finalized again. Gives what it was, too.
    ///
    /// # Errors
    /// See [`ReopenError`].
    pub fn reopen(&self, chunk: ChunkId, generation: Generation) -> Result<(Writer, Replica), ReopenError> {
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
        let writer = match slot.place {
            Place::Files => shared.take_back_files(chunk, slot, &reader)?,
            Place::Packed(_) => shared.take_back_packed(chunk, slot, &reader)?,
        };
        Ok((writer, shared.describe(chunk, slot)))
    }
}

impl Shared {
    fn take_back_files(
        self: &Arc<Self>,
        chunk: ChunkId,
        slot: Slot,
        reader: &Reader,
    ) -> Result<Writer, ReopenError> {
        let volume = self.volume(slot.volume);
        let from = self.paths(chunk, slot.volume);
        let to = Paths::temporary(&volume.dir, &self.pool, chunk, self.next_serial());
        let io = |source| {
            ReopenError::Write(WriteError::Io {
                chunk,
                dir: volume.dir.clone(),
                source,
            })
        };
        let data = self.disk.open(&from.data, Open::Write).map_err(io)?;
        let sidecar = self.disk.open(&from.sidecar, Open::Write).map_err(io)?;
        // The data goes first, as when deleting: what a crash leaves behind is then known for what it is.
        self.disk.rename(&from.data, &to.data).map_err(io)?;
        self.index.remove(chunk);
        let mut files = Files::over(Arc::clone(&self.disk), to.clone(), data, sidecar);
        self.disk.rename(&from.sidecar, &to.sidecar).map_err(io)?;
        // Before a byte changes: else a crash could bring the old names back, over changed bytes.
        self.disk.sync_dir(&from.directory).map_err(io)?;
        files.adopt(chunk, reader.header()).map_err(WriteError::Read)?;
        let received = reader.len();
        let body = Body::Files(Box::new(files));
        Ok(Writer::over(
            Arc::clone(self),
            slot.volume,
            chunk,
            slot.generation,
            body,
            received,
            REOPENED_BYTES,
        ))
    }

    /// What is packed is never changed in place: so it need not be gone for good before it is written on. Should it come
    /// back after a crash, it is what it was.
    fn take_back_packed(
        self: &Arc<Self>,
        chunk: ChunkId,
        slot: Slot,
        reader: &Reader,
    ) -> Result<Writer, ReopenError> {
        let (data, sums) = reader.read_all().map_err(WriteError::Read)?;
        self.remove_replica(chunk, slot, false)
            .map_err(|source| WriteError::Io {
                chunk,
                dir: self.volume(slot.volume).dir.clone(),
                source,
            })?;
        let body = Body::Held(Held { data, sums });
        Ok(Writer::over(
            Arc::clone(self),
            slot.volume,
            chunk,
            slot.generation,
            body,
            slot.len,
            REOPENED_BYTES,
        ))
    }
}
