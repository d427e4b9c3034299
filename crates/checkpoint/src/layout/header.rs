//! The header. The picture is in the module above.

use types::{Term, UnixMillis};

use super::{array_at, crc, u32_at, u64_at};

const MAGIC: usize = 0;
const FORMAT: usize = MAGIC + 8;
const FORMAT_CRC: usize = FORMAT + 4;
const TERM: usize = FORMAT_CRC + 4;
const INDEX: usize = TERM + 8;
const WRITTEN: usize = INDEX + 8;
const MEMBERSHIP_LENGTH: usize = WRITTEN + 8;
const MEMBERSHIP: usize = MEMBERSHIP_LENGTH + 4;
const CRC_BYTES: usize = 4;

/// Bytes after which the length of the whole header is known.
pub(crate) const PREFIX_BYTES: usize = MEMBERSHIP;

/// The largest membership: thousands of masters.
pub const MEMBERSHIP_BYTES_MAX: usize = 1 << 20;

/// The version of the format that is written. Every older one is read too.
pub const VERSION: u32 = 1;

const MAGIC_BYTES: [u8; 8] = *b"DFSCHK\r\n";

const _: () = assert!(
    TERM == 16 && MEMBERSHIP == 44,
    "the layout is fixed, and the first 16 bytes for every version to come"
);

/// What a checkpoint says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The term of the last record of the log that is in it.
    pub term: Term,
    /// The index of that record.
    pub index: u64,
    /// The date, by the writer's clock: for people.
    pub written: UnixMillis,
    /// Who belonged to the group as of that record; the bytes are consensus's.
    pub membership: Vec<u8>,
}

/// Why bytes are not the header of a checkpoint that this program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// The file is shorter than a header.
    #[error("the file ends within the header")]
    Cut,
    /// It does not begin like one.
    #[error("it does not begin with the mark of a checkpoint")]
    Magic,
    /// A program that is newer wrote it.
    #[error("it has format version {0}, and this program reads versions up to {VERSION}")]
    Newer(u32),
    /// No program ever wrote this version.
    #[error("it has format version {0}, which there never was")]
    Version(u32),
    /// The membership can not be this long.
    #[error("its membership would have {0} bytes")]
    Membership(u32),
    /// The bytes are not those that were written.
    #[error("the header's CRC is {found:08x} where the bytes give {computed:08x}")]
    Crc {
        /// What is stored.
        found: u32,
        /// What should be.
        computed: u32,
    },
}

/// The versions that are read: each has its way to a [`Header`] of today. A new one gets a variant here, and the compiler
/// asks for the rest.
#[derive(Debug, Clone, Copy)]
enum Format {
    V1,
}

impl Header {
    /// The bytes, and the CRC that the first block continues. The membership's length has been checked.
    pub(crate) fn encode(&self) -> (Vec<u8>, u32) {
        let mut bytes = Vec::with_capacity(MEMBERSHIP + self.membership.len() + CRC_BYTES);
        bytes.extend_from_slice(&MAGIC_BYTES);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        let format_crc = crc(&[&bytes]);
        bytes.extend_from_slice(&format_crc.to_le_bytes());
        bytes.extend_from_slice(&self.term.as_u64().to_le_bytes());
        bytes.extend_from_slice(&self.index.to_le_bytes());
        bytes.extend_from_slice(&self.written.0.to_le_bytes());
        let length = u32::try_from(self.membership.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&self.membership);
        let crc = crc(&[&bytes]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        (bytes, crc)
    }

    /// The header in `bytes`, which are as many as [`header_bytes`] said, and its CRC.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, u32), BadHeader> {
        match format(bytes)? {
            Format::V1 => Self::decode_v1(bytes),
        }
    }

    fn decode_v1(bytes: &[u8]) -> Result<(Self, u32), BadHeader> {
        let Some((body, _)) = bytes.split_last_chunk::<CRC_BYTES>() else {
            return Err(BadHeader::Cut);
        };
        let found = u32_at(bytes, body.len()).ok_or(BadHeader::Cut)?;
        let computed = crc(&[body]);
        if found != computed {
            return Err(BadHeader::Crc { found, computed });
        }
        let header = Self {
            term: Term(u64_at(body, TERM).ok_or(BadHeader::Cut)?),
            index: u64_at(body, INDEX).ok_or(BadHeader::Cut)?,
            written: UnixMillis(u64_at(body, WRITTEN).ok_or(BadHeader::Cut)?),
            membership: body.get(MEMBERSHIP..).ok_or(BadHeader::Cut)?.to_owned(),
        };
        Ok((header, found))
    }
}

/// How long the header is that begins with these [`PREFIX_BYTES`].
pub(crate) fn header_bytes(prefix: &[u8]) -> Result<usize, BadHeader> {
    match format(prefix)? {
        Format::V1 => {
            let length = u32_at(prefix, MEMBERSHIP_LENGTH).ok_or(BadHeader::Cut)?;
            match usize::try_from(length) {
                Ok(bytes) if bytes <= MEMBERSHIP_BYTES_MAX => Ok(MEMBERSHIP + bytes + CRC_BYTES),
                _ => Err(BadHeader::Membership(length)),
            }
        }
    }
}

/// The version comes with a CRC of its own: a flipped bit in it is damage, and not another version.
fn format(bytes: &[u8]) -> Result<Format, BadHeader> {
    if array_at(bytes, MAGIC).ok_or(BadHeader::Cut)? != MAGIC_BYTES {
        return Err(BadHeader::Magic);
    }
    let version = u32_at(bytes, FORMAT).ok_or(BadHeader::Cut)?;
    let found = u32_at(bytes, FORMAT_CRC).ok_or(BadHeader::Cut)?;
    let computed = crc(&[bytes.split_at(FORMAT_CRC).0]);
    match version {
        _ if found != computed => Err(BadHeader::Crc { found, computed }),
        VERSION => Ok(Format::V1),
        0 => Err(BadHeader::Version(version)),
        _ => Err(BadHeader::Newer(version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            term: Term(7),
            index: 4711,
            written: UnixMillis(0x0102_0304),
            membership: b"us".to_vec(),
        }
    }

    #[test]
    fn golden_bytes() {
        let (bytes, crc) = header().encode();
        let golden = b"DFSCHK\r\n\x01\0\0\0\xbc\x7b\x18\x25\x07\0\0\0\0\0\0\0\x67\x12\0\0\0\0\0\0\
            \x04\x03\x02\x01\0\0\0\0\x02\0\0\0us\x52\xc2\xdf\xa1";
        assert_eq!(bytes, golden, "{bytes:02x?}");
        assert_eq!(crc, 0xa1df_c252);
        assert_eq!(header_bytes(&bytes[..PREFIX_BYTES]), Ok(bytes.len()));
        assert_eq!(Header::decode(&bytes), Ok((header(), crc)));
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let (mut bytes, _) = header().encode();
        bytes[FORMAT] = 2;
        assert!(matches!(header_bytes(&bytes), Err(BadHeader::Crc { .. })));
        let crc = crc(&[&bytes[..FORMAT_CRC]]);
        bytes[FORMAT_CRC..TERM].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(header_bytes(&bytes), Err(BadHeader::Newer(2)));
    }

    #[test]
    fn a_membership_can_not_take_all_memory() {
        let (mut bytes, _) = header().encode();
        bytes[MEMBERSHIP_LENGTH + 3] = 0xff;
        assert_eq!(header_bytes(&bytes), Err(BadHeader::Membership(0xff00_0002)));
    }
}
