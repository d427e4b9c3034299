//! Files as ordered lists of chunks, and the calculator from byte offsets to chunks.
//!
//! A chunk is never found by dividing an offset by the chunk size alone: append and truncate leave short chunks in the
//! middle of a file. The calculator walks lengths; the division is only a guess that is checked before it is used.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::limits::{CHECKSUM_UNIT_BYTES, CHUNK_SIZE_DEFAULT, CHUNK_SIZE_MAX, CHUNK_SIZE_MIN};
use crate::{ChunkId, Generation};

/// One chunk of a file: which, in which version, and how many bytes of the file it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkExtent {
    /// The chunk.
    pub chunk: ChunkId,
    /// Its generation.
    pub generation: Generation,
    /// Its length in bytes.
    pub len: u64,
}

/// The largest length of the chunks of a file: a multiple of 512 from 512 bytes to 1 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct ChunkSize(u32);

/// Why a number of bytes is not a chunk size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "chunk size {0} is not allowed: it must be a multiple of {CHECKSUM_UNIT_BYTES} from {CHUNK_SIZE_MIN} bytes to \
     {CHUNK_SIZE_MAX} bytes (1 GiB)"
)]
pub struct InvalidChunkSize(pub u64);

impl ChunkSize {
    /// # Errors
    /// When `bytes` is not a multiple of 512 from 512 to 1 GiB.
    pub fn new(bytes: u64) -> Result<Self, InvalidChunkSize> {
        let fits = (CHUNK_SIZE_MIN..=CHUNK_SIZE_MAX).contains(&bytes);
        match u32::try_from(bytes) {
            Ok(size) if fits && size.is_multiple_of(CHECKSUM_UNIT_BYTES) => Ok(Self(size)),
            _ => Err(InvalidChunkSize(bytes)),
        }
    }

    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0 as u64
    }
}

impl Default for ChunkSize {
    fn default() -> Self {
        const _: () = assert!(CHUNK_SIZE_DEFAULT <= u32::MAX as u64, "the default must fit");
        #[expect(clippy::cast_possible_truncation, reason = "asserted on the line above")]
        Self(CHUNK_SIZE_DEFAULT as u32)
    }
}

impl TryFrom<u64> for ChunkSize {
    type Error = InvalidChunkSize;
    fn try_from(bytes: u64) -> Result<Self, InvalidChunkSize> {
        Self::new(bytes)
    }
}

impl From<ChunkSize> for u64 {
    fn from(size: ChunkSize) -> Self {
        size.bytes()
    }
}

impl fmt::Display for ChunkSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::ByteSize(self.bytes()).fmt(f)
    }
}

/// A run of bytes inside one chunk of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkSlice {
    /// The position of the chunk in the file's list, from 0.
    pub index: usize,
    /// The file offset at which the chunk begins.
    pub chunk_start: u64,
    /// The offset inside the chunk.
    pub offset: u64,
    /// The number of bytes.
    pub len: u64,
}

/// Where each chunk of a file begins and ends: the calculator from byte offsets to chunks.
///
/// # Invariants
/// `ends` never falls: `ends[i]` is the file offset behind the last byte of chunk `i`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    chunk_size: ChunkSize,
    ends: Vec<u64>,
}

impl Layout {
    /// The layout of a file whose chunks have the lengths `lens`, in order.
    pub fn new(chunk_size: ChunkSize, lens: impl IntoIterator<Item = u64>) -> Self {
        let ends = lens.into_iter().scan(0u64, |end, len| {
            *end = end.saturating_add(len);
            Some(*end)
        });
        Self {
            chunk_size,
            ends: ends.collect(),
        }
    }

    /// The length of the file in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Whether the file has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The chunk that holds byte `offset`; none at or past the end of the file. The slice runs to the end of its chunk.
    ///
    /// O(1) where all chunks before `offset` are full, else O(log chunks). Chunks of length 0 hold no byte.
    #[must_use]
    pub fn locate(&self, offset: u64) -> Option<ChunkSlice> {
        let guess = usize::try_from(offset / self.chunk_size.bytes()).unwrap_or(usize::MAX);
        if let Some(slice) = self.slice_in(guess, offset) {
            return Some(slice);
        }
        self.slice_in(self.ends.partition_point(|&end| end <= offset), offset)
    }

