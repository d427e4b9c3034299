//! Every byte of a checkpoint file. Numbers are little-endian; checksums are CRC32C.
//!
//! ```text
//! DIR/checkpoint-00000000000000004711        named after the index of the log up to which it holds
//! DIR/checkpoint-writing-0.tmp               one that is being written; removed at the next start
//! DIR/checkpoint-receiving-0.tmp             one that is being received; removed at the next start
//!
//! file                                        header
//! ┌──────────┐                                0  ┌─────────────────────────────┐
//! │ header   │                                   │ magic "DFSCHK\r\n"        8 │  these 16 bytes are the same
//! ├──────────┤                                8  │ version                   4 │  in every version, so that a
//! │ block    │                                12 │ CRC of the bytes before   4 │  newer one is known as such
//! ├──────────┤                                16 ├─────────────────────────────┤
//! │ block    │                                   │ term                      8 │
//! ├──────────┤                                24 │ index                     8 │
//! │ …        │                                32 │ when it was written, ms   8 │
//! ├──────────┤                                40 │ length of membership      4 │
//! │ footer   │                                44 │ membership                n │
//! └──────────┘                              44+n │ CRC of the bytes before   4 │
//!                                           48+n └─────────────────────────────┘
//!
//! block                                       footer
//! 0  ┌─────────────────────────┐              0  ┌─────────────────────────┐
//!    │ CRC, chained          4 │                 │ CRC, chained          4 │
//! 4  │ length, not zero      4 │              4  │ zero                  4 │
//! 8  │ payload          length │              8  │ number of blocks      8 │
//!    └─────────────────────────┘              16 │ bytes of all payloads 8 │
//!                                             24 │ magic "DFSCHKE\n"     8 │
//!                                             32 └─────────────────────────┘  the end of the file
//! ```
//!
//! The chain: the CRC of a block is that of its length and payload, after the CRC of the block before it; the first one
//! continues the header's CRC, the footer the last block's. So a block is valid only behind the very blocks that it was
//! written behind: one that is missing, twice, elsewhere, or of another file is found, and the footer's CRC is a sum over
//! all of the file.

mod footer;
mod header;
mod walk;

pub use footer::Totals;
pub(crate) use footer::{FOOTER_BYTES, encode as encode_footer, totals as footer_totals};
pub use header::{BadHeader, Header, MEMBERSHIP_BYTES_MAX, VERSION};
pub(crate) use header::{PREFIX_BYTES, header_bytes};
pub use walk::Damage;
pub(crate) use walk::{BLOCK_HEAD_BYTES, Next, Walk};

/// The largest payload of a block.
pub const BLOCK_BYTES_MAX: usize = 1 << 20;

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
