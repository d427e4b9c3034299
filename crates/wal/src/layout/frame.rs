//! A frame: a record with its place in the log. The picture is in the module above.

use types::Term;

use super::{array_at, crc, u32_at, u64_at};

const CRC: usize = 0;
const TERM: usize = CRC + 4;
const INDEX: usize = TERM + 8;
const OP: usize = INDEX + 8;
const LENGTH: usize = OP + 1;
const PAYLOAD: usize = LENGTH + 4;

/// Bytes of a frame besides the payload.
pub(crate) const FRAME_BYTES: usize = PAYLOAD;

/// The largest payload of a record.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;

const _: () = assert!(PAYLOAD == 25, "the layout is fixed");
const _: () = assert!(PAYLOAD_BYTES_MAX <= u32::MAX as usize, "the length has 32 bits");

/// A record of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place: the first record of a log has 1, and there are no gaps.
    pub index: u64,
    /// The term in which it was appended.
    pub term: Term,
    /// What kind of command it is.
    pub op: u8,
    /// The command.
    pub payload: &'a [u8],
}

/// Why bytes are not the frame that should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// Nothing was written there, or zeros were.
    #[error("there are only zeros")]
    Zeros,
    /// The file ends within the frame.
    #[error("the file ends within it")]
    Cut,
    /// The length can not be.
    #[error("its length would be {0} bytes")]
    Length(u32),
    /// Another record is there.
    #[error("there is a record with index {0}")]
    Index(u64),
    /// The bytes are not those that were written, or not after this predecessor.
    #[error("its CRC is {found:08x} where the bytes and the record before give {computed:08x}")]
    Crc {
        /// What is stored.
        found: u32,
        /// What should be.
        computed: u32,
    },
}

/// Appends a frame to `out`, and gives its CRC: the chain for the next one. The payload's length has been checked.
pub(crate) fn encode(out: &mut Vec<u8>, chain: u32, record: Record<'_>) -> u32 {
    let length = u32::try_from(record.payload.len()).unwrap_or(u32::MAX);
    let head = head(record.term, record.index, record.op, length);
    let crc = crc(&[&chain.to_le_bytes(), &head, record.payload]);
    out.reserve(FRAME_BYTES + record.payload.len());
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(record.payload);
    crc
}

/// All between the CRC and the payload.
fn head(term: Term, index: u64, op: u8, length: u32) -> [u8; PAYLOAD - TERM] {
    let mut head = [0; PAYLOAD - TERM];
    let fields = (term.as_u64().to_le_bytes().into_iter())
        .chain(index.to_le_bytes())
        .chain([op])
        .chain(length.to_le_bytes());
    for (place, byte) in head.iter_mut().zip(fields) {
        *place = byte;
    }
    head
}

/// Reads the frame that should be at the start of `bytes`: its record, and its CRC.
pub(crate) fn decode(bytes: &[u8], chain: u32, index: u64) -> Result<(Record<'_>, u32), BadFrame> {
    let Some(head) = bytes.get(..PAYLOAD) else {
        let zeros = bytes.iter().all(|byte| *byte == 0);
        return Err(if zeros { BadFrame::Zeros } else { BadFrame::Cut });
    };
    if head.iter().all(|byte| *byte == 0) {
        return Err(BadFrame::Zeros);
    }
    let crc_found = u32_at(head, CRC).ok_or(BadFrame::Cut)?;
    let term = u64_at(head, TERM).ok_or(BadFrame::Cut)?;
    let index_found = u64_at(head, INDEX).ok_or(BadFrame::Cut)?;
    let [op] = array_at(head, OP).ok_or(BadFrame::Cut)?;
    let length = u32_at(head, LENGTH).ok_or(BadFrame::Cut)?;
    if index_found != index {
        return Err(BadFrame::Index(index_found));
    }
    let length_bytes = usize::try_from(length).unwrap_or(usize::MAX);
    if length_bytes > PAYLOAD_BYTES_MAX {
        return Err(BadFrame::Length(length));
    }
    let frame = bytes.get(..PAYLOAD + length_bytes).ok_or(BadFrame::Cut)?;
    let (_, after_crc) = frame.split_at(TERM);
    let computed = crc(&[&chain.to_le_bytes(), after_crc]);
    if computed != crc_found {
        return Err(BadFrame::Crc {
            found: crc_found,
            computed,
        });
    }
    let record = Record {
        index,
        term: Term(term),
        op,
        payload: frame.split_at(PAYLOAD).1,
    };
    Ok((record, crc_found))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RECORD: Record<'static> = Record {
        index: 0x0102_0304,
        term: Term(7),
        op: 0x2a,
        payload: b"payload",
    };

    #[test]
    fn golden_bytes() {
        let mut bytes = Vec::new();
        let crc = encode(&mut bytes, 0xdead_beef, RECORD);
        #[rustfmt::skip]
        let expected = [
            0xd6, 0x90, 0x72, 0x36,
            7, 0, 0, 0, 0, 0, 0, 0,
            4, 3, 2, 1, 0, 0, 0, 0,
            0x2a,
            7, 0, 0, 0,
            b'p', b'a', b'y', b'l', b'o', b'a', b'd',
        ];
        assert_eq!(bytes, expected);
        assert_eq!(crc, 0x3672_90d6);
    }

    #[test]
    fn the_crc_is_crc32c() {
        assert_eq!(super::crc(&[b"1234", b"56789"]), 0xe306_9283);
    }

    #[test]
    fn a_frame_is_valid_only_in_its_place() {
        let mut bytes = Vec::new();
        encode(&mut bytes, 1, RECORD);
        assert!(decode(&bytes, 1, RECORD.index).is_ok());
        assert!(matches!(
            decode(&bytes, 2, RECORD.index),
            Err(BadFrame::Crc { .. })
        ));
        assert_eq!(decode(&bytes, 1, 5), Err(BadFrame::Index(RECORD.index)));
    }

    proptest! {
        #[test]
        fn frames_come_back(chain: u32, term: u64, index: u64, op: u8, payload: Vec<u8>, after: Vec<u8>) {
            let record = Record { index, term: Term(term), op, payload: &payload };
            let mut bytes = Vec::new();
            let crc = encode(&mut bytes, chain, record);
            prop_assert_eq!(bytes.len(), FRAME_BYTES + payload.len());
            bytes.extend_from_slice(&after);
            prop_assert_eq!(decode(&bytes, chain, index), Ok((record, crc)));
        }

        #[test]
        fn no_flipped_bit_passes(payload: Vec<u8>, at: prop::sample::Index, bit in 0_u8..8) {
            let record = Record { payload: &payload, ..RECORD };
            let mut bytes = Vec::new();
            encode(&mut bytes, 3, record);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(decode(&bytes, 3, RECORD.index).is_err());
        }

        #[test]
        fn any_bytes_are_an_error_or_a_record(bytes: Vec<u8>, chain: u32, index: u64) {
            let _ = decode(&bytes, chain, index);
        }

        #[test]
        fn a_cut_frame_is_an_error(payload: Vec<u8>, cut: prop::sample::Index) {
            let record = Record { payload: &payload, ..RECORD };
            let mut bytes = Vec::new();
            encode(&mut bytes, 3, record);
            let cut = cut.index(bytes.len());
            prop_assert!(decode(&bytes[..cut], 3, RECORD.index).is_err());
        }
    }
}
