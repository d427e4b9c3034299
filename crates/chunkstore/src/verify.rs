//! Reading a replica again, from the disk, and comparing all of it with its sums.

use std::io;

use types::{ChunkId, Generation};

use crate::index::{Place, Replica, ReplicaState, Slot};
use crate::reader::{Corruption, ReadError, Reader};
use crate::store::{ChunkStore, Shared};
use crate::units::{SUM, UNIT};

/// Data that is read at once.
const PIECE_BYTES: usize = 1 << 20;

/// Times that a replica is looked for that moves while it is read.
const ATTEMPTS: usize = 4;

/// What the bytes of a replica are.
#[derive(Debug)]
pub enum Verdict {
    /// Those that were written.
    Whole(Replica),
    /// Not those that were written, or not to be read, also on a second attempt. The replica is marked as corrupt.
    Corrupt {
        /// Which one.
        replica: Replica,
        /// What is wrong.
        why: String,
        /// It was not known before.
        first: bool,
    },
    /// Nothing of it is on the disk any more. The replica has left the index.
    Missing(Replica),
    /// There is no replica of this generation.
    Unknown,
    /// It can not be said: the volume has failed, or the system had no means.
    Failed(String),
    /// The caller did not want to go on.
    Stopped,
}

impl ChunkStore {
    /// Reads a replica again, past the page cache where the system lets it, and compares all of it with its sums. Blocks
    /// for as long as that takes.
    #[must_use]
    pub fn verify(&self, chunk: ChunkId, generation: Generation) -> Verdict {
        self.verify_paced(chunk, generation, &mut |_| true)
    }

    /// As [`ChunkStore::verify`]; `pace` is told of the bytes of each piece after it was read. It may pause, and ends the
    /// work by saying false.
    #[must_use]
    pub fn verify_paced(
        &self,
        chunk: ChunkId,
        generation: Generation,
        pace: &mut dyn FnMut(u64) -> bool,
    ) -> Verdict {
        let shared = &self.0;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let Some(slot) = shared
                .index
                .find(chunk)
                .filter(|slot| slot.generation == generation)
            else {
                return Verdict::Unknown;
            };
            if slot.state == ReplicaState::Corrupt {
                return Verdict::Corrupt {
                    replica: shared.describe(chunk, slot),
                    why: "it was found so before".to_owned(),
                    first: false,
                };
            }
            match shared.read_again(chunk, slot, pace) {
                Ok(true) => return Verdict::Whole(shared.describe(chunk, slot)),
                Ok(false) => return Verdict::Stopped,
                Err(error) => {
                    // Once more, to be sure; and when it has moved meanwhile, where it is now.
                    let sure = last.replace(slot) == Some(slot);
                    if sure && shared.index.find(chunk) == Some(slot) {
                        return shared.judge(chunk, slot, &error);
                    }
                }
            }
        }
        Verdict::Failed("it moves all the time".to_owned())
    }

    /// What to think of a replica that could not be opened or read twice, the last time with `error`: as
    /// [`ChunkStore::verify`] would judge.
    #[must_use]
    pub fn failed_read(&self, chunk: ChunkId, error: &ReadError) -> Verdict {
        match self.0.index.find(chunk) {
            None => Verdict::Unknown,
            Some(slot) if slot.state == ReplicaState::Corrupt => Verdict::Corrupt {
                replica: self.0.describe(chunk, slot),
                why: "it was found so before".to_owned(),
                first: false,
            },
            Some(slot) => self.0.judge(chunk, slot, error),
        }
    }
}

impl Shared {
    /// False when the caller did not want to go on.
    fn read_again(
        &self,
        chunk: ChunkId,
        slot: Slot,
        pace: &mut dyn FnMut(u64) -> bool,
    ) -> Result<bool, ReadError> {
        let reader = {
            let _names = self.lock_bucket(chunk);
            self.open_slot(chunk, slot)?
        };
        reader.uncache();
        let whole = reader.check_all(pace);
        // What was read once need not stay in memory.
        reader.uncache();
        whole
    }

    /// What to think of a replica that could not be read twice.
    fn judge(&self, chunk: ChunkId, slot: Slot, error: &ReadError) -> Verdict {
        let replica = self.describe(chunk, slot);
        let volume = self.volume(slot.volume);
        match error {
            ReadError::Io { source, .. } => {
                if !is_of_the_disk(source) {
                    return Verdict::Failed(error.to_string());
                }
                self.examine_reads(slot.volume);
            }
            // A directory that has vanished takes its replicas with it, and is no news of each.
            ReadError::Corrupt {
                why: Corruption::Missing(_),
                ..
            } => self.examine(slot.volume),
            ReadError::Corrupt { .. } | ReadError::Range { .. } => {}
        }
        if !volume.is_working() {
            return Verdict::Failed(volume.failure().unwrap_or_default());
        }
        let _names = self.lock_bucket(chunk);
        if self.index.find(chunk) != Some(slot) {
            return Verdict::Unknown;
        }
        if self.nothing_is_left(chunk, slot) {
            tracing::warn!(%chunk, dir = %volume.dir.display(), "a replica is missing");
            self.index.remove(chunk);
            return Verdict::Missing(replica);
        }
        let first = self.found_corrupt(chunk, slot.generation);
        tracing::warn!(%chunk, dir = %volume.dir.display(), %error, "a replica is corrupt");
        Verdict::Corrupt {
            replica: Replica {
                state: ReplicaState::Corrupt,
                ..replica
            },
            why: error.to_string(),
            first,
        }
    }

    fn nothing_is_left(&self, chunk: ChunkId, slot: Slot) -> bool {
        let absent = |path| matches!(self.disk.exists(path), Ok(false));
        match slot.place {
            Place::Files => {
                let paths = self.paths(chunk, slot.volume);
                absent(&paths.data) && absent(&paths.sidecar)
            }
            Place::Packed(spot) => absent(&self.volume(slot.volume).packs.path(spot.pack)),
        }
    }
}

impl Reader {
    /// Compares all of the replica with its sums. False when `pace` ended it.
    pub(crate) fn check_all(&self, pace: &mut dyn FnMut(u64) -> bool) -> Result<bool, ReadError> {
        self.check_sums()?;
        let len = self.len();
        let piece = usize::try_from(len).map_or(PIECE_BYTES, |len| len.min(PIECE_BYTES));
        let units = piece.div_ceil(usize::try_from(UNIT).unwrap_or(1));
        let (mut data, mut sums) = (vec![0; piece], vec![0; units * usize::try_from(SUM).unwrap_or(0)]);
        let mut at = 0;
        while at < len {
            let take = usize::try_from(len - at).map_or(piece, |left| left.min(piece));
            data.truncate(take);
            sums.truncate(transfer::checksum::sums_len(take));
            self.read_verified(at, &mut data, &mut sums)?;
            at += take as u64;
            if !pace(take as u64) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether an error says something of the disk, and not of the process or of the moment.
fn is_of_the_disk(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    const ENODATA: i32 = 61;
    const EBADMSG: i32 = 74;
    const EILSEQ: i32 = 84;
    const EUCLEAN: i32 = 117;
    error
        .raw_os_error()
        .is_some_and(|code| [EIO, ENODATA, EBADMSG, EILSEQ, EUCLEAN].contains(&code))
}
