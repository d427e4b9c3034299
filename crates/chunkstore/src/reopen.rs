//! Turning a finalized replica back into one that is being written.
//!
//! All nodes of a pipeline finalize at once. When one of them fails then, its neighbours may have finalized bytes that
//! nobody has acknowledged; the recovery that follows agrees on a length with them, and goes on writing.

use env::disk::Open;
use types::{ChunkId, Generation};

use crate::index::{Replica, ReplicaState};
use crate::names::Paths;
use crate::store::{ChunkStore, OpenReplicaError};
use crate::writer::{WriteError, Writer};

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
        let volume = shared.volume(slot.volume);
        let from = shared.paths(chunk, slot.volume);
        let to = Paths::temporary(&volume.dir, &shared.pool, chunk, shared.next_serial());
        let io = |source| {
            ReopenError::Write(WriteError::Io {
                chunk,
                dir: volume.dir.clone(),
                source,
            })
        };
        let data = shared.disk.open(&from.data, Open::Write).map_err(io)?;
        let sidecar = shared.disk.open(&from.sidecar, Open::Write).map_err(io)?;
        // The data goes first, as when deleting: what a crash leaves behind is then known for what it is.
        shared.disk.rename(&from.data, &to.data).map_err(io)?;
        shared.index.remove(chunk);
        volume.replica_removed(slot.len);
        let mut writer = Writer::over(
            std::sync::Arc::clone(shared),
            slot.volume,
            chunk,
            generation,
            to.clone(),
            data,
            sidecar,
        );
        shared.disk.rename(&from.sidecar, &to.sidecar).map_err(io)?;
        // Before a byte changes: else a crash could bring the old names back, over changed bytes.
        shared.disk.sync_dir(&from.directory).map_err(io)?;
        writer.adopt(reader.header())?;
        Ok((writer, shared.describe(chunk, slot)))
    }
}
