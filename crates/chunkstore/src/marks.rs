//! Replicas that are known to be corrupt, also after a restart: `<dir>/corrupt/chunk-<uuid>.<generation>`, empty.
//!
//! The bytes of a replica are not read at a start. Without its mark, one that was found corrupt would pass for whole until
//! somebody reads it again.

use std::collections::HashSet;
use std::io;

use env::disk::Open;
use types::{ChunkId, Generation};

use crate::index::Slot;
use crate::names::{CORRUPT, corrupt_mark, parse_corrupt_mark};
use crate::sidecar::Header;
use crate::store::{ChunkStore, Shared, absent_is_fine};

/// The marks of a volume.
#[derive(Debug, Default)]
pub(crate) struct Marked(HashSet<(ChunkId, Generation)>);

impl Marked {
    pub(crate) fn contains(&self, chunk: ChunkId, header: &Header) -> bool {
        self.0.contains(&(chunk, header.generation))
    }
}

impl ChunkStore {
    /// Marks a replica as corrupt, when it is still this generation: it is not opened any more, and a new replica of the
    /// same generation may take its place. Says whether it was there and not marked before. Blocks.
    #[must_use]
    pub fn mark_corrupt(&self, chunk: ChunkId, generation: Generation) -> bool {
        self.0.found_corrupt(chunk, generation)
    }
}

impl Shared {
    /// Marks a replica. Where the mark can not be written, it holds as long as the process.
    pub(crate) fn found_corrupt(&self, chunk: ChunkId, generation: Generation) -> bool {
        let Some(slot) = self.index.mark_corrupt(chunk, generation) else {
            return false;
        };
        let volume = self.volume(slot.volume);
        let path = corrupt_mark(&volume.dir, &self.pool, chunk, generation);
        let written = (self.disk.open(&path, Open::CreateTruncate))
            .and_then(|_| self.disk.sync_dir(&volume.dir.join(CORRUPT)));
        if let Err(error) = written {
            tracing::warn!(%chunk, %generation, %error, "a replica is corrupt, and this can not be written down");
        }
        true
    }

    /// The replica is gone, and does not come back after a crash.
    pub(crate) fn unmark_corrupt(&self, chunk: ChunkId, slot: &Slot) {
        if !slot.is_corrupt() {
            return;
        }
        let path = corrupt_mark(&self.volume(slot.volume).dir, &self.pool, chunk, slot.generation);
        if let Err(error) = absent_is_fine(self.disk.remove_file(&path)) {
            tracing::warn!(%chunk, %error, "could not remove the mark of a corrupt replica");
        }
    }

    /// The marks of a volume.
    pub(crate) fn marked_corrupt(&self, position: usize) -> io::Result<Marked> {
        let directory = self.volume(position).dir.join(CORRUPT);
        let entries = self.disk.read_dir(&directory)?.into_iter();
        let marks = entries.filter_map(|entry| parse_corrupt_mark(&entry.path, &self.pool));
        Ok(Marked(marks.collect()))
    }
}
