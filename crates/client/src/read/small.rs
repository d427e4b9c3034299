//! Whole small chunks from a datanode, with those of other files.
//!
//! # Guarantees
//! Every byte was compared with its CRC32C here. What can not be read this way is read as any other chunk: that is where replicas are
//! tried one after the other, and where a corrupt one is told of.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::timeout;
use transfer::{Node, Op, SmallChunk, checksum, pb, small_spans};
use types::limits::SMALL_CHUNK_BYTES_MAX;
use types::{ChunkExtent, PoolId};

use super::target::{Located, Target};
use crate::dataplane::{Connection, DataPlane};
use crate::fs::Inner;

/// A chunk to be read, and from where.
pub(crate) struct SmallRead {
    pool: PoolId,
    node: Node,
    extent: ChunkExtent,
    /// The id of the request that it is a part of.
    trace: u64,
}

/// Why there is no answer.
enum Failed {
    Connection(String),
    Refused(transfer::Refusal),
    Malformed(&'static str),
}

impl Target {
    /// All bytes of the file, when it is one small chunk that can be had this way.
    pub(super) async fn read_small(&self) -> Option<Bytes> {
        let chunk = self.small_chunk()?;
        let node = self.order(&chunk).into_iter().next()?;
        if !self.inner.small.takes(std::slice::from_ref(&node)) {
            return None;
        }
        let item = SmallRead {
            pool: self.info.pool.clone(),
            node,
            extent: chunk.extent,
            trace: self.inner.plane.trace(),
        };
        let inner = Arc::clone(&self.inner);
        let gather = Arc::clone(&inner.small.reads);
        let read = gather.join(item.node.id, item, chunk.extent.len, move |items| {
            fetch(Arc::clone(&inner), items)
        });
        match read.await? {
            Ok(bytes) => Some(bytes),
            Err(why) => {
                tracing::debug!(path = %self.path, why, "a small chunk is read by itself");
                None
            }
        }
    }

    /// The chunk that is all of the file, when there is one, and it is small and finished.
    fn small_chunk(&self) -> Option<Arc<Located>> {
        let len = self.status.len;
        if len == 0 || len > SMALL_CHUNK_BYTES_MAX.into() {
            return None;
        }
        self.known_at(0)
            .filter(|chunk| chunk.start == 0 && chunk.extent.len == len && !chunk.open)
    }
}

/// Asks a datanode for chunks.
async fn fetch(inner: Arc<Inner>, items: Vec<SmallRead>) -> Vec<Result<Bytes, String>> {
    let Some(SmallRead { pool, node, .. }) = items.first() else {
        return Vec::new();
    };
    let plane = &inner.plane;
    let op = Op::ReadSmall(pb::OpReadSmallProto {
        pool_id: pool.as_str().to_owned(),
        client_name: plane.client_name.clone(),
        chunks: items
            .iter()
            .map(|item| SmallChunk::from(item.extent).traced(item.trace))
            .collect(),
    });
    let limit = plane.timeouts.connect + plane.timeouts.read_stall;
    let why = match timeout(limit, ask(plane, node, &op, &items)).await {
        Ok(Ok(chunks)) => return chunks,
        Ok(Err(Failed::Connection(why))) => {
            plane.suspect(node.id);
            why
        }
        Ok(Err(Failed::Refused(refusal))) => {
            if refusal.status == pb::Status::ErrorUnsupported {
                inner.small.refused_by(std::slice::from_ref(node));
            }
            refusal.to_string()
        }
        Ok(Err(Failed::Malformed(why))) => why.to_owned(),
        Err(_) => {
            plane.suspect(node.id);
            format!("no answer within {}", types::format_duration(limit))
        }
    };
    items.iter().map(|_| Err(why.clone())).collect()
}

type Chunks = Vec<Result<Bytes, String>>;

async fn ask(plane: &DataPlane, node: &Node, op: &Op, items: &[SmallRead]) -> Result<Chunks, Failed> {
    let address = node.address();
    // One that was kept may have been closed meanwhile, which says nothing of the datanode.
    while let Some(connection) = plane.idle(&address) {
        match ask_over(plane, &address, connection, op, items).await {
            Err(Failed::Connection(why)) => {
                tracing::debug!(address, why, "a connection that was kept is gone")
            }
            answer => return answer,
        }
    }
    let connection = plane.connect(&address).await.map_err(Failed::Connection)?;
    ask_over(plane, &address, connection, op, items).await
}

async fn ask_over(
    plane: &DataPlane,
    address: &str,
    mut connection: Connection,
    op: &Op,
    items: &[SmallRead],
) -> Result<Chunks, Failed> {
    let broke = |error: wire::Error| Failed::Connection(error.to_string());
    let written = connection.writer.write_op(op).await;
    written.map_err(|error| Failed::Connection(error.to_string()))?;
    let response = connection.reader.read_response().await.map_err(broke)?;
    let response = response.accepted().map_err(Failed::Refused)?;
    let malformed = "its answer does not tell what became of each chunk";
    let results = response
        .small_results(items.len())
        .ok_or(Failed::Malformed(malformed))?;
    let mut packet = wire::Packet::new();
    connection.reader.read_packet(&mut packet).await.map_err(broke)?;
    let came = items
        .iter()
        .zip(&results)
        .filter(|(_, result)| result.is_success());
    let mut spans = small_spans(came.map(|(item, _)| SmallChunk::from(item.extent).length));
    let (mut sums_end, mut data_end) = (0, 0);
    let chunks = results.iter().map(|result| {
        if !result.is_success() {
            return Err(format!("it reports {}", result.status.as_str_name()));
        }
        let span = spans.next().ok_or_else(|| malformed.to_owned())?;
        (sums_end, data_end) = (span.sums.end, span.data.end);
        let data = packet.data().get(span.data).ok_or("it sent too little")?;
        let sums = packet.sums().get(span.sums).ok_or("it sent too little")?;
        checksum::verify(data, sums).map_err(|error| error.to_string())?;
        // By itself: the packet is not kept for as long as one of its chunks is.
        Ok(Bytes::copy_from_slice(data))
    });
    let chunks: Chunks = chunks.collect();
    if (sums_end, data_end) != (packet.sums().len(), packet.data().len()) {
        return Err(Failed::Malformed("it sent something else than it says"));
    }
    plane.keep(address, connection);
    Ok(chunks)
}
