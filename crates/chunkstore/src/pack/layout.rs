//! The bytes of a pack.
//!
//! ```text
//! offset  size
//!      0     8  magic, "DFSPACK\n"
//!      8     4  version, 1
//!     12    16  UUID of the storage, in its usual (big-endian) order
//!     28     4  serial number of the pack on its storage
//!     32    28  reserved, 0
//!     60     4  CRC32C of bytes 0..60
//!     64        entries, each at a multiple of 64:
//!               a sidecar, as it is beside a chunk file (64 bytes of header, 4 for each unit), but for its magic
//!               ("DFSENTRY"; "DFSREST\n" once it is deleted and rests, "DFSGONE\n" once it is destroyed) and the seal of
//!               its place in the reserved field;
//!               the data; zeros up to the next multiple of 64
//! ```
//!
//! Numbers of the headers are little-endian. A seal is the CRC32C of the storage's UUID, the serial number and the offset.
//! The last entry of a pack that was closed in order is a bare header with the magic "DFSCLOSE": all before it was synced.

use types::{Generation, StorageId};
use uuid::Uuid;

use crate::sidecar::{self, BrokenHeader, HEADER_BYTES, Header};

/// What an entry begins at a multiple of, and the length of a header.
pub(crate) const ALIGN: u64 = HEADER_BYTES as u64;

const MAGIC: &[u8; 8] = b"DFSPACK\n";
const VERSION: u32 = 1;

const AT_VERSION: usize = MAGIC.len();
const AT_STORAGE: usize = AT_VERSION + 4;
const AT_SERIAL: usize = AT_STORAGE + 16;
const AT_RESERVED: usize = AT_SERIAL + 4;
const AT_CRC: usize = HEADER_BYTES - 4;

const _: () = assert!(AT_RESERVED == 32, "the picture above says so");

const LIVE: &[u8; 8] = b"DFSENTRY";
const RESTING: &[u8; 8] = b"DFSREST\n";
const GONE: &[u8; 8] = b"DFSGONE\n";
const CLOSE: &[u8; 8] = b"DFSCLOSE";

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    /// The serial number of the pack.
    pub(crate) pack: u32,
    /// The offset of the entry in it.
    pub(crate) at: u32,
}

impl Spot {
    fn seal(self, storage: StorageId) -> u32 {
        let mut place = [0; 24];
        let (uuid, numbers) = place.split_at_mut(16);
        uuid.copy_from_slice(storage.0.as_bytes());
        let (serial, offset) = numbers.split_at_mut(4);
        serial.copy_from_slice(&self.pack.to_le_bytes());
        offset.copy_from_slice(&self.at.to_le_bytes());
        crc_fast::crc32_iscsi(&place)
    }
}

/// What the header of an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A replica.
    Live(Header),
    /// One that was deleted, and may be restored.
    Resting(Header),
    /// One that was destroyed.
    Gone(Header),
    /// The end of a pack that was closed in order.
    Close,
}

/// Why bytes are not the header of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BrokenEntry {
    #[error(transparent)]
    Header(#[from] BrokenHeader),
    #[error("it was written for another place")]
    Misplaced,
}

/// Bytes that an entry with `len` bytes of data takes.
pub(crate) const fn entry_len(len: u64) -> u64 {
    (sidecar::file_len(len) + len).next_multiple_of(ALIGN)
}

/// The header of a pack.
pub(crate) fn encode_pack(storage: StorageId, serial: u32) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    sidecar::put(&mut bytes, 0, *MAGIC);
    sidecar::put(&mut bytes, AT_VERSION, VERSION.to_le_bytes());
    sidecar::put(&mut bytes, AT_STORAGE, *storage.0.as_bytes());
    sidecar::put(&mut bytes, AT_SERIAL, serial.to_le_bytes());
    let crc = sidecar::crc_of(&bytes);
    sidecar::put(&mut bytes, AT_CRC, crc.to_le_bytes());
    bytes
}

/// Reads the header of a pack; what is wrong with it, when it is not that of pack `serial` on `storage`.
pub(crate) fn check_pack(bytes: &[u8], storage: StorageId, serial: u32) -> Result<(), String> {
    let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Err("it is shorter than a header".to_owned());
    };
    if sidecar::take(bytes, 0) != *MAGIC
        || u32::from_le_bytes(sidecar::take(bytes, AT_CRC)) != sidecar::crc_of(bytes)
    {
        return Err("its header is broken".to_owned());
    }
    let version = u32::from_le_bytes(sidecar::take(bytes, AT_VERSION));
    if version != VERSION {
        return Err(format!(
            "its version is {version}; this program reads version {VERSION}"
        ));
    }
    let (uuid, number) = (
        Uuid::from_bytes(sidecar::take(bytes, AT_STORAGE)),
        u32::from_le_bytes(sidecar::take(bytes, AT_SERIAL)),
    );
    if (uuid, number) == (storage.0, serial) {
        Ok(())
    } else {
        Err(format!("it is pack {number:08x} of storage {uuid}"))
    }
}

/// The header of a live entry at `spot`.
pub(crate) fn encode_live(header: &Header, storage: StorageId, spot: Spot) -> [u8; HEADER_BYTES] {
    header.encode_as(LIVE, spot.seal(storage))
}

/// The same while it rests: only this changes, within one sector.
pub(crate) fn encode_resting(header: &Header, storage: StorageId, spot: Spot) -> [u8; HEADER_BYTES] {
    header.encode_as(RESTING, spot.seal(storage))
}

