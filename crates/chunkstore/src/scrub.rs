//! How far the round of scrubbing of a volume has come: `<dir>/scrub`, so that it goes on after a restart.
//!
//! ```text
//! offset  size
//!      0     8  magic, "DFSSCRUB"
//!      8     4  version, 1
//!     12     4  1 when the round is finished, else 0
//!     16     8  when it was begun, milliseconds of the wall clock
//!     24     8  1 + the id of the last chunk that was read; 0: none yet
//!     32     8  bytes of data that were read
//!     40     4  CRC32C of bytes 0..40
//! ```
//!
//! Numbers are little-endian. A record that is not understood is as none: the round begins again.

use std::io;

use env::disk::{read_file, replace_file};
use types::{ChunkId, StorageId, UnixMillis};

use crate::store::ChunkStore;

const FILE: &str = "scrub";
const MAGIC: &[u8; 8] = b"DFSSCRUB";
const VERSION: u32 = 1;
const BYTES: usize = 44;

/// A round of scrubbing: every replica of a volume is read once, in the order of chunk ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubRound {
    /// When it was begun.
    pub begun: UnixMillis,
    /// The last chunk that was read; none yet.
    pub after: Option<ChunkId>,
    /// Bytes of data that were read.
    pub bytes: u64,
    /// All was read; the next one begins a period after this one.
    pub finished: bool,
}

impl ScrubRound {
    /// One that begins.
    #[must_use]
    pub const fn beginning(now: UnixMillis) -> Self {
        Self {
            begun: now,
            after: None,
            bytes: 0,
            finished: false,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&u32::from(self.finished).to_le_bytes());
        bytes.extend_from_slice(&self.begun.as_u64().to_le_bytes());
        let after = self.after.map_or(0, |chunk| chunk.as_u64().saturating_add(1));
        bytes.extend_from_slice(&after.to_le_bytes());
        bytes.extend_from_slice(&self.bytes.to_le_bytes());
        let crc = crc_fast::crc32_iscsi(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        let whole = bytes.len() == BYTES && u32::from_le_bytes(*crc) == crc_fast::crc32_iscsi(body);
        if !whole || !body.starts_with(MAGIC) {
            return None;
        }
        let u32_at = |at: usize| {
            let field = body.get(at..)?.first_chunk()?;
            Some(u32::from_le_bytes(*field))
        };
        let u64_at = |at: usize| {
            let field = body.get(at..)?.first_chunk()?;
            Some(u64::from_le_bytes(*field))
        };
        if u32_at(8)? != VERSION {
            return None;
        }
        Some(Self {
            finished: u32_at(12)? == 1,
            begun: UnixMillis(u64_at(16)?),
            after: match u64_at(24)?.checked_sub(1) {
                Some(id) => Some(ChunkId::new(id).ok()?),
                None => None,
            },
            bytes: u64_at(32)?,
        })
    }
}

impl ChunkStore {
    /// The round that a volume is in, as it was kept last; none when there is none.
    #[must_use]
    pub fn scrub_round(&self, storage: StorageId) -> Option<ScrubRound> {
        let volume = self.0.volume(self.0.position_of(storage)?);
        let bytes = read_file(&*self.0.disk, &volume.dir.join(FILE)).ok()?;
        ScrubRound::decode(&bytes)
    }

    /// Keeps how far the round of a volume has come, and shows it in the volume's status. `durably`: also after a restart.
    ///
    /// # Errors
    /// As the file system answers.
    pub fn keep_scrub_round(&self, storage: StorageId, round: &ScrubRound, durably: bool) -> io::Result<()> {
        let Some(position) = self.0.position_of(storage) else {
            return Ok(());
        };
        let volume = self.0.volume(position);
        let (_, used) = self.0.index.tally(position);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let done = match round.finished {
            true => 1.0,
            // Sidecars are read too, but not counted.
            false => (round.bytes as f64 / used.max(1) as f64).min(1.0),
        };
        volume.note_scrub(round.begun, done);
        if durably && volume.is_working() {
            replace_file(&*self.0.disk, &volume.dir.join(FILE), &round.encode())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_are_golden() {
        let round = ScrubRound {
            begun: UnixMillis(0x0102),
            after: Some(ChunkId::new(5).unwrap()),
            bytes: 7,
            finished: true,
        };
        let bytes = round.encode();
        assert_eq!(bytes.get(..16), Some(&b"DFSSCRUB\x01\0\0\0\x01\0\0\0"[..]));
        assert_eq!(bytes.get(16..24), Some(&[2, 1, 0, 0, 0, 0, 0, 0][..]));
        assert_eq!(bytes.get(24..32), Some(&[6, 0, 0, 0, 0, 0, 0, 0][..]));
        assert_eq!(bytes.len(), BYTES);
        for bit in 0..BYTES * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ScrubRound::decode(&flipped), None, "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(begun: u64, after in proptest::option::of(0..1u64 << 60), bytes: u64, finished: bool) {
            let after = after.map(|id| ChunkId::new(id).unwrap());
            let round = ScrubRound { begun: UnixMillis(begun), after, bytes, finished };
            prop_assert_eq!(ScrubRound::decode(&round.encode()), Some(round));
        }

        #[test]
        fn any_bytes_are_none_or_a_round(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = ScrubRound::decode(&bytes);
        }
    }
}
