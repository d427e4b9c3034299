//! The header of a packet, read and written by hand: it is on the way of every packet, and must not allocate.

use types::limits::PACKET_DATA_BYTES_MAX;

use crate::schema::{self, Fields, Value};
use crate::{DecodeError, HEARTBEAT_SEQNO};

/// Bytes of a packet's header that are accepted. The fields that are known take 27.
pub const PACKET_HEADER_BYTES_MAX: usize = 128;

/// What a packet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketHeader {
    /// Where in the chunk its data begins, at most `i64::MAX`.
    pub offset: u64,
    /// Its place in the stream, from 0; [`HEARTBEAT_SEQNO`] when it holds nothing and only keeps the pipeline alive.
    pub seqno: i64,
    /// Whether it ends the chunk (or the range that is read); then it holds no data.
    pub last: bool,
    /// Bytes of data.
    pub data_len: u32,
    /// Whether the datanode brings everything up to here to the disk before it acknowledges.
    pub sync: bool,
}

impl PacketHeader {
    /// Bytes of the longest header that [`encode`](Self::encode) writes.
    pub(crate) const ENCODED_MAX: usize = 27;

    /// The empty packet that keeps an idle pipeline alive.
    pub const HEARTBEAT: Self = Self {
        offset: 0,
        seqno: HEARTBEAT_SEQNO,
        last: false,
        data_len: 0,
        sync: false,
    };

    /// Whether this is a heartbeat.
    #[must_use]
    pub const fn is_heartbeat(&self) -> bool {
        self.seqno == HEARTBEAT_SEQNO
    }

    /// The offset behind the last byte of data.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.offset.saturating_add(self.data_len as u64)
    }

    /// Writes the header to the beginning of `out`; returns its length.
    ///
    /// ```text
    /// 0x09 offset i64 LE | 0x11 seqno i64 LE | 0x18 last | 0x25 data length i32 LE | 0x28 sync, if set
    /// ```
    pub(crate) fn encode(&self, out: &mut [u8; Self::ENCODED_MAX]) -> usize {
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            for (to, from) in std::iter::zip(out.iter_mut().skip(at), bytes) {
                *to = *from;
            }
            at += bytes.len();
        };
        put(&[0x09]);
        put(&self.offset.to_le_bytes());
        put(&[0x11]);
        put(&self.seqno.to_le_bytes());
        put(&[0x18, self.last.into()]);
        put(&[0x25]);
        put(&self.data_len.to_le_bytes());
        if self.sync {
            put(&[0x28, 1]);
        }
        at
    }

    /// Reads a header that is the whole of `bytes`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let what = schema::PACKET_HEADER.what;
        let (mut offset, mut seqno, mut last, mut data_len, mut sync) = (None, None, None, None, false);
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next(what)? {
            match (field.number, field.value) {
                (1, Value::Fixed64(value)) => offset = Some(value),
                (2, Value::Fixed64(value)) => seqno = Some(value.cast_signed()),
                (3, Value::Varint(value)) => last = Some(value != 0),
                (4, Value::Fixed32(value)) => data_len = Some(value),
                (5, Value::Varint(value)) => sync = value != 0,
                (1..=5, _) => return Err(DecodeError::Malformed { what }),
                _ => {}
            }
        }
        let missing = |field| DecodeError::MissingField { what, field };
        let header = Self {
            offset: offset.ok_or(missing(1))?,
            seqno: seqno.ok_or(missing(2))?,
            last: last.ok_or(missing(3))?,
            data_len: data_len.ok_or(missing(4))?,
            sync,
        };
        if i64::try_from(header.offset).is_err() {
            return Err(DecodeError::Value {
                what,
                field: "offset",
                value: header.offset.cast_signed(),
            });
        }
        if header.data_len > PACKET_DATA_BYTES_MAX {
            let (len, max) = (header.data_len.into(), PACKET_DATA_BYTES_MAX.into());
            return Err(DecodeError::TooLong {
                what: "packet data",
                len,
                max,
            });
        }
        Ok(header)
    }
}
