//! Bytes that have been received and not yet been used.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Room that is made at once, before it is known that so much will come.
const STEP: usize = 64 << 10;

/// One run of bytes, filled at its end and used from its beginning.
///
/// # Invariants
/// `start <= end <= bytes.len()`. What lies outside `start..end` is meaningless.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// What has been received and not been used.
    pub(crate) fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Marks the first `count` bytes as used.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start.saturating_add(count));
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Reads once, so that at most `up_to` bytes are filled; returns how many came, 0 at the end of the stream.
    ///
    /// Room grows with what has arrived, at most to twice of it, so that a length that is only announced costs nothing.
    pub(crate) async fn fill<R: AsyncRead + Unpin>(
        &mut self,
        source: &mut R,
        up_to: usize,
    ) -> io::Result<usize> {
        let filled = self.end - self.start;
        let room = up_to.min(filled.saturating_mul(2).max(STEP)).max(filled + 1);
        if self.start + room > self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, filled);
            if room > self.bytes.len() {
                self.bytes.resize(room, 0);
            }
        }
        let free = self
            .bytes
            .get_mut(self.end..self.start + room)
            .unwrap_or_default();
        let count = source.read(free).await?;
        self.end += count;
        Ok(count)
    }

    /// Gives back memory beyond what is filled and a step.
    pub(crate) fn shrink(&mut self) {
        if self.bytes.len() > STEP {
            self.bytes = self.filled().to_vec();
            (self.start, self.end) = (0, self.bytes.len());
        }
    }

    /// Hands out the bytes themselves in exchange for others, which become this buffer. The first `count` filled bytes go
    /// with them; what is filled behind these stays here. Returns where the first byte is.
    ///
    /// Readers take care that as good as nothing stays.
    pub(crate) fn exchange(&mut self, other: &mut Vec<u8>, count: usize) -> usize {
        let (first, rest) = (self.start, self.end.min(self.start + count)..self.end);
        std::mem::swap(&mut self.bytes, other);
        let rest = other.get(rest).unwrap_or_default();
        if rest.len() > self.bytes.len() {
            self.bytes.resize(rest.len(), 0);
        }
        if let Some(to) = self.bytes.get_mut(..rest.len()) {
            to.copy_from_slice(rest);
        }
        (self.start, self.end) = (0, rest.len());
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_grows_with_what_arrives_and_not_with_what_is_announced() {
        let mut source = tokio::io::repeat(1);
        let mut buffer = Buffer::default();
        buffer.fill(&mut source, 16 << 20).await.unwrap();
        assert_eq!(buffer.bytes.len(), STEP);
        buffer.fill(&mut source, 16 << 20).await.unwrap();
        assert_eq!(buffer.bytes.len(), 2 * STEP);
    }

    #[tokio::test]
    async fn no_more_is_read_than_is_asked_for() {
        let mut source = tokio::io::repeat(1);
        let mut buffer = Buffer::default();
        assert_eq!(buffer.fill(&mut source, 10).await.unwrap(), 10);
        buffer.consume(4);
        assert_eq!(buffer.fill(&mut source, 10).await.unwrap(), 4);
        assert_eq!(buffer.filled().len(), 10);
    }

    #[tokio::test]
    async fn what_is_filled_stays_when_memory_is_given_back() {
        let mut source = tokio::io::repeat(1);
        let mut buffer = Buffer::default();
        while buffer.filled().len() < 3 * STEP {
            buffer.fill(&mut source, 3 * STEP).await.unwrap();
        }
        buffer.consume(3 * STEP - 5);
        buffer.shrink();
        assert_eq!((buffer.filled(), buffer.bytes.len()), (&[1; 5][..], 5));
        buffer.fill(&mut source, 6).await.unwrap();
        assert_eq!(buffer.filled(), [1; 6]);
    }

    #[tokio::test]
    async fn what_is_behind_the_exchanged_bytes_stays() {
        let mut source: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7];
        let mut buffer = Buffer::default();
        buffer.fill(&mut source, 8).await.unwrap();
        buffer.consume(1);
        let mut other = vec![9; 2];
        let first = buffer.exchange(&mut other, 4);
        assert_eq!(other[first..first + 4], [1, 2, 3, 4]);
        assert_eq!(buffer.filled(), [5, 6, 7]);
        buffer.consume(3);
        assert!(buffer.filled().is_empty());
    }
}
