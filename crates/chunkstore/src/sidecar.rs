//! The sidecar's bytes.
//!
//! ```text
//! offset  size
//!      0     8  magic, "DFSCHUNK"
//!      8     4  version, 1
//!     12     4  checksum type, 2 = CRC32C (the data-transfer protocol's number)
//!     16     4  bytes of a checksum unit, 512
//!     20     4  CRC32C of all sums, as they are stored
//!     24     8  generation
//!     32     8  bytes of data
//!     40    16  UUID of the chunk, in its usual (big-endian) order
//!     56     4  reserved, 0
//!     60     4  CRC32C of bytes 0..60
//!     64   4×n  one CRC32C for each unit of data, big-endian; the last unit may be short
//! ```
//!
//! Header numbers are little-endian. The sums are as the data-transfer protocol sends them, so that they go from the socket
//! to the disk and back untouched. A sidecar is exactly as long as its header says.

use types::Generation;
use types::limits::{CHECKSUM_UNIT_BYTES, CHUNK_SIZE_MAX};
use uuid::Uuid;

use crate::units::{SUM, units};

const MAGIC: &[u8; 8] = b"DFSCHUNK";
const VERSION: u32 = 1;
const CHECKSUM_CRC32C: u32 = 2;

const AT_VERSION: usize = MAGIC.len();
const AT_CHECKSUM_TYPE: usize = AT_VERSION + 4;
const AT_UNIT: usize = AT_CHECKSUM_TYPE + 4;
const AT_SUMS_CRC: usize = AT_UNIT + 4;
const AT_GENERATION: usize = AT_SUMS_CRC + 4;
const AT_LENGTH: usize = AT_GENERATION + 8;
const AT_UUID: usize = AT_LENGTH + 8;
const AT_RESERVED: usize = AT_UUID + 16;
const AT_CRC: usize = AT_RESERVED + 4;

/// Bytes of the header; the sums begin here.
pub(crate) const HEADER_BYTES: usize = AT_CRC + 4;

const _: () = assert!(
    HEADER_BYTES == 64,
    "the picture above says so, and no sum straddles a sector"
);

/// What the header of a sidecar says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) uuid: Uuid,
    pub(crate) generation: Generation,
    /// Bytes of data.
    pub(crate) len: u64,
    /// CRC32C of all sums, as they are stored.
    pub(crate) sums_crc: u32,
}

/// Why bytes are not the header of a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BrokenHeader {
    #[error("it is shorter than a header")]
    Short,
    #[error("it does not begin as a sidecar does")]
    Magic,
    #[error("its header does not match its checksum")]
    Checksum,
    #[error("its version is {0}; this program reads version {VERSION}")]
    Version(u32),
    #[error(
        "its checksums are of type {checksum_type} over {unit} bytes, not CRC32C over {CHECKSUM_UNIT_BYTES}"
    )]
    Kind { checksum_type: u32, unit: u32 },
    #[error("its length of {0} bytes is more than a chunk may have")]
    Length(u64),
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        self.encode_as(MAGIC, 0)
    }

    /// The header under another magic, with something in the reserved field.
    pub(crate) fn encode_as(&self, magic: &[u8; 8], reserved: u32) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        put(&mut bytes, 0, *magic);
        put(&mut bytes, AT_VERSION, VERSION.to_le_bytes());
        put(&mut bytes, AT_CHECKSUM_TYPE, CHECKSUM_CRC32C.to_le_bytes());
        put(&mut bytes, AT_UNIT, CHECKSUM_UNIT_BYTES.to_le_bytes());
        put(&mut bytes, AT_SUMS_CRC, self.sums_crc.to_le_bytes());
        put(&mut bytes, AT_GENERATION, self.generation.as_u64().to_le_bytes());
        put(&mut bytes, AT_LENGTH, self.len.to_le_bytes());
        put(&mut bytes, AT_UUID, self.uuid.into_bytes());
        put(&mut bytes, AT_RESERVED, reserved.to_le_bytes());
        let crc = crc_of(&bytes);
        put(&mut bytes, AT_CRC, crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BrokenHeader> {
        Self::decode_as(bytes, MAGIC).map(|(header, _)| header)
    }

    /// The header under another magic, and its reserved field.
    pub(crate) fn decode_as(bytes: &[u8], magic: &[u8; 8]) -> Result<(Self, u32), BrokenHeader> {
        let bytes: &[u8; HEADER_BYTES] = bytes
            .get(..HEADER_BYTES)
            .and_then(|b| b.try_into().ok())
            .ok_or(BrokenHeader::Short)?;
        if take(bytes, 0) != *magic {
            return Err(BrokenHeader::Magic);
        }
        if u32::from_le_bytes(take(bytes, AT_CRC)) != crc_of(bytes) {
            return Err(BrokenHeader::Checksum);
        }
        let version = u32::from_le_bytes(take(bytes, AT_VERSION));
        if version != VERSION {
            return Err(BrokenHeader::Version(version));
        }
        let checksum_type = u32::from_le_bytes(take(bytes, AT_CHECKSUM_TYPE));
        let unit = u32::from_le_bytes(take(bytes, AT_UNIT));
        if (checksum_type, unit) != (CHECKSUM_CRC32C, CHECKSUM_UNIT_BYTES) {
            return Err(BrokenHeader::Kind { checksum_type, unit });
        }
        let len = u64::from_le_bytes(take(bytes, AT_LENGTH));
        if len > CHUNK_SIZE_MAX {
            return Err(BrokenHeader::Length(len));
        }
        let header = Self {
            uuid: Uuid::from_bytes(take(bytes, AT_UUID)),
            generation: Generation(u64::from_le_bytes(take(bytes, AT_GENERATION))),
            len,
            sums_crc: u32::from_le_bytes(take(bytes, AT_SUMS_CRC)),
        };
        Ok((header, u32::from_le_bytes(take(bytes, AT_RESERVED))))
    }
}

