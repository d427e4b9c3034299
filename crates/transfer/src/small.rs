//! Many small chunks in one request, and where each is in the packet that carries them.
//!
//! ```text
//! packet's sums   | sums of chunk 0 | sums of chunk 1 | …    one CRC32C for each 512 bytes of each; the last unit may be shorter
//! packet's data   | data of chunk 0 | data of chunk 1 | …
//! ```

use std::ops::Range;

use types::limits::{SMALL_CHUNK_BYTES_MAX, SMALL_CHUNKS_MAX, SMALL_REQUEST_BYTES_MAX};
use types::{ChunkExtent, ChunkId, Generation};

use crate::{DecodeError, InvalidBlock, checksum, message, pb};

/// A small chunk as a request names it.
pub type SmallChunk = pb::SmallChunkProto;

/// What became of one of many small chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmallResult {
    /// In one word.
    pub status: pb::Status,
    /// Which datanode of the pipeline says so, counted from the one that answers.
    pub position: u32,
}

impl SmallResult {
    /// All is well, everywhere.
    pub const SUCCESS: Self = Self {
        status: pb::Status::Success,
        position: 0,
    };

    /// Whether all is well.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, pb::Status::Success)
    }
}

impl From<ChunkExtent> for SmallChunk {
    /// The length is at most [`SMALL_CHUNK_BYTES_MAX`]; a longer one is refused by who decodes it.
    fn from(extent: ChunkExtent) -> Self {
        Self {
            chunk_id: extent.chunk.as_u64(),
            generation_stamp: extent.generation.as_u64(),
            length: u32::try_from(extent.len).unwrap_or(u32::MAX),
            token: None,
            trace_id: None,
        }
    }
}

impl SmallChunk {
    /// The same, as a part of the request with this id; 0 is none.
    #[must_use]
    pub fn traced(mut self, trace: u64) -> Self {
        self.trace_id = (trace != 0).then_some(trace);
        self
    }
}

impl TryFrom<&SmallChunk> for ChunkExtent {
    type Error = InvalidBlock;

    fn try_from(chunk: &SmallChunk) -> Result<Self, InvalidBlock> {
        Ok(Self {
            chunk: ChunkId::new(chunk.chunk_id)?,
            generation: Generation(chunk.generation_stamp),
            len: chunk.length.into(),
        })
    }
}

/// Where a chunk is in the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallSpan {
    /// Its sums, in those of the packet.
    pub sums: Range<usize>,
    /// Its data, in that of the packet.
    pub data: Range<usize>,
}

/// Where chunks of these lengths are in a packet that carries them all, and nothing else.
pub fn small_spans(lengths: impl IntoIterator<Item = u32>) -> impl Iterator<Item = SmallSpan> {
    let (mut sums, mut data) = (0, 0);
    lengths.into_iter().map(move |length| {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let span = SmallSpan {
            sums: sums..sums + checksum::sums_len(length),
            data: data..data + length,
        };
        (sums, data) = (span.sums.end, span.data.end);
        span
    })
}

/// Whether a request is within its limits: so the packet that follows it is, too.
pub(crate) fn check(what: &'static str, chunks: &[SmallChunk]) -> Result<(), DecodeError> {
    let too_long = |len: u64, max: u64| DecodeError::TooLong { what, len, max };
    if chunks.len() > SMALL_CHUNKS_MAX {
        return Err(too_long(chunks.len() as u64, SMALL_CHUNKS_MAX as u64));
    }
    for chunk in chunks {
        if chunk.length == 0 {
            return Err(DecodeError::Value {
                what,
                field: "length",
                value: 0,
            });
        }
        if chunk.length > SMALL_CHUNK_BYTES_MAX {
            return Err(too_long(chunk.length.into(), SMALL_CHUNK_BYTES_MAX.into()));
        }
    }
    let total: u64 = chunks.iter().map(|chunk| u64::from(chunk.length)).sum();
    if total > SMALL_REQUEST_BYTES_MAX.into() {
        return Err(too_long(total, SMALL_REQUEST_BYTES_MAX.into()));
    }
    Ok(())
}

