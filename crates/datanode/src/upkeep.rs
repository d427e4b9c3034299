//! What the datanode finds and does by itself, as the masters are told of it.

use chunkstore::{MoveError, Replica, Verdict};
use types::{ChunkId, Generation, StorageId};

use crate::changes::Event;
use crate::replicas::Replicas;

impl Replicas {
    /// Tells the masters what is new in a verdict. That a replica is whole they know.
    pub(crate) fn judged(&self, verdict: &Verdict) {
        match verdict {
            Verdict::Corrupt {
                replica,
                why,
                first: true,
            } => {
                tracing::error!(chunk = %replica.chunk, generation = %replica.generation, why, "a replica is corrupt");
                self.changes.push(Event::Corrupt, replica);
            }
            Verdict::Missing(replica) => {
                tracing::error!(chunk = %replica.chunk, generation = %replica.generation, "a replica is missing");
                self.changes.push(Event::Deleted, replica);
            }
            Verdict::Failed(why) => tracing::warn!(why, "a replica can not be read for now"),
            Verdict::Whole(_) | Verdict::Corrupt { .. } | Verdict::Unknown | Verdict::Stopped => {}
        }
    }

    /// Moves a replica to another volume, and tells the masters; blocks.
    pub(crate) fn move_replica(
        &self,
        chunk: ChunkId,
        generation: Generation,
        target: StorageId,
        pace: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Replica, MoveError> {
        let (was, is) = self.store.move_replica(chunk, generation, target, pace)?;
        if was.storage != is.storage {
            // In this order: it is never nowhere.
            self.changes.push(Event::Received, &is);
            self.changes.push(Event::Deleted, &was);
        }
        Ok(is)
    }
}