/// The place in the file of the sum of unit number `unit`.
pub(crate) const fn sum_at(unit: u64) -> u64 {
    HEADER_BYTES as u64 + unit * SUM
}

/// The length of the sidecar of `len` bytes of data.
pub(crate) const fn file_len(len: u64) -> u64 {
    sum_at(units(len))
}

pub(crate) fn crc_of(header: &[u8; HEADER_BYTES]) -> u32 {
    let (covered, _) = header.split_at(AT_CRC);
    crc_fast::crc32_iscsi(covered)
}

#[expect(
    clippy::indexing_slicing,
    reason = "every call has constants that fit the header"
)]
pub(crate) fn put<const N: usize>(bytes: &mut [u8; HEADER_BYTES], at: usize, field: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&field);
}

#[expect(
    clippy::indexing_slicing,
    reason = "every call has constants that fit the header"
)]
pub(crate) fn take<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOLDEN: [u8; HEADER_BYTES] = [
        b'D', b'F', b'S', b'C', b'H', b'U', b'N', b'K', // magic
        1, 0, 0, 0, // version
        2, 0, 0, 0, // CRC32C
        0, 2, 0, 0, // 512
        0xef, 0xbe, 0xad, 0xde, // CRC of the sums
        0xe9, 3, 0, 0, 0, 0, 0, 0, // generation 1001
        0x01, 2, 0, 0, 0, 0, 0, 0, // 513 bytes
        0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x86, 0x17, 0x98, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e,
        0x1f, //
        0, 0, 0, 0, // reserved
        0x20, 0xa6, 0x1c, 0x08, // CRC32C of all before
    ];

    fn golden() -> ([u8; HEADER_BYTES], Header) {
        let header = Header {
            uuid: "10111213-1415-8617-9819-1a1b1c1d1e1f".parse().unwrap(),
            generation: Generation(1001),
            len: 513,
            sums_crc: 0xdead_beef,
        };
        (GOLDEN, header)
    }

    #[test]
    fn bytes_are_golden() {
        let (bytes, header) = golden();
        assert_eq!(header.encode(), bytes);
        assert_eq!(Header::decode(&bytes), Ok(header));
        assert_eq!(file_len(513), 64 + 8);
        assert_eq!(file_len(0), 64);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (bytes, _) = golden();
        for bit in 0..HEADER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let (mut bytes, _) = golden();
        bytes[8] = 9;
        let crc = crc_of(&bytes);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Header::decode(&bytes), Err(BrokenHeader::Version(9)));
    }

    proptest! {
        #[test]
        fn round_trip(uuid: u128, generation: u64, len in 0..=CHUNK_SIZE_MAX, sums_crc: u32) {
            let header = Header { uuid: Uuid::from_u128(uuid), generation: Generation(generation), len, sums_crc };
            prop_assert_eq!(Header::decode(&header.encode()), Ok(header));
        }

        #[test]
        fn any_bytes_are_an_error_or_a_header(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Header::decode(&bytes);
        }
    }
}