/// Whether an answer has known statuses only, and no more than a request can have.
pub(crate) fn check_results(results: &pb::SmallResultsProto) -> Result<(), DecodeError> {
    let what = "SmallResultsProto";
    if results.status.len().max(results.position.len()) > SMALL_CHUNKS_MAX {
        return Err(DecodeError::TooLong {
            what,
            len: results.status.len().max(results.position.len()) as u64,
            max: SMALL_CHUNKS_MAX as u64,
        });
    }
    for &status in &results.status {
        message::status(what, status)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Op, Progress, decode_message, encode_message};

    fn chunk(length: u32) -> SmallChunk {
        SmallChunk {
            chunk_id: 7,
            generation_stamp: 1,
            length,
            token: None,
            trace_id: None,
        }
    }

    fn request(lengths: &[u32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        Op::ReadSmall(pb::OpReadSmallProto {
            pool_id: "BP-1".into(),
            client_name: "distrifs-x".into(),
            chunks: lengths.iter().copied().map(chunk).collect(),
        })
        .encode(&mut bytes);
        bytes
    }

    #[test]
    fn what_is_beyond_the_limits_is_refused() {
        let decode = |lengths: &[u32]| Op::decode(&request(lengths));
        assert!(matches!(
            decode(&[1, SMALL_CHUNK_BYTES_MAX]),
            Ok(Progress::Complete(..))
        ));
        assert!(matches!(
            decode(&[4096; SMALL_CHUNKS_MAX]),
            Ok(Progress::Complete(..))
        ));
        assert!(matches!(decode(&[0]), Err(DecodeError::Value { .. })));
        for beyond in [
            vec![SMALL_CHUNK_BYTES_MAX + 1],
            vec![1; SMALL_CHUNKS_MAX + 1],
            vec![SMALL_CHUNK_BYTES_MAX; 17],
        ] {
            assert!(matches!(decode(&beyond), Err(DecodeError::TooLong { .. })));
        }
    }

    #[test]
    fn spans_follow_each_other() {
        let spans: Vec<_> = small_spans([1, 512, 513]).collect();
        assert_eq!((spans[0].sums.clone(), spans[0].data.clone()), (0..4, 0..1));
        assert_eq!((spans[1].sums.clone(), spans[1].data.clone()), (4..8, 1..513));
        assert_eq!((spans[2].sums.clone(), spans[2].data.clone()), (8..16, 513..1026));
    }

    #[test]
    fn answers_come_back_and_are_for_so_many() {
        let results = [
            SmallResult::SUCCESS,
            SmallResult {
                status: pb::Status::ErrorChecksum,
                position: 2,
            },
        ];
        let mut bytes = Vec::new();
        encode_message(&pb::BlockOpResponseProto::of_small(results), &mut bytes);
        let Ok(Progress::Complete(answer, used)) = decode_message::<pb::BlockOpResponseProto>(&bytes) else {
            panic!("it is whole");
        };
        assert_eq!(used, bytes.len());
        assert_eq!(answer.small_results(2), Some(results.to_vec()));
        assert_eq!(answer.small_results(3), None);
        assert_eq!(pb::BlockOpResponseProto::success().small_results(0), None);
    }

    #[test]
    fn an_answer_with_an_unknown_status_or_too_many_is_refused() {
        let answer = |status: Vec<i32>| {
            let mut response = pb::BlockOpResponseProto::success();
            response.small = Some(pb::SmallResultsProto {
                position: vec![0; status.len()],
                status,
            });
            let mut bytes = Vec::new();
            encode_message(&response, &mut bytes);
            decode_message::<pb::BlockOpResponseProto>(&bytes)
        };
        assert!(answer(vec![0; SMALL_CHUNKS_MAX]).is_ok());
        assert!(answer(vec![99]).is_err());
        assert!(answer(vec![0; SMALL_CHUNKS_MAX + 1]).is_err());
    }

    proptest! {
        #[test]
        fn requests_come_back(
            chunks in proptest::collection::vec((0u64..1 << 63, any::<u64>(), 1u32..4096), 0..50),
        ) {
            let chunks: Vec<_> = chunks
                .into_iter()
                .map(|(chunk_id, generation_stamp, length)| SmallChunk {
                    chunk_id,
                    generation_stamp,
                    length,
                    token: None,
                    trace_id: None,
                })
                .collect();
            let op = Op::WriteSmall(pb::OpWriteSmallProto {
                pool_id: "BP-1".into(),
                client_name: "distrifs-x".into(),
                targets: Vec::new(),
                chunks,
            });
            let mut bytes = Vec::new();
            op.encode(&mut bytes);
            let len = bytes.len();
            prop_assert_eq!(Op::decode(&bytes), Ok(Progress::Complete(op, len)));
        }

        #[test]
        fn no_bytes_are_a_reason_to_panic(mut bytes: Vec<u8>, code in 100u8..102) {
            let mut request = vec![0, 28, code];
            request.append(&mut bytes);
            let _ = Op::decode(&request);
        }
    }
}
