//! The record of what a member must not forget besides the log.
//!
//! ```text
//! 0  ┌─────────────────────┐
//!    │ magic "DFSMETA\n"  8 │
//! 8  │ version           4 │
//! 12 │ term              8 │
//! 20 │ member            8 │   version 1 has nothing between the term and the CRC
//! 28 │ voted for         8 │   0: nobody yet
//! 36 │ elected           1 │   1: a quorum voted for it too
//! 37 │ CRC               4 │
//! 41 └─────────────────────┘
//! ```

use types::{MasterId, Term};

use super::{array_at, crc, u32_at, u64_at};

const MAGIC: usize = 0;
const VERSION: usize = MAGIC + 8;
const TERM: usize = VERSION + 4;
const MEMBER: usize = TERM + 8;
const VOTED_FOR: usize = MEMBER + 8;
const ELECTED: usize = VOTED_FOR + 8;
const CRC: usize = ELECTED + 1;
const META_BYTES: usize = CRC + 4;

const CRC_V1: usize = TERM + 8;
const META_BYTES_V1: usize = CRC_V1 + 4;

const MAGIC_BYTES: [u8; 8] = *b"DFSMETA\n";
const VERSION_1: u32 = 1;
const VERSION_NOW: u32 = 2;

const _: () = assert!(META_BYTES_V1 == 24 && META_BYTES == 41, "the layout is fixed");

/// What a member must not forget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meta {
    /// The last term that it was in.
    pub term: Term,
    /// Who it is; 0 in the record of a version that had no groups.
    pub member: MasterId,
    /// Whom it voted for in this term.
    pub voted_for: Option<MasterId>,
    /// Whether that one is known to have been elected.
    pub elected: bool,
}

impl Meta {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(META_BYTES);
        bytes.extend_from_slice(&MAGIC_BYTES);
        bytes.extend_from_slice(&VERSION_NOW.to_le_bytes());
        bytes.extend_from_slice(&self.term.as_u64().to_le_bytes());
        bytes.extend_from_slice(&self.member.0.to_le_bytes());
        bytes.extend_from_slice(&self.voted_for.unwrap_or_default().0.to_le_bytes());
        bytes.push(u8::from(self.elected));
        let crc = crc(&[&bytes]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The version that the bytes say, when it is a later one.
    pub(crate) fn newer(bytes: &[u8]) -> Option<u32> {
        let version = u32_at(bytes, VERSION)?;
        (array_at(bytes, MAGIC)? == MAGIC_BYTES && version > VERSION_NOW).then_some(version)
    }

    /// None when these are not the bytes that were written, or a later version's.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if array_at(bytes, MAGIC)? != MAGIC_BYTES {
            return None;
        }
        let (length, crc_at) = match u32_at(bytes, VERSION)? {
            VERSION_1 => (META_BYTES_V1, CRC_V1),
            VERSION_NOW => (META_BYTES, CRC),
            _ => return None,
        };
        if bytes.len() != length || u32_at(bytes, crc_at)? != crc(&[bytes.get(..crc_at)?]) {
            return None;
        }
        let term = Term(u64_at(bytes, TERM)?);
        if length == META_BYTES_V1 {
            return Some(Self {
                term,
                ..Self::default()
            });
        }
        let voted_for = MasterId(u64_at(bytes, VOTED_FOR)?);
        Some(Self {
            term,
            member: MasterId(u64_at(bytes, MEMBER)?),
            voted_for: (voted_for != MasterId::default()).then_some(voted_for),
            elected: array_at(bytes, ELECTED)? == [1],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: Meta = Meta {
        term: Term(258),
        member: MasterId(0x1122),
        voted_for: Some(MasterId(0x3344)),
        elected: true,
    };

    #[test]
    fn golden_bytes() {
        assert_eq!(
            META.encode(),
            *b"DFSMETA\n\x02\0\0\0\x02\x01\0\0\0\0\0\0\x22\x11\0\0\0\0\0\0\x44\x33\0\0\0\0\0\0\x01\x4b\xb5\x52\x62"
        );
    }

    #[test]
    fn version_1_is_read() {
        let bytes = b"DFSMETA\n\x01\0\0\0\x02\x01\0\0\0\0\0\0\xac\x7b\x13\xbc";
        let expected = Meta {
            term: Term(258),
            ..Meta::default()
        };
        assert_eq!(Meta::decode(bytes), Some(expected));
    }

    #[test]
    fn it_comes_back_and_no_flipped_bit_passes() {
        for meta in [META, Meta::default()] {
            let mut bytes = meta.encode();
            assert_eq!(Meta::decode(&bytes), Some(meta));
            for at in 0..META_BYTES {
                bytes[at] ^= 0x10;
                assert_eq!(Meta::decode(&bytes), None, "byte {at}");
                bytes[at] ^= 0x10;
            }
            assert_eq!(Meta::decode(&bytes[1..]), None);
            assert_eq!(Meta::decode(&bytes[..META_BYTES_V1]), None);
        }
    }
}
