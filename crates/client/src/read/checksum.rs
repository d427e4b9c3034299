//! The checksum of a file, computed by the datanodes: each chunk's from its stored sums, put together here.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use transfer::checksum::Composite;

use super::target::{Located, Target};
use crate::{Attempt, Error, FileReader};

/// Chunks whose checksums are asked for at a time.
const AT_A_TIME: usize = 8;

/// The checksum of a file's bytes. It depends on nothing else: not on chunk sizes, replicas or the way it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileChecksum {
    /// CRC32C of all bytes, in order (HDFS: COMPOSITE-CRC32C).
    pub crc32c: u32,
    /// How many bytes there are.
    pub len: u64,
}

impl FileChecksum {
    pub(crate) async fn of(file: &FileReader) -> Result<Self, Error> {
        let target = file.target();
        let mut chunks = Vec::new();
        let mut at = 0;
        while at < file.len() {
            let chunk = target.chunk_at(at).await?;
            at = chunk.end();
            chunks.push(chunk);
        }
        let mut sums = stream::iter(chunks)
            .map(|chunk| of_chunk(target, chunk))
            .buffered(AT_A_TIME);
        let mut whole = Composite::new();
        while let Some(sum) = sums.next().await {
            whole.push(sum?);
        }
        Ok(Self {
            crc32c: whole.crc(),
            len: whole.len(),
        })
    }
}

async fn of_chunk(target: &Arc<Target>, mut chunk: Arc<Located>) -> Result<Composite, Error> {
    let mut tried = Vec::new();
    for fresh in [false, true] {
        if fresh {
            chunk = target.refresh(chunk.start).await?;
        }
        tried.clear();
        for node in target.order(&chunk) {
            match target.inner.plane.checksum(&node, &target.block(&chunk)).await {
                Ok(crc) => return Ok(Composite::of(crc, chunk.extent.len)),
                Err(why) => tried.push(Attempt {
                    datanode: node.address(),
                    why,
                }),
            }
        }
    }
    Err(Error::DataUnavailable {
        path: target.path.to_string(),
        offset: chunk.start,
        chunk: chunk.extent.chunk,
        tried,
    })
}
