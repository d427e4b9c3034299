//! The header of a segment. The picture is in the module above.
//!
//! It has a page to itself, so that no write of a record ever touches it again.

use super::{LogId, array_at, crc, u32_at, u64_at};

const MAGIC: usize = 0;
const VERSION: usize = MAGIC + 8;
const LOG: usize = VERSION + 4;
const FIRST: usize = LOG + 16;
const CHAIN: usize = FIRST + 8;
const ANEW: usize = CHAIN + 4;
const ZEROS: usize = ANEW + 1;
const CRC: usize = HEADER_BYTES - 4;

/// Bytes of the header.
pub(crate) const HEADER_BYTES: usize = 4096;

const MAGIC_BYTES: [u8; 8] = *b"DFSWAL\r\n";
const VERSION_1: u32 = 1;
/// Only of segments that begin the log anew, so that a program which does not know of them does not take the segments
/// before for a part of the log.
const VERSION_NOW: u32 = 2;

const _: () = assert!(ANEW == 40 && ZEROS <= CRC, "the layout is fixed");

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The log that it is a part of.
    pub(crate) log: LogId,
    /// The index of its first record.
    pub(crate) first: u64,
    /// The CRC of the record before that.
    pub(crate) chain: u32,
    /// Whether the log begins here, whatever segments there are before.
    pub(crate) anew: bool,
}

/// Why bytes are not the header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// The file is shorter than a header.
    #[error("the file ends within it")]
    Cut,
    /// It does not begin like one.
    #[error("it does not begin with the mark of a segment")]
    Magic,
    /// Another version's.
    #[error("it has format version {0}, and this program reads versions up to {VERSION_NOW}")]
    Version(u32),
    /// The bytes are not those that were written.
    #[error("its CRC is {found:08x} where the bytes give {computed:08x}")]
    Crc {
        /// What is stored.
        found: u32,
        /// What should be.
        computed: u32,
    },
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC_BYTES);
        let version = if self.anew { VERSION_NOW } else { VERSION_1 };
        bytes.extend_from_slice(&version.to_le_bytes());
        bytes.extend_from_slice(&self.log.0);
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.chain.to_le_bytes());
        bytes.push(u8::from(self.anew));
        bytes.resize(CRC, 0);
        let crc = crc(&[&bytes]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        let bytes = bytes.get(..HEADER_BYTES).ok_or(BadHeader::Cut)?;
        if array_at(bytes, MAGIC) != Some(MAGIC_BYTES) {
            return Err(BadHeader::Magic);
        }
        let found = u32_at(bytes, CRC).ok_or(BadHeader::Cut)?;
        let computed = crc(&[bytes.split_at(CRC).0]);
        if found != computed {
            return Err(BadHeader::Crc { found, computed });
        }
        let version = u32_at(bytes, VERSION).ok_or(BadHeader::Cut)?;
        if ![VERSION_1, VERSION_NOW].contains(&version) {
            return Err(BadHeader::Version(version));
        }
        Ok(Self {
            log: LogId(array_at(bytes, LOG).ok_or(BadHeader::Cut)?),
            first: u64_at(bytes, FIRST).ok_or(BadHeader::Cut)?,
            chain: u32_at(bytes, CHAIN).ok_or(BadHeader::Cut)?,
            anew: version == VERSION_NOW && bytes.get(ANEW) == Some(&1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        log: LogId(*b"0123456789abcdef"),
        first: 4711,
        chain: 0x1234_5678,
        anew: false,
    };

    #[test]
    fn golden_bytes() {
        let bytes = HEADER.encode();
        assert_eq!(bytes.len(), HEADER_BYTES);
        assert_eq!(
            bytes[..ANEW],
            *b"DFSWAL\r\n\x01\0\0\x000123456789abcdef\x67\x12\0\0\0\0\0\0\x78\x56\x34\x12"
        );
        assert!(bytes[ANEW..CRC].iter().all(|byte| *byte == 0));
        assert_eq!(bytes[CRC..], [0xeb, 0xc9, 0x43, 0xcc]);
    }

    #[test]
    fn golden_bytes_of_a_new_beginning() {
        let header = Header { anew: true, ..HEADER };
        let bytes = header.encode();
        assert_eq!(bytes[VERSION..LOG], [2, 0, 0, 0]);
        assert_eq!(bytes[ANEW], 1);
        assert_eq!(bytes[LOG..ANEW], HEADER.encode()[LOG..ANEW]);
        assert!(bytes[ZEROS..CRC].iter().all(|byte| *byte == 0));
        assert_eq!(Header::decode(&bytes), Ok(header));
    }

    #[test]
    fn it_comes_back_and_no_flipped_bit_passes() {
        let mut bytes = HEADER.encode();
        assert_eq!(Header::decode(&bytes), Ok(HEADER));
        for at in 0..HEADER_BYTES {
            bytes[at] ^= 1 << (at % 8);
            assert!(Header::decode(&bytes).is_err(), "byte {at}");
            bytes[at] ^= 1 << (at % 8);
        }
        assert_eq!(Header::decode(&bytes[..HEADER_BYTES - 1]), Err(BadHeader::Cut));
    }

    #[test]
    fn a_later_version_is_named() {
        let mut bytes = HEADER.encode();
        bytes[VERSION] = 3;
        let crc = crc(&[&bytes[..CRC]]);
        bytes[CRC..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Header::decode(&bytes), Err(BadHeader::Version(3)));
    }
}
