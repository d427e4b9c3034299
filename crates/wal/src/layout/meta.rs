//! The record of what a member must not forget besides the log.
//!
//! ```text
//! 0  ┌─────────────────────┐
//!    │ magic "DFSMETA\n"  8 │
//! 8  │ version           4 │
//! 12 │ term              8 │
//! 20 │ CRC               4 │
//! 24 └─────────────────────┘
//! ```

use types::Term;

use super::{array_at, crc, u32_at, u64_at};

const MAGIC: usize = 0;
const VERSION: usize = MAGIC + 8;
const TERM: usize = VERSION + 4;
const CRC: usize = TERM + 8;
const META_BYTES: usize = CRC + 4;

const MAGIC_BYTES: [u8; 8] = *b"DFSMETA\n";
const VERSION_NOW: u32 = 1;

const _: () = assert!(META_BYTES == 24, "the layout is fixed");

/// What a member must not forget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meta {
    /// The last term that it was in.
    pub term: Term,
}

impl Meta {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(META_BYTES);
        bytes.extend_from_slice(&MAGIC_BYTES);
        bytes.extend_from_slice(&VERSION_NOW.to_le_bytes());
        bytes.extend_from_slice(&self.term.as_u64().to_le_bytes());
        let crc = crc(&[&bytes]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// None when these are not the bytes that were written, or another version's.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let valid = bytes.len() == META_BYTES
            && array_at(bytes, MAGIC)? == MAGIC_BYTES
            && u32_at(bytes, VERSION)? == VERSION_NOW
            && u32_at(bytes, CRC)? == crc(&[bytes.get(..CRC)?]);
        valid.then_some(Self {
            term: Term(u64_at(bytes, TERM)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let meta = Meta { term: Term(258) };
        assert_eq!(
            meta.encode(),
            *b"DFSMETA\n\x01\0\0\0\x02\x01\0\0\0\0\0\0\xac\x7b\x13\xbc"
        );
    }

    #[test]
    fn it_comes_back_and_no_flipped_bit_passes() {
        let meta = Meta { term: Term(258) };
        let mut bytes = meta.encode();
        assert_eq!(Meta::decode(&bytes), Some(meta));
        for at in 0..META_BYTES {
            bytes[at] ^= 0x10;
            assert_eq!(Meta::decode(&bytes), None, "byte {at}");
            bytes[at] ^= 0x10;
        }
        assert_eq!(Meta::decode(&bytes[1..]), None);
    }
}