    /// The slices that together hold the bytes `range`, in order. What lies past the end of the file is left out.
    pub fn slices(&self, range: Range<u64>) -> impl Iterator<Item = ChunkSlice> + '_ {
        let mut at = range.start;
        std::iter::from_fn(move || {
            if at >= range.end {
                return None;
            }
            let mut slice = self.locate(at)?;
            slice.len = slice.len.min(range.end - at);
            at += slice.len;
            Some(slice)
        })
    }

    /// The slice from `offset` to the end of chunk `index`, when that chunk holds `offset`.
    fn slice_in(&self, index: usize, offset: u64) -> Option<ChunkSlice> {
        let end = *self.ends.get(index)?;
        let chunk_start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        (chunk_start..end).contains(&offset).then(|| ChunkSlice {
            index,
            chunk_start,
            offset: offset - chunk_start,
            len: end - offset,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layout(lens: &[u64]) -> Layout {
        Layout::new(ChunkSize::default(), lens.iter().copied())
    }

    #[test]
    fn chunk_sizes_are_multiples_of_512_up_to_1_gib() {
        for good in [512, 1024, 64 << 20, 1 << 30] {
            assert_eq!(ChunkSize::new(good).unwrap().bytes(), good);
        }
        for bad in [0, 1, 511, 513, (1 << 30) + 512, 1 << 40, u64::MAX] {
            assert_eq!(ChunkSize::new(bad), Err(InvalidChunkSize(bad)));
        }
    }

    #[test]
    fn byte_70_000_000_at_64_mib_is_chunk_2_at_offset_2_891_136() {
        let full = 64 << 20;
        let slice = layout(&[full, full]).locate(70_000_000).unwrap();
        assert_eq!(slice.index + 1, 2, "the second chunk");
        assert_eq!(slice.offset, 2_891_136);
        assert_eq!(slice.len, full - 2_891_136);
    }

    #[test]
    fn zero_length_files_hold_no_byte() {
        assert_eq!(layout(&[]).locate(0), None);
        assert_eq!(layout(&[0, 0]).locate(0), None);
        assert_eq!(layout(&[]).slices(0..100).count(), 0);
        assert!(layout(&[0]).is_empty());
    }

    #[test]
    fn short_chunks_in_the_middle_shift_what_follows() {
        let full = 64 << 20;
        let file = layout(&[full, 100, 0, full]);
        assert_eq!(
            file.locate(full + 99).unwrap(),
            ChunkSlice {
                index: 1,
                chunk_start: full,
                offset: 99,
                len: 1
            }
        );
        let next = file.locate(full + 100).unwrap();
        assert_eq!((next.index, next.chunk_start, next.offset), (3, full + 100, 0));
        assert_eq!(file.locate(2 * full + 100), None);
    }

    #[test]
    fn slices_stop_at_the_end_of_the_file() {
        let parts: Vec<_> = layout(&[10, 5])
            .slices(8..100)
            .map(|s| (s.index, s.offset, s.len))
            .collect();
        assert_eq!(parts, [(0, 8, 2), (1, 0, 5)]);
    }

    proptest! {
        #[test]
        fn locate_agrees_with_a_walk(lens in prop::collection::vec(0u64..2000, 0..20), offset in 0u64..20_000) {
            let file = Layout::new(ChunkSize::new(1024).unwrap(), lens.iter().copied());
            let mut start = 0;
            let mut walked = None;
            for (index, &len) in lens.iter().enumerate() {
                if (start..start + len).contains(&offset) {
                    walked = Some(ChunkSlice { index, chunk_start: start, offset: offset - start, len: start + len - offset });
                    break;
                }
                start += len;
            }
            prop_assert_eq!(file.locate(offset), walked);
        }

        #[test]
        fn slices_cover_the_range_once(
            lens in prop::collection::vec(0u64..50, 0..20), from in 0u64..1000, len in 0u64..1000,
        ) {
            let file = Layout::new(ChunkSize::new(512).unwrap(), lens.iter().copied());
            let mut at = from;
            for slice in file.slices(from..from + len) {
                prop_assert_eq!(slice.chunk_start + slice.offset, at);
                prop_assert!(slice.len > 0);
                at += slice.len;
            }
            prop_assert_eq!(at, (from + len).min(file.len()).max(from));
        }
    }
}
