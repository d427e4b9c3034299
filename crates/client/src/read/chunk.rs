//! Reading a range of a chunk from whichever replica serves: when one fails, the next goes on at the same byte.
//!
//! Replicas are asked in order, each once; then the masters are asked for the locations again, a few times. Bytes that came
//! count as progress: the tries are counted anew. A replica that was corrupt is reported and not asked again.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use transfer::Node;
use types::DatanodeId;

use super::block::{BlockReader, Fault};
use super::target::{Located, Target};
use crate::{Attempt, Error};

/// Pauses before the locations are asked for again; there are as many tries as pauses.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(400),
    Duration::from_millis(1500),
];

pub(crate) struct ChunkReader {
    target: Arc<Target>,
    chunk: Arc<Located>,
    /// What is still to be read, in bytes of the chunk.
    wanted: Range<u64>,
    reading: Option<(Node, BlockReader)>,
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
            pauses: PAUSES.iter(),
            corrupt: Vec::new(),
            tried: Vec::new(),
        }
    }

    /// The next bytes, as a part of the data of `packet`; none when all were read.
    ///
    /// # Errors
    /// [`Error::DataUnavailable`] when no replica serves; what the masters say when they are asked again.
    pub(crate) async fn read(&mut self, packet: &mut wire::Packet) -> Result<Option<Range<usize>>, Error> {
        let target = Arc::clone(&self.target);
        let plane = &target.inner.plane;
        loop {
            let (node, mut reader) = match self.reading.take() {
                Some(reading) => reading,
                None if self.wanted.is_empty() => return Ok(None),
                None => {
                    let node = self.next_replica().await?;
                    let block = target.block(&self.chunk);
                    match BlockReader::open(plane, &node, &block, self.wanted.clone()).await {
                        Ok(reader) => (node, reader),
                        Err(fault) => {
                            self.failed(node, &fault);
                            continue;
                        }
                    }
                }
            };
            match reader.read(plane, packet).await {
                Ok(Some(part)) => {
                    self.wanted.start += part.len() as u64;
                    self.pauses = PAUSES.iter();
                    self.reading = Some((node, reader));
                    return Ok(Some(part));
                }
                Ok(None) => {
                    reader.finish(plane, packet).await;
                    return Ok(None);
                }
                Err(fault) => self.failed(node, &fault),
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
