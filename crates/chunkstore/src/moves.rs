//! Moving replicas between the volumes of a store, so that they fill evenly.
//!
//! A move is a copy, compared with its sums, that takes the replica's place in the index when it is on disk; then the old
//! one goes. A crash leaves the one, the other, or both: of two that are the same, the next start puts one into quarantine.

use types::{ChunkId, Generation, StorageId};

use crate::index::{Place, Replica, ReplicaState, Slot};
use crate::reader::ReadError;
use crate::store::{ChunkStore, OpenReplicaError, Shared};
use crate::writer::{WriteError, Writer};

/// Data that is copied at once.
const PIECE_BYTES: usize = 1 << 20;

/// Replicas that are looked at for one to move.
const LOOK_AT: usize = 4_096;

/// Why a replica was not moved. It is where it was.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
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
        /// The generation that was to be moved.
        asked: Generation,
    },
    /// The volume that it was to move to has no room, or is not used.
    #[error("storage {0} can not take it")]
    Target(StorageId),
    /// It can not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It can not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The caller did not want to go on.
    #[error("it was stopped")]
    Stopped,
}

/// A replica that is better on another volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Which one, where it is.
    pub replica: Replica,
    /// Where it is better.
    pub target: StorageId,
}

impl ChunkStore {
    /// What to move next so that volumes are used to about the same share: none when the fullest and the emptiest are less
    /// than `threshold` (0 to 1) apart, or nothing fits. `after` is where the last answer came from, so that the whole
    /// volume is gone through in turn. Replicas in packs stay where they are.
    #[must_use]
    pub fn next_move(&self, threshold: f64, after: Option<ChunkId>) -> Option<Move> {
        let shared = &self.0;
        let mut shares = Vec::new();
        for (position, volume) in shared.volumes().into_iter().enumerate() {
            let Some(room) = volume.room(&*shared.disk) else {
                continue;
            };
            let (_, used) = shared.index.tally(position);
            #[expect(clippy::cast_precision_loss, reason = "a share")]
            let share = used as f64 / (used + room).max(1) as f64;
            shares.push((share, position, used, room));
        }
        shares.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (&(low, to, to_used, to_room), &(high, from, from_used, from_room)) =
            (shares.first()?, shares.last()?);
        if high - low <= threshold {
            return None;
        }
        // A larger one would turn the picture around: after it, the target must not be the fuller one.
        let fits = |len: u64| {
            #[expect(clippy::cast_precision_loss, reason = "shares")]
            let share = |used: u64, room: u64| used as f64 / (used + room).max(1) as f64;
            len < to_room
                && share(to_used + len, to_room - len)
                    <= share(from_used.saturating_sub(len), from_room + len)
        };
        let movable = |slot: &Slot| {
            let (place, state) = (slot.place, slot.state);
            slot.volume == from && place == Place::Files && state == ReplicaState::Finalized && fits(slot.len)
        };
        let candidate = |mut after: Option<ChunkId>| {
            loop {
                let page = shared.index.page(after, LOOK_AT);
                after = Some(page.last()?.0);
                if let Some(found) = page
                    .into_iter()
                    .find(|(chunk, slot)| movable(slot) && !shared.is_reopened(*chunk, slot.volume))
                {
                    return Some(found);
                }
            }
        };
        let (chunk, slot) = candidate(after).or_else(|| candidate(None))?;
        Some(Move {
            replica: shared.describe(chunk, slot),
            target: shared.volume(to).storage,
        })
    }

    /// Moves a replica, at exactly this generation, to another volume. Gives what it was and what it is now. `pace` is told
    /// of the bytes of each piece; it may pause, and ends the work by saying false. Blocks.
    ///
    /// # Errors
    /// See [`MoveError`].
    pub fn move_replica(
        &self,
        chunk: ChunkId,
        generation: Generation,
        target: StorageId,
        pace: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(Replica, Replica), MoveError> {
        let shared = &self.0;
        let (reader, slot) = {
            let _names = shared.lock_bucket(chunk);
            let reader = shared.open_replica(chunk)?;
            let slot = (shared.index.find(chunk)).ok_or(OpenReplicaError::Unknown(chunk))?;
            (reader, slot)
        };
        if slot.generation != generation {
            return Err(MoveError::Generation {
                chunk,
                present: slot.generation,
                asked: generation,
            });
        }
        let was = shared.describe(chunk, slot);
        if was.storage == target {
            return Ok((was, was));
        }
        let position = shared.target(target, slot).ok_or(MoveError::Target(target))?;
        let created = Writer::create(
            std::sync::Arc::clone(shared),
            position,
            chunk,
            generation,
            slot.len,
        );
        let mut writer = created.map_err(|source| WriteError::Io {
            chunk,
            dir: shared.volume(position).dir.clone(),
            source,
        })?;
        reader.check_sums()?;
        let mut at = 0;
        let (mut data, mut sums) = (Vec::new(), Vec::new());
        while at < slot.len {
            let take = usize::try_from(slot.len - at).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            data.resize(take, 0);
            sums.resize(transfer::checksum::sums_len(take), 0);
            reader.read_verified(at, &mut data, &mut sums)?;
            writer.write(at, &data, &sums)?;
            at += take as u64;
            if !pace(take as u64) {
                return Err(MoveError::Stopped);
            }
        }
        let is = writer.finalize_over(Some(slot))?;
        Ok((was, is))
    }
}

impl Shared {
    /// The position of a volume that can take a copy.
    fn target(&self, storage: StorageId, slot: Slot) -> Option<usize> {
        let position = self.position_of(storage)?;
        let room = self.volume(position).room(&*self.disk)?;
        (room > slot.len).then_some(position)
    }
}
