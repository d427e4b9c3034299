//! Raising the generation of a finalized replica: a new sidecar takes the place of the old one, whole.

use std::io;

use env::disk::{File, Open};
use types::{ChunkId, Generation};

use crate::index::{Replica, Slot};
use crate::names::Paths;
use crate::reader::Reader;
use crate::sidecar::{HEADER_BYTES, Header};
use crate::store::{ChunkStore, OpenReplicaError, Shared};

/// Why the generation of a finalized replica was not raised.
#[derive(Debug, thiserror::Error)]
pub enum BumpError {
    /// It can not be opened.
    #[error(transparent)]
    Open(#[from] OpenReplicaError),
    /// The new generation is older than the one that is here.
    #[error("chunk {chunk} is here at generation {present}, which is newer than {asked}")]
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

impl ChunkStore {
    /// Raises the generation of a finalized replica. Its bytes stay as they are.
    ///
    /// # Errors
    /// See [`BumpError`].
    pub fn bump_generation(&self, chunk: ChunkId, generation: Generation) -> Result<Replica, BumpError> {
        let _names = self.0.lock_bucket(chunk);
        let reader = self.0.open_replica(chunk)?;
        let slot = (self.0.index.find(chunk)).ok_or(BumpError::Open(OpenReplicaError::Unknown(chunk)))?;
        if slot.generation > generation {
            return Err(BumpError::Older {
                chunk,
                present: slot.generation,
                asked: generation,
            });
        }
        if slot.generation < generation {
            self.0
                .rewrite_sidecar(chunk, slot, &reader, generation)
                .map_err(|source| BumpError::Io { chunk, source })?;
        }
        let slot = Slot { generation, ..slot };
        self.0.index.put(chunk, slot);
        Ok(self.0.describe(chunk, slot))
    }
}

impl Shared {
    /// The caller holds the chunk's bucket.
    fn rewrite_sidecar(
        &self,
        chunk: ChunkId,
        slot: Slot,
        reader: &Reader,
        generation: Generation,
    ) -> io::Result<()> {
        let volume = self.volume(slot.volume);
        let temporary = Paths::temporary(&volume.dir, &self.pool, chunk, self.next_serial()).sidecar;
        let file = self.disk.open(&temporary, Open::CreateNew)?;
        let written = (|| {
            let header = Header {
                generation,
                ..*reader.header()
            };
            file.write_all_at(&header.encode(), 0)?;
            copy_from(reader.sidecar(), &*file, HEADER_BYTES as u64)?;
            file.sync_data()
        })();
        drop(file);
        let paths = self.paths(chunk, slot.volume);
        let renamed = written.and_then(|()| self.disk.rename(&temporary, &paths.sidecar));
        if let Err(error) = renamed {
            let _ = self.disk.remove_file(&temporary);
            return Err(error);
        }
        self.disk.sync_dir(&paths.directory)
    }
}

/// Copies everything from `offset` on to the same place.
fn copy_from(from: &dyn File, to: &dyn File, mut offset: u64) -> io::Result<()> {
    let mut block = vec![0; 64 << 10];
    loop {
        let n = from.read_at(&mut block, offset)?;
        let Some(bytes) = block.get(..n).filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        to.write_all_at(bytes, offset)?;
        offset += bytes.len() as u64;
    }
}
