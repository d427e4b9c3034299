//! A run of bytes of a file, in order, read ahead.
//!
//! A task for each chunk reads packets into a bounded queue. When what is left of the present chunk fits into what may be
//! read ahead, the task of the next chunk begins: so there are at most two, and a slow reader keeps no datanode waiting but
//! the one that is its turn.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::chunk::ChunkReader;
use super::target::{Located, Target};
use super::{READ_PACKET_BYTES, ReadBuffer};
use crate::memory::{Pool, Reservation, Share};
use crate::{Error, Origin};

/// Chunks that are read at a time.
const CHUNKS_MAX: usize = 2;

/// A run of bytes of a file, in order. Made by [`FileReader::stream`](crate::FileReader::stream).
///
/// Reading ahead begins with the first call of [`ByteStream::next`] and stops when the stream is dropped. At most
/// [`Config::read_ahead_bytes`](crate::Config::read_ahead_bytes) for each of two chunks wait to be taken, as far as the
/// memory budget allows.
pub struct ByteStream {
    target: Arc<Target>,
    /// What no task reads yet.
    rest: Range<u64>,
    /// What tasks read, in order.
    ahead: VecDeque<Ahead>,
}

/// A chunk that is being read ahead. The task ends with this.
struct Ahead {
    packets: mpsc::Receiver<Result<Piece, Error>>,
    /// Bytes that are still to be taken.
    left: u64,
    task: JoinHandle<()>,
}

struct Piece {
    bytes: Bytes,
    /// Given back when the reader takes the bytes: from then on the memory is the reader's.
    _reservation: Reservation,
}

/// Some of a packet's data. The packet's memory is used again when the reader is done with it.
struct Part {
    packet: ReadBuffer,
    range: Range<usize>,
    pool: Arc<Pool<ReadBuffer>>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        self.packet.data().get(self.range.clone()).unwrap_or_default()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.pool.give(std::mem::take(&mut self.packet));
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ByteStream {
    pub(super) fn new(target: Arc<Target>, range: Range<u64>) -> Self {
        Self {
            target,
            rest: range,
            ahead: VecDeque::new(),
        }
    }

    /// The next bytes, never empty; none behind the last. After an error there is nothing more.
    ///
    /// # Errors
    /// [`Error::DataUnavailable`], [`Error::Changed`], [`Error::Unavailable`].
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        if self.rest == (0..self.target.status.len)
            && self.ahead.is_empty()
            && let Some(bytes) = self.target.read_small().await
        {
            self.rest.start = self.rest.end;
            return Some(Ok(bytes));
        }
        loop {
            if let Err(error) = self.read_ahead().await {
                return Some(self.failed(error));
            }
            let current = self.ahead.front_mut()?;
            match current.packets.recv().await {
                Some(Ok(piece)) => {
                    current.left = current.left.saturating_sub(piece.bytes.len() as u64);
                    return Some(Ok(piece.bytes));
                }
                Some(Err(error)) => return Some(self.failed(error)),
                None if current.left == 0 => drop(self.ahead.pop_front()),
                None => match (&mut current.task).await {
                    Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    // It ends early only when the runtime does.
                    _ => std::future::pending().await,
                },
            }
        }
    }

    fn failed(&mut self, error: Error) -> Result<Bytes, Error> {
        self.rest = 0..0;
        self.ahead.clear();
        Err(error)
    }

    /// Begins with the next chunk when it is time.
    async fn read_ahead(&mut self) -> Result<(), Error> {
        while !self.rest.is_empty() && self.ahead.len() < CHUNKS_MAX {
            let limit = self.target.inner.config.read_ahead_bytes;
            if self.ahead.back().is_some_and(|last| last.left > limit) {
                return Ok(());
            }
            let chunk = self.target.chunk_at(self.rest.start).await?;
            let range = self.rest.start..self.rest.end.min(chunk.end());
            self.rest.start = range.end;
            self.ahead.push_back(Ahead::start(&self.target, chunk, range));
        }
        Ok(())
    }
}

impl Ahead {
    fn start(target: &Arc<Target>, chunk: Arc<Located>, range: Range<u64>) -> Self {
        let queue = target.inner.config.read_ahead_bytes / READ_PACKET_BYTES;
        let (sender, packets) = mpsc::channel(usize::try_from(queue).unwrap_or(usize::MAX).clamp(1, 1024));
        let left = range.end - range.start;
        let task = tokio::spawn(Origin::carry(
            Origin::of_this_task(),
            read(Arc::clone(target), chunk, range, sender),
        ));
        Self { packets, left, task }
    }
}

async fn read(
    target: Arc<Target>,
    chunk: Arc<Located>,
    range: Range<u64>,
    queue: mpsc::Sender<Result<Piece, Error>>,
) {
    let share = Share::default();
    let inner = &target.inner;
    let mut left = range.end - range.start;
    let mut reader = ChunkReader::new(&target, chunk, range);
    loop {
        let reservation = inner.budget.reserve(&share, left.min(READ_PACKET_BYTES)).await;
        let mut packet = inner.packets.take().unwrap_or_default();
        let piece = match reader.read(&mut packet).await {
            Ok(Some(range)) => {
                left = left.saturating_sub(range.len() as u64);
                let part = Part {
                    packet,
                    range,
                    pool: Arc::clone(&inner.packets),
                };
                Ok(Piece {
                    bytes: Bytes::from_owner(part),
                    _reservation: reservation,
                })
            }
            Ok(None) => {
                inner.packets.give(packet);
                return;
            }
            Err(error) => Err(error),
        };
        let failed = piece.is_err();
        if queue.send(piece).await.is_err() || failed {
            return;
        }
    }
}
