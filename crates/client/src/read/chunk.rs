//! Reading a range of a chunk from whichever replica serves: when one fails, the next goes on at the same byte.
//!
//! Replicas are asked in order, each once; then the masters are asked for the locations again, a few times. Bytes that came
//! count as progress: the tries are counted anew. A replica that was corrupt is reported and not asked again.
//!
//! A replica on this host is read from its files, where they are handed over; when that fails, from its datanode as any other.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use transfer::Node;
use types::DatanodeId;
use types::limits::CHECKSUM_UNIT_BYTES;

use super::block::{BlockReader, Fault};
use super::local::{LocalFault, LocalReplica, Wait};
use super::target::{Located, Target};
use super::{READ_PACKET_BYTES, ReadBuffer};
use crate::{Attempt, Error};

/// Pauses before the locations are asked for again; there are as many tries as pauses.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(400),
    Duration::from_millis(1500),
];

const UNIT: u64 = CHECKSUM_UNIT_BYTES as u64;

/// The way to a replica.
enum Via {
    Files(Arc<LocalReplica>),
    Connection(BlockReader),
}

pub(crate) struct ChunkReader {
    target: Arc<Target>,
    chunk: Arc<Located>,
    /// What is still to be read, in bytes of the chunk.
    wanted: Range<u64>,
    reading: Option<(Node, Via)>,
    /// Its files were of no use.
    no_files: Option<DatanodeId>,
    /// The next bytes are known not to be in memory: it is no use to try without waiting for the disk.
    is_cold: bool,
    /// Memory for the sums of what is read from files.
    sums: Vec<u8>,
    /// Replicas to ask, best first.
    order: VecDeque<Node>,
    pauses: std::slice::Iter<'static, Duration>,
    corrupt: Vec<DatanodeId>,
    tried: Vec<Attempt>,
}

impl ChunkReader {
    /// A reader of the bytes `range` of the file, which are all in `chunk`.
    pub(crate) fn new(target: &Arc<Target>, chunk: Arc<Located>, range: Range<u64>) -> Self {
        Self {
            wanted: range.start - chunk.start..range.end - chunk.start,
            order: target.order(&chunk).into(),
            target: Arc::clone(target),
            chunk,
            reading: None,
            no_files: None,
            is_cold: false,
            sums: Vec::new(),
            pauses: PAUSES.iter(),
            corrupt: Vec::new(),
            tried: Vec::new(),
        }
    }

    /// The next bytes, as a part of the data of `buffer`; none when all were read.
    ///
    /// # Errors
    /// [`Error::DataUnavailable`] when no replica serves; what the masters say when they are asked again.
    pub(crate) async fn read(&mut self, buffer: &mut ReadBuffer) -> Result<Option<Range<usize>>, Error> {
        let target = Arc::clone(&self.target);
        let plane = &target.inner.plane;
        while let Some((node, via)) = self.way().await? {
            let mut reader = match via {
                Via::Files(replica) => {
                    if let Some(part) = self.read_files(node, replica, buffer).await {
                        return Ok(Some(part));
                    }
                    continue;
                }
                Via::Connection(reader) => reader,
            };
            match reader.read(plane, buffer.packet()).await {
                Ok(Some(part)) => {
                    self.wanted.start += part.len() as u64;
                    self.pauses = PAUSES.iter();
                    self.reading = Some((node, Via::Connection(reader)));
                    return Ok(Some(part));
                }
                Ok(None) => {
                    reader.finish(plane, buffer.packet()).await;
                    return Ok(None);
                }
                Err(fault) => self.failed(node, &fault),
            }
        }
        Ok(None)
    }

    /// Fills the beginning of `out`, which has room for all that is still to be read, with the next bytes. Says how many; none
    /// when all were read. `buffer` is for bytes that can not come straight into place.
    ///
    /// # Errors
    /// As [`ChunkReader::read`].
    pub(crate) async fn read_into(
        &mut self,
        buffer: &mut ReadBuffer,
        out: &mut [u8],
    ) -> Result<usize, Error> {
        if let Some((node, via)) = self.way().await? {
            if let Via::Files(replica) = &via
                && let Some(straight) = self.straight(replica, out)
            {
                match replica.read(self.wanted.start, straight, &mut self.sums, Wait::Never) {
                    Ok(()) => {
                        let count = straight.len();
                        self.wanted.start += count as u64;
                        self.reading = Some((node, via));
                        return Ok(count);
                    }
                    Err(fault) => self.is_cold = matches!(fault, LocalFault::Cold),
                }
            }
            self.reading = Some((node, via));
        }
        let Some(part) = self.read(buffer).await? else {
            return Ok(0);
        };
        let bytes = buffer.data().get(part).unwrap_or_default();
        if let Some(room) = out.get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    /// The replica that is being read, or the next one, opened; none when all was read, and nothing is open.
    async fn way(&mut self) -> Result<Option<(Node, Via)>, Error> {
        match self.reading.take() {
            Some((_, Via::Files(_))) if self.wanted.is_empty() => return Ok(None),
            None => {}
            reading => return Ok(reading),
        }
        let target = Arc::clone(&self.target);
        while !self.wanted.is_empty() {
            let node = self.next_replica().await?;
            if self.no_files != Some(node.id)
                && let Some(replica) = target.local_replica(&self.chunk, &node).await
                && self.wanted.end <= replica.len()
            {
                return Ok(Some((node, Via::Files(replica))));
            }
            let block = target.block(&self.chunk);
            match BlockReader::open(&target.inner.plane, &node, &block, self.wanted.clone()).await {
                Ok(reader) => return Ok(Some((node, Via::Connection(reader)))),
                Err(fault) => self.failed(node, &fault),
            }
        }
        Ok(None)
    }

    /// The beginning of `out` that units of the replica fill, from where the next byte is; none when it is within a unit.
    fn straight<'a>(&self, replica: &LocalReplica, out: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let at = self.wanted.start;
        let room = (self.wanted.end.saturating_sub(at)).min(READ_PACKET_BYTES);
        let whole = match at.saturating_add(room) == replica.len() {
            true => room,
            false => room - room % UNIT,
        };
        let fits = at.is_multiple_of(UNIT) && whole > 0;
        out.get_mut(..usize::try_from(whole).ok()?).filter(|_| fits)
    }