/// The same once it is destroyed.
pub(crate) fn encode_gone(header: &Header, storage: StorageId, spot: Spot) -> [u8; HEADER_BYTES] {
    header.encode_as(GONE, spot.seal(storage))
}

/// The header that closes a pack.
pub(crate) fn encode_close(storage: StorageId, spot: Spot) -> [u8; HEADER_BYTES] {
    let nothing = Header {
        uuid: Uuid::nil(),
        generation: Generation(0),
        len: 0,
        sums_crc: 0,
    };
    nothing.encode_as(CLOSE, spot.seal(storage))
}

/// Reads the header of an entry.
pub(crate) fn decode_entry(bytes: &[u8], storage: StorageId, spot: Spot) -> Result<Mark, BrokenEntry> {
    let (mark, header, seal): (fn(Header) -> Mark, _, _) = match Header::decode_as(bytes, LIVE) {
        Ok((header, seal)) => (Mark::Live, header, seal),
        Err(BrokenHeader::Magic) => decode_other(bytes)?,
        Err(broken) => return Err(broken.into()),
    };
    debug_assert!(
        header.len <= types::limits::CHUNK_SIZE_MAX,
        "checked by the header"
    );
    if seal == spot.seal(storage) {
        Ok(mark(header))
    } else {
        Err(BrokenEntry::Misplaced)
    }
}

type Decoded = (fn(Header) -> Mark, Header, u32);

fn decode_other(bytes: &[u8]) -> Result<Decoded, BrokenHeader> {
    for (magic, mark) in [(RESTING, Mark::Resting as fn(Header) -> Mark), (GONE, Mark::Gone)] {
        match Header::decode_as(bytes, magic) {
            Err(BrokenHeader::Magic) => {}
            decoded => return decoded.map(|(header, seal)| (mark, header, seal)),
        }
    }
    Header::decode_as(bytes, CLOSE)
        .map(|(header, seal)| ((|_| Mark::Close) as fn(Header) -> Mark, header, seal))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORAGE: StorageId = StorageId(Uuid::from_u128(0x0102_0304_0506_4708_890a_0b0c_0d0e_0f10));
    const SPOT: Spot = Spot { pack: 3, at: 128 };

    fn header() -> Header {
        Header {
            uuid: Uuid::from_u128(7),
            generation: Generation(1001),
            len: 513,
            sums_crc: 0xdead_beef,
        }
    }

    #[test]
    fn bytes_are_golden() {
        let pack = encode_pack(STORAGE, 3);
        assert_eq!(pack.get(..12), Some(&b"DFSPACK\n\x01\0\0\0"[..]));
        assert_eq!(pack.get(28..32), Some(&[3, 0, 0, 0][..]));
        assert_eq!(crc_fast::crc32_iscsi(&pack[..60]).to_le_bytes(), pack[60..]);
        let live = encode_live(&header(), STORAGE, SPOT);
        assert_eq!(live.get(..12), Some(&b"DFSENTRY\x01\0\0\0"[..]));
        let mut place = STORAGE.0.as_bytes().to_vec();
        place.extend([3, 0, 0, 0, 128, 0, 0, 0]);
        assert_eq!(live[56..60], crc_fast::crc32_iscsi(&place).to_le_bytes());
        assert_eq!((entry_len(0), entry_len(513)), (64, 64 + 8 + 513 + 55));
    }

    #[test]
    fn marks_are_read_back_and_only_at_their_place() {
        let (live, resting, gone, close) = (
            encode_live(&header(), STORAGE, SPOT),
            encode_resting(&header(), STORAGE, SPOT),
            encode_gone(&header(), STORAGE, SPOT),
            encode_close(STORAGE, SPOT),
        );
        assert_eq!(decode_entry(&live, STORAGE, SPOT), Ok(Mark::Live(header())));
        assert_eq!(decode_entry(&resting, STORAGE, SPOT), Ok(Mark::Resting(header())));
        assert_eq!(decode_entry(&gone, STORAGE, SPOT), Ok(Mark::Gone(header())));
        assert_eq!(decode_entry(&close, STORAGE, SPOT), Ok(Mark::Close));
        let other = StorageId(Uuid::from_u128(1));
        for (storage, spot) in [
            (other, SPOT),
            (STORAGE, Spot { pack: 4, ..SPOT }),
            (STORAGE, Spot { at: 192, ..SPOT }),
        ] {
            assert_eq!(decode_entry(&live, storage, spot), Err(BrokenEntry::Misplaced));
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for bytes in [
            encode_live(&header(), STORAGE, SPOT),
            encode_resting(&header(), STORAGE, SPOT),
            encode_gone(&header(), STORAGE, SPOT),
            encode_close(STORAGE, SPOT),
        ] {
            for bit in 0..HEADER_BYTES * 8 {
                let mut flipped = bytes;
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(decode_entry(&flipped, STORAGE, SPOT).is_err(), "bit {bit}");
            }
        }
        let pack = encode_pack(STORAGE, 3);
        assert_eq!(check_pack(&pack, STORAGE, 3), Ok(()));
        for bit in 0..HEADER_BYTES * 8 {
            let mut flipped = pack;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(check_pack(&flipped, STORAGE, 3).is_err(), "bit {bit}");
        }
        assert!(check_pack(&pack, STORAGE, 4).is_err());
        assert!(check_pack(&pack[1..], STORAGE, 3).is_err());
    }
}
