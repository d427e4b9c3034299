//! Packets as they stand on the wire: lengths, header, sums, data.
//!
//! ```text
//! 0                4               6          prefix               prefix + sums            frame
//! | payload i32 BE | header u16 BE | header … | sums, 4 BE each … | data …                  |
//!   = 4 + sums + data                ^ prefix = 6 + header          frame = 6 + header + payload - 4
//! ```

use std::ops::Range;

use types::limits::{CHECKSUM_UNIT_BYTES, PACKET_DATA_BYTES_MAX};

use crate::packet::{PACKET_HEADER_BYTES_MAX, PacketHeader};
use crate::{DecodeError, Progress};

/// Bytes of the two lengths.
const LENGTHS: usize = 6;

/// The payload length counts itself.
const PAYLOAD_LEN_SELF: u32 = 4;

/// The payload length of the largest packet: 16 MiB of data and their sums.
const PAYLOAD_LEN_MAX: u32 =
    PAYLOAD_LEN_SELF + PACKET_DATA_BYTES_MAX + PACKET_DATA_BYTES_MAX / CHECKSUM_UNIT_BYTES * 4;

const _: () = assert!(PAYLOAD_LEN_MAX <= i32::MAX as u32, "it travels as an i32");

/// Where the parts of a frame are.
///
/// # Invariants
/// The ranges follow each other without a gap; the data end where the frame ends; there are sums for no more units than
/// there are bytes of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLayout {
    header: PacketHeader,
    prefix_len: usize,
    sums_len: usize,
    data_len: usize,
}

impl FrameLayout {
    /// The length of the whole frame that `input` begins with. Six bytes are enough.
    ///
    /// # Errors
    /// When the bytes can not become a frame, whatever follows.
    pub fn frame_len(input: &[u8]) -> Result<Progress<usize>, DecodeError> {
        Ok(Lengths::decode(input)?.map(|lengths| lengths.prefix_len() + lengths.body_len()))
    }

    /// Reads where the parts are. The frame's lengths and its header are enough; they are what is consumed.
    ///
    /// # Errors
    /// When the bytes can not become a frame, whatever follows.
    pub fn decode(input: &[u8]) -> Result<Progress<Self>, DecodeError> {
        let lengths = match Lengths::decode(input)? {
            Progress::Complete(lengths, _) => lengths,
            Progress::Incomplete { needed } => return Ok(Progress::Incomplete { needed }),
        };
        let prefix_len = lengths.prefix_len();
        let Some(header) = input.get(LENGTHS..prefix_len) else {
            return Ok(Progress::Incomplete { needed: prefix_len });
        };
        let header = PacketHeader::decode(header)?;
        let contradiction = DecodeError::PacketLengths {
            payload_len: lengths.payload_len,
            data_len: header.data_len,
        };
        let data_len = usize::try_from(header.data_len).map_err(|_| contradiction.clone())?;
        let sums_len = match lengths.body_len().checked_sub(data_len) {
            Some(sums_len) if sums_len.is_multiple_of(4) && sums_len / 4 <= data_len => sums_len,
            _ => return Err(contradiction),
        };
        Ok(Progress::Complete(
            Self {
                header,
                prefix_len,
                sums_len,
                data_len,
            },
            prefix_len,
        ))
    }

    /// The packet's header.
    #[must_use]
    pub const fn header(&self) -> &PacketHeader {
        &self.header
    }

    /// Where the sums are. None may be there: a reader may ask for none.
    #[must_use]
    pub const fn sums(&self) -> Range<usize> {
        self.prefix_len..self.prefix_len + self.sums_len
    }

    /// Where the data are.
    #[must_use]
    pub const fn data(&self) -> Range<usize> {
        self.prefix_len + self.sums_len..self.len()
    }

    /// The length of the frame.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a frame is never empty")]
    pub const fn len(&self) -> usize {
        self.prefix_len + self.sums_len + self.data_len
    }
}

/// The six bytes that a frame begins with.
struct Lengths {
    payload_len: u32,
    header_len: u16,
}

