//! Whole small chunks on their way through a pipeline, with those of other files.
//!
//! # Guarantees
//! - A chunk is written when every datanode of its pipeline has said that it is on its disk.
//! - Each chunk has its own outcome. One that is not written everywhere may be on some of the datanodes: it is given up, and
//!   nobody ever reads it.

use std::sync::Arc;

use tokio::time::timeout;
use transfer::{Block, Node, Op, PacketHeader, SmallChunk, SmallResult, pb};
use types::{ChunkExtent, PoolId};

use super::packet::Packet;
use super::pipeline::{find_silent, with_hops};
use super::target::{Allocated, Target};
use crate::dataplane::{Connection, DataPlane};
use crate::fs::Inner;

/// A chunk that is all of its file, and where it is to go.
pub(crate) struct SmallWrite {
    pool: PoolId,
    nodes: Vec<Node>,
    extent: ChunkExtent,
    packet: Arc<Packet>,
    /// The id of the request that it is a part of.
    trace: u64,
}

/// Why a request has no answer.
enum Failed {
    /// Of a connection.
    Connection(String),
    Refused(transfer::Refusal),
    /// It is not an answer to this.
    Malformed(&'static str),
}

/// Writes the chunk that came with a file: `packet` is all of it.
///
/// # Errors
/// Why it is not written; datanodes that are to blame are suspects then.
pub(super) async fn write(target: &Target, first: Allocated, packet: &Arc<Packet>) -> Result<(), String> {
    let Allocated { extent, nodes } = first;
    let inner = Arc::clone(&target.inner);
    let pipeline = nodes.iter().map(|node| node.id).collect();
    let len = packet.data().len() as u64;
    let item = SmallWrite {
        pool: target.info.pool.clone(),
        nodes,
        extent: ChunkExtent { len, ..extent },
        packet: Arc::clone(packet),
        trace: inner.plane.trace(),
    };
    let gather = Arc::clone(&inner.small.writes);
    let written = gather.join(pipeline, item, len, move |items| send(Arc::clone(&inner), items));
    written
        .await
        .unwrap_or_else(|| Err("there is no answer".to_owned()))
}

/// Sends chunks through the pipeline that they have in common.
async fn send(inner: Arc<Inner>, items: Vec<SmallWrite>) -> Vec<Result<(), String>> {
    let Some(SmallWrite {
        pool, nodes, extent, ..
    }) = items.first()
    else {
        return Vec::new();
    };
    let plane = &inner.plane;
    let (op, sums, data) = request(plane, pool, nodes, &items);
    let limit = plane.timeouts.finish.min(plane.timeouts.ack * 2);
    let limit = plane.timeouts.connect + with_hops(limit, nodes.len());
    let asked = timeout(limit, ask(plane, nodes, &op, (&sums, &data), items.len())).await;
    let failed = match asked {
        Ok(Ok(results)) => {
            let outcome = |result: SmallResult| outcome(&inner, nodes, result);
            return results.into_iter().map(outcome).collect();
        }
        Ok(Err(Failed::Connection(why))) => {
            nodes.iter().take(1).for_each(|first| plane.suspect(first.id));
            why
        }
        Ok(Err(Failed::Refused(refusal))) => {
            if refusal.status == pb::Status::ErrorUnsupported {
                inner.small.refused_by(nodes.get(..1).unwrap_or_default());
            }
            refusal.to_string()
        }
        Ok(Err(Failed::Malformed(why))) => why.to_owned(),
        Err(_) => {
            let why = format!("no answer within {}", types::format_duration(limit));
            let block = Block {
                pool: pool.clone(),
                chunk: extent.chunk,
                generation: extent.generation,
                len: extent.len,
            };
            let silent = find_silent(plane, &block, nodes, &why).await;
            for (position, _) in &silent.culprits {
                if let Some(node) = nodes.get(*position) {
                    plane.suspect(node.id);
                }
            }
            why
        }
    };
    items.iter().map(|_| Err(failed.clone())).collect()
}

/// The request, and the sums and data of its packet.
fn request(plane: &DataPlane, pool: &PoolId, nodes: &[Node], items: &[SmallWrite]) -> (Op, Vec<u8>, Vec<u8>) {
    let total = |of: fn(&Packet) -> &[u8]| items.iter().map(|item| of(&item.packet).len()).sum();
    let mut sums = Vec::with_capacity(total(Packet::sums));
    let mut data = Vec::with_capacity(total(Packet::data));
    for item in items {
        sums.extend_from_slice(item.packet.sums());
        data.extend_from_slice(item.packet.data());
    }
    let op = Op::WriteSmall(pb::OpWriteSmallProto {
        pool_id: pool.as_str().to_owned(),
        client_name: plane.client_name.clone(),
        targets: nodes.iter().skip(1).map(Into::into).collect(),
        chunks: items
            .iter()
            .map(|item| SmallChunk::from(item.extent).traced(item.trace))
            .collect(),
    });
    (op, sums, data)
}

/// Asks the first datanode, over a connection that was kept where there is one.
async fn ask(
    plane: &DataPlane,
    nodes: &[Node],
    op: &Op,
    body: (&[u8], &[u8]),
    count: usize,
) -> Result<Vec<SmallResult>, Failed> {
    let address = nodes.first().map(Node::address).unwrap_or_default();
    // One that was kept may have been closed meanwhile, which says nothing of the datanode. Should the request have been carried
    // out, the chunks are there already: that is told, and they are given up.
    while let Some(connection) = plane.idle(&address) {
        match ask_over(plane, &address, connection, op, body, count).await {
            Err(Failed::Connection(why)) => {
                tracing::debug!(address, why, "a connection that was kept is gone")
            }
            answer => return answer,
        }
    }
    let connection = plane.connect(&address).await.map_err(Failed::Connection)?;
    ask_over(plane, &address, connection, op, body, count).await
}

async fn ask_over(
    plane: &DataPlane,
    address: &str,
    mut connection: Connection,
    op: &Op,
    (sums, data): (&[u8], &[u8]),
    count: usize,
) -> Result<Vec<SmallResult>, Failed> {
    let header = PacketHeader {
        offset: 0,
        seqno: 0,
        last: true,
        // As much as a request may have.
        data_len: u32::try_from(data.len()).unwrap_or(u32::MAX),
        sync: false,
    };
    let written = connection
        .writer
        .write_op_with_packet(op, &header, sums, data)
        .await;
    written.map_err(|error| Failed::Connection(error.to_string()))?;
    let response = connection.reader.read_response().await;
    let response = response.map_err(|error| Failed::Connection(error.to_string()))?;
    let response = response.accepted().map_err(Failed::Refused)?;
    plane.keep(address, connection);
    let malformed = Failed::Malformed("its answer does not tell what became of each chunk");
    response.small_results(count).ok_or(malformed)
}

/// What became of a chunk, and who is to blame.
fn outcome(inner: &Inner, nodes: &[Node], result: SmallResult) -> Result<(), String> {
    if result.is_success() {
        return Ok(());
    }
    let position = usize::try_from(result.position).unwrap_or(usize::MAX);
    let node = nodes.get(position.min(nodes.len().saturating_sub(1)));
    let address = node.map(Node::address).unwrap_or_default();
    match (result.status, node) {
        (pb::Status::ErrorUnsupported, Some(node)) => inner.small.refused_by(std::slice::from_ref(node)),
        (pb::Status::Error, Some(node)) => inner.plane.suspect(node.id),
        _ => {}
    }
    Err(format!(
        "datanode {address} reports {}",
        result.status.as_str_name()
    ))
}
