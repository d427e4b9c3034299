//! Every byte that the log keeps on disk. Numbers are little-endian; checksums are CRC32C.
//!
//! ```text
//! DIR/wal-00000000000000000001.log     a segment, named after the index of its first record
//! DIR/wal-00000000000000004711.log
//! DIR/synced                           how far the log is known to be durable
//! DIR/spare                            the next segment, zero-filled in advance
//! DIR/*.tmp                            a file that is not finished; removed at the next open
//!
//! segment                                     frame                               position (one slot)
//! 0    ┌───────────────────────────────┐      0  ┌──────────────────────────┐     0  ┌───────────────────┐
//!      │ magic "DFSWAL\r\n"          8 │         │ CRC, chained           4 │        │ magic "DFSPOS\r\n" 8│
//! 8    │ version                     4 │      4  │ term                   8 │     8  │ log id         16 │
//! 12   │ log id                     16 │      12 │ index                  8 │     24 │ sequence        8 │
//! 28   │ index of the first record   8 │         ├── record ────────────────┤     32 │ index           8 │
//! 36   │ CRC of the record before    4 │      20 │ op code                1 │     40 │ CRC of record   4 │
//! 40   │ 1: the log begins anew here  1 │
//! 41   │ zeros                         │      21 │ length of the payload  4 │     44 │ CRC of slot     4 │
//! 4092 │ CRC of the bytes before     4 │      25 │ payload                  │     48 └───────────────────┘
//! 4096 ├───────────────────────────────┤         └──────────────────────────┘
//!      │ frame, frame, frame …         │                                         `synced` has two slots:
//!      │ zeros to the end              │      meta: see `meta.rs`                at 0 and at 4096
//!      └───────────────────────────────┘
//! ```
//!
//! The chain: a frame's CRC is that of the whole frame with the CRC of the frame before in the CRC's place. So a frame is
//! valid only right after the very frame that it was written after: what an earlier life of the log left in a segment can
//! never pass for a part of it. The chain of a log begins with the CRC of its id, and a segment's header hands it on.

pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod meta;
pub(crate) mod position;

/// Sixteen random bytes that every file of one log carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogId(pub [u8; 16]);

impl LogId {
    /// Where the chain of CRCs begins.
    pub(crate) fn chain(self) -> u32 {
        crc(&[&self.0])
    }
}

impl std::fmt::Display for LogId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The CRC32C of all parts, one after the other.
pub(crate) fn crc(parts: &[&[u8]]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    for part in parts {
        digest.update(part);
    }
    #[expect(clippy::cast_possible_truncation, reason = "a CRC32 has 32 bits")]
    let crc = digest.finalize() as u32;
    crc
}

/// The `N` bytes at `offset`, if all are there.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array_at(bytes, offset).map(u64::from_le_bytes)
}