impl Lengths {
    fn decode(input: &[u8]) -> Result<Progress<Self>, DecodeError> {
        let Some(&[p0, p1, p2, p3, h0, h1]) = input.first_chunk::<LENGTHS>() else {
            return Ok(Progress::Incomplete { needed: LENGTHS });
        };
        let payload_len = u32::from_be_bytes([p0, p1, p2, p3]);
        let header_len = u16::from_be_bytes([h0, h1]);
        if payload_len > PAYLOAD_LEN_MAX {
            let (len, max) = (payload_len.into(), PAYLOAD_LEN_MAX.into());
            return Err(DecodeError::TooLong {
                what: "packet payload",
                len,
                max,
            });
        }
        if payload_len < PAYLOAD_LEN_SELF {
            return Err(DecodeError::PacketLengths {
                payload_len,
                data_len: 0,
            });
        }
        if usize::from(header_len) > PACKET_HEADER_BYTES_MAX {
            let (len, max) = (header_len.into(), PACKET_HEADER_BYTES_MAX as u64);
            return Err(DecodeError::TooLong {
                what: "packet header",
                len,
                max,
            });
        }
        Ok(Progress::Complete(
            Self {
                payload_len,
                header_len,
            },
            LENGTHS,
        ))
    }

    fn prefix_len(&self) -> usize {
        LENGTHS + usize::from(self.header_len)
    }

    /// Bytes of sums and data.
    const fn body_len(&self) -> usize {
        (self.payload_len - PAYLOAD_LEN_SELF) as usize
    }
}

/// A packet, borrowed from the bytes it was received in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The packet's header.
    pub header: PacketHeader,
    /// The sums, 4 bytes BE each.
    pub sums: &'a [u8],
    /// The data.
    pub data: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads the packet at the beginning of `input`.
    ///
    /// # Errors
    /// When the bytes can not become a packet, whatever follows.
    pub fn decode(input: &'a [u8]) -> Result<Progress<Self>, DecodeError> {
        let layout = match FrameLayout::decode(input)? {
            Progress::Complete(layout, _) => layout,
            Progress::Incomplete { needed } => return Ok(Progress::Incomplete { needed }),
        };
        Ok(match (input.get(layout.sums()), input.get(layout.data())) {
            (Some(sums), Some(data)) => Progress::Complete(
                Self {
                    header: layout.header,
                    sums,
                    data,
                },
                layout.len(),
            ),
            _ => Progress::Incomplete { needed: layout.len() },
        })
    }
}

/// The lengths and the header of a frame, ready to be written in front of sums and data.
#[derive(Debug, Clone, Copy)]
pub struct FramePrefix {
    bytes: [u8; LENGTHS + PacketHeader::ENCODED_MAX],
    len: usize,
}

impl FramePrefix {
    /// The prefix of a frame with `header` and `sums_len` bytes of sums.
    ///
    /// # Panics
    /// When the header's data length or `sums_len` are beyond what a packet may hold: a mistake of the caller.
    #[must_use]
    pub fn new(header: &PacketHeader, sums_len: usize) -> Self {
        assert!(
            header.data_len <= PACKET_DATA_BYTES_MAX,
            "packet of {} bytes",
            header.data_len
        );
        let payload_len = u32::try_from(sums_len)
            .ok()
            .and_then(|sums_len| sums_len.checked_add(PAYLOAD_LEN_SELF + header.data_len))
            .unwrap_or(u32::MAX);
        assert!(
            payload_len <= PAYLOAD_LEN_MAX,
            "packet with {sums_len} bytes of sums"
        );
        let mut bytes = [0; LENGTHS + PacketHeader::ENCODED_MAX];
        let (lengths, rest) = bytes.split_at_mut(LENGTHS);
        let mut header_len = 0;
        if let Some(rest) = rest.first_chunk_mut() {
            header_len = header.encode(rest);
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 27")]
        let header_len_field = header_len as u16;
        if let Some((payload, header)) = lengths.split_first_chunk_mut::<4>() {
            *payload = payload_len.to_be_bytes();
            header.copy_from_slice(&header_len_field.to_be_bytes());
        }
        Self {
            bytes,
            len: LENGTHS + header_len,
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}

/// Appends a whole frame. (Where data are many, write [`FramePrefix`], sums and data without copying them.)
///
/// # Panics
/// When the header does not agree with `data`, or there is more than a packet may hold: a mistake of the caller.
pub fn encode_frame(header: &PacketHeader, sums: &[u8], data: &[u8], out: &mut Vec<u8>) {
    assert_eq!(
        u64::from(header.data_len),
        data.len() as u64,
        "the header tells the length of the data"
    );
    out.extend_from_slice(FramePrefix::new(header, sums.len()).as_bytes());
    out.extend_from_slice(sums);
    out.extend_from_slice(data);
}