    /// Reads the next bytes from the files, and says where they are in `buffer`. Where that fails, the replica is read over a
    /// connection from now on.
    async fn read_files(
        &mut self,
        node: Node,
        replica: Arc<LocalReplica>,
        buffer: &mut ReadBuffer,
    ) -> Option<Range<usize>> {
        let from = self.wanted.start - self.wanted.start % UNIT;
        let to = (self.wanted.end.next_multiple_of(UNIT))
            .min(replica.len())
            .min(from + READ_PACKET_BYTES);
        let len = usize::try_from(to - from).unwrap_or_default();
        let (mut bytes, mut sums) = (buffer.take(), std::mem::take(&mut self.sums));
        if bytes.len() < len {
            bytes.resize(len, 0);
        }
        let room = bytes.get_mut(..len).unwrap_or_default();
        let mut read = match std::mem::take(&mut self.is_cold) {
            true => Err(LocalFault::Cold),
            false => replica.read(from, room, &mut sums, Wait::Never),
        };
        if matches!(read, Err(LocalFault::Cold)) {
            let patient = Arc::clone(&replica);
            (bytes, sums, read) = env::blocking(move || {
                let room = bytes.get_mut(..len).unwrap_or_default();
                let read = patient.read(from, room, &mut sums, Wait::ForDisk);
                (bytes, sums, read)
            })
            .await;
        }
        buffer.put(bytes);
        self.sums = sums;
        match read {
            Ok(()) => {
                let first = usize::try_from(self.wanted.start - from).unwrap_or_default();
                let end = to.min(self.wanted.end);
                self.wanted.start = end;
                self.pauses = PAUSES.iter();
                self.reading = Some((node, Via::Files(replica)));
                Some(first..usize::try_from(end - from).unwrap_or_default())
            }
            Err(fault) => {
                let (path, chunk) = (&self.target.path, self.chunk.extent.chunk);
                let datanode = node.address();
                tracing::warn!(%path, %chunk, %datanode, %fault, "a replica on this host is read over the network");
                self.target.forget_local(chunk, node.id);
                self.no_files = Some(node.id);
                self.order.push_front(node);
                None
            }
        }
    }

    async fn next_replica(&mut self) -> Result<Node, Error> {
        loop {
            if let Some(node) = self.order.pop_front() {
                return Ok(node);
            }
            let offset = self.chunk.start + self.wanted.start;
            let Some(pause) = self.pauses.next() else {
                return Err(Error::DataUnavailable {
                    path: self.target.path.to_string(),
                    offset,
                    chunk: self.chunk.extent.chunk,
                    tried: std::mem::take(&mut self.tried),
                });
            };
            tokio::time::sleep(*pause).await;
            let chunk = self.target.refresh(offset).await?;
            if (chunk.start, chunk.extent.chunk) != (self.chunk.start, self.chunk.extent.chunk)
                || chunk.extent.len < self.wanted.end
            {
                return Err(Error::Changed {
                    path: self.target.path.to_string(),
                    why: format!("other chunks are at byte {offset}"),
                });
            }
            self.order = self.target.order(&chunk).into();
            self.order.retain(|node| !self.corrupt.contains(&node.id));
            self.chunk = chunk;
        }
    }

    fn failed(&mut self, node: Node, fault: &Fault) {
        let (path, chunk) = (&self.target.path, self.chunk.extent.chunk);
        let (datanode, why) = (node.address(), fault.why());
        tracing::warn!(%path, %chunk, %datanode, %why, "a replica could not be read; trying the next");
        match fault {
            Fault::Corrupt(_) => {
                self.target.report_corrupt(&self.chunk, &node);
                self.corrupt.push(node.id);
            }
            Fault::Dead(_) => self.target.inner.plane.suspect(node.id),
        }
        let attempt = Attempt {
            datanode,
            why: why.to_owned(),
        };
        match self
            .tried
            .iter_mut()
            .find(|earlier| earlier.datanode == attempt.datanode)
        {
            Some(earlier) => *earlier = attempt,
            None => self.tried.push(attempt),
        }
    }
}
