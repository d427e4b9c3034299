//! How far the log is known to be durable. The picture is in the module above.

use super::{LogId, array_at, crc, u32_at, u64_at};

const MAGIC: usize = 0;
const LOG: usize = MAGIC + 8;
const SEQUENCE: usize = LOG + 16;
const INDEX: usize = SEQUENCE + 8;
const CHAIN: usize = INDEX + 8;
const CRC: usize = CHAIN + 4;
const SLOT_BYTES: usize = CRC + 4;

/// Where the second slot is: on another page than the first, so that no torn write takes both.
pub(crate) const SLOT_STEP: usize = 4096;

/// Bytes of the file.
pub(crate) const POSITION_BYTES: usize = SLOT_STEP + SLOT_BYTES;

const MAGIC_BYTES: [u8; 8] = *b"DFSPOS\r\n";

const _: () = assert!(SLOT_BYTES == 48, "the layout is fixed");

/// One slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The log that it speaks of.
    pub(crate) log: LogId,
    /// Of two slots, the one with the higher sequence holds.
    pub(crate) sequence: u64,
    /// Every record up to this one was synced.
    pub(crate) index: u64,
    /// The CRC of that record.
    pub(crate) chain: u32,
}

impl Position {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SLOT_BYTES);
        bytes.extend_from_slice(&MAGIC_BYTES);
        bytes.extend_from_slice(&self.log.0);
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.index.to_le_bytes());
        bytes.extend_from_slice(&self.chain.to_le_bytes());
        let crc = crc(&[&bytes]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..SLOT_BYTES)?;
        let valid =
            array_at(bytes, MAGIC) == Some(MAGIC_BYTES) && u32_at(bytes, CRC)? == crc(&[bytes.get(..CRC)?]);
        valid.then_some(Self {
            log: LogId(array_at(bytes, LOG)?),
            sequence: u64_at(bytes, SEQUENCE)?,
            index: u64_at(bytes, INDEX)?,
            chain: u32_at(bytes, CHAIN)?,
        })
    }

    /// The newer of the valid slots in the file, with the number of its slot.
    pub(crate) fn newest(file: &[u8]) -> Option<(usize, Self)> {
        let first = Self::decode(file).map(|position| (0, position));
        let second = file
            .get(SLOT_STEP..)
            .and_then(Self::decode)
            .map(|position| (1, position));
        first
            .into_iter()
            .chain(second)
            .max_by_key(|(_, position)| position.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSITION: Position = Position {
        log: LogId(*b"0123456789abcdef"),
        sequence: 3,
        index: 4711,
        chain: 0x1234_5678,
    };

    #[test]
    fn golden_bytes() {
        assert_eq!(
            POSITION.encode(),
            *b"DFSPOS\r\n0123456789abcdef\x03\0\0\0\0\0\0\0\x67\x12\0\0\0\0\0\0\x78\x56\x34\x12\xd0\xbb\xe9\x97"
        );
    }

    #[test]
    fn the_newer_valid_slot_holds() {
        let newer = Position {
            sequence: 4,
            index: 5000,
            ..POSITION
        };
        let mut file = newer.encode();
        file.resize(SLOT_STEP, 0);
        file.extend(POSITION.encode());
        assert_eq!(file.len(), POSITION_BYTES);
        assert_eq!(Position::newest(&file), Some((0, newer)));
        for at in 0..SLOT_BYTES {
            file[at] ^= 1;
            assert_eq!(Position::newest(&file), Some((1, POSITION)), "byte {at}");
            file[at] ^= 1;
        }
        file[SLOT_STEP + 9] ^= 1;
        assert_eq!(Position::newest(&file), Some((0, newer)));
        file[9] ^= 1;
        assert_eq!(Position::newest(&file), None);
        assert_eq!(Position::newest(&[]), None);
    }
}
