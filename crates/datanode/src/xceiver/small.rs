//! Many small chunks in one request: each a whole replica, in memory for as long as the request takes.
//!
//! ```text
//!  upstream ── request, packet ──▶ here ── the same, one target fewer ──▶ next datanode ── …
//!                                  one write and one sync for all of them     the same
//!           ◀── what became of each, everywhere ──  ◀────────────────────────────┘
//! ```
//!
//! # Guarantees
//! - A chunk is answered with SUCCESS when its replica is on disk here and on every datanode behind; then it is like any other
//!   finalized replica. Each chunk has its own answer.
//! - Nothing of a chunk can be read before it is finalized. So there is nothing that a recovery could take over: whoever writes
//!   gives a chunk up that failed, and begins another.
//! - What is read was compared with its sums here; one that seems corrupt is judged as with READ_BLOCK.
//!
//! # Bounds
//! A request holds its packet, and the replicas once more while they are written: 1 MiB of data each, and their sums.

use chunkstore::{PutError, SmallReplica};
use transfer::{
    Block, Node as Peer, Op, PacketHeader, Refusal, SmallChunk, SmallResult, SmallSpan, checksum, pb,
    small_spans,
};
use types::limits::SMALL_CHUNK_BYTES_MAX;
use types::{ChunkExtent, PoolId, TraceId};
use wire::{Packet, Reader, Writer};

use super::deadline::{Lost, within};
use super::mirror::Connection;
use super::read as one;
use super::request::{Context, Next, answer};
use crate::refusal::{at_link, invalid, refuse};

/// Carries a request to keep small chunks out.
pub(super) async fn write(
    context: &Context<'_>,
    mut op: pb::OpWriteSmallProto,
    reader: &mut Reader,
    writer: &mut Writer,
) -> Result<Next, Lost> {
    tell(&op.chunks);
    let limit = context.timeouts().idle;
    // It comes whatever is wrong with the request.
    let mut packet = Packet::new();
    within(limit, reader.read_packet(&mut packet)).await?;
    let (extents, spans) = match check(context, &op, &packet) {
        Ok(checked) => checked,
        Err(refusal) => return answer(context.node, writer, refusal).await,
    };
    let telemetry = &context.node.telemetry;
    telemetry.received_bytes.inc_by(packet.data().len() as u64);
    let onward = match op.targets.is_empty() {
        true => None,
        false => {
            let target = op.targets.remove(0);
            let behind = op.targets.len();
            Some(Onward::send(context, &target, behind, Op::WriteSmall(op), packet.wire()).await)
        }
    };
    let mut results = keep(context, &extents, &spans, &packet);
    if let Some(onward) = onward {
        let behind = onward.results(context, packet.wire(), extents.len()).await;
        for (own, behind) in results.iter_mut().zip(behind) {
            if own.is_success() {
                *own = behind;
            }
        }
    }
    let response = pb::BlockOpResponseProto::of_small(results);
    within(limit, writer.write_response(&response)).await?;
    Ok(Next::Request)
}

/// Tells of each chunk for whom it is asked: one request may be of several.
fn tell(chunks: &[SmallChunk]) {
    if tracing::enabled!(target: "request", tracing::Level::DEBUG) {
        for chunk in chunks {
            let id = TraceId(chunk.trace_id());
            tracing::debug!(target: "request", %id, chunk = chunk.chunk_id, "a small chunk");
        }
    }
}

/// Carries a request to send small chunks out.
pub(super) async fn read(
    context: &Context<'_>,
    op: &pb::OpReadSmallProto,
    writer: &mut Writer,
) -> Result<Next, Lost> {
    tell(&op.chunks);
    let pool = context.replicas.store.pool();
    if let Err(refusal) = context.replicas.check_pool(&op.pool_id) {
        return answer(context.node, writer, refusal).await;
    }
    let (mut sums, mut data) = (Vec::new(), Vec::new());
    let results = op.chunks.iter().map(|chunk| {
        let before = (sums.len(), data.len());
        let status = match read_one(context, pool, chunk, &mut sums, &mut data) {
            Ok(()) => pb::Status::Success,
            Err(refusal) => {
                tracing::debug!(%refusal, "a small chunk is not read");
                sums.truncate(before.0);
                data.truncate(before.1);
                refusal.status
            }
        };
        SmallResult { status, position: 0 }
    });
    let response = pb::BlockOpResponseProto::of_small(results.collect::<Vec<_>>());
    let header = PacketHeader {
        offset: 0,
        seqno: 0,
        last: true,
        // As much as a request may name.
        data_len: u32::try_from(data.len()).unwrap_or(u32::MAX),
        sync: false,
    };
    let limit = context.timeouts().idle;
    within(
        limit,
        writer.write_response_with_packet(&response, &header, &sums, &data),
    )
    .await?;
    context.node.telemetry.sent_bytes.inc_by(data.len() as u64);
    Ok(Next::Request)
}

/// Appends a whole replica and its sums.
fn read_one(
    context: &Context<'_>,
    pool: &PoolId,
    chunk: &SmallChunk,
    sums: &mut Vec<u8>,
    data: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let extent = ChunkExtent::try_from(chunk).map_err(|error| invalid(error.to_string()))?;
    let block = Block {
        pool: pool.clone(),
        chunk: extent.chunk,
        generation: extent.generation,
        len: extent.len,
    };
    let mut replica = one::open(context, &block)?;
    if replica.len() != extent.len {
        return Err(invalid(format!(
            "chunk {} has {} bytes, not {}",
            extent.chunk,
            replica.len(),
            extent.len
        )));
    }
    let len = usize::try_from(extent.len).unwrap_or_default();
    let (sums_from, from) = (sums.len(), data.len());
    sums.resize(sums_from + checksum::sums_len(len), 0);
    data.resize(from + len, 0);
    let room = data.get_mut(from..).unwrap_or_default();
    let sums_room = sums.get_mut(sums_from..).unwrap_or_default();
    one::read_verified(context, &block, &mut replica, 0, room, sums_room)
}

/// What the request is about, when it makes sense here, and the packet is the one that it announces.
fn check(
    context: &Context<'_>,
    op: &pb::OpWriteSmallProto,
    packet: &Packet,
) -> Result<(Vec<ChunkExtent>, Vec<SmallSpan>), Refusal> {
    context.replicas.check_pool(&op.pool_id)?;
    if context.replicas.store.packed_max() < SMALL_CHUNK_BYTES_MAX.into() {
        let why = "this datanode packs no replicas of that length, and takes them one by one";
        return Err(refuse(pb::Status::ErrorUnsupported, why));
    }
    let extents: Result<Vec<_>, _> = op.chunks.iter().map(ChunkExtent::try_from).collect();
    let extents = extents.map_err(|error| invalid(error.to_string()))?;
    let spans: Vec<_> = small_spans(op.chunks.iter().map(|chunk| chunk.length)).collect();
    let announced = spans.last().map_or((0, 0), |last| (last.sums.end, last.data.end));
    if announced == (packet.sums().len(), packet.data().len()) {
        Ok((extents, spans))
    } else {
        Err(invalid("the packet is not of the chunks that are named"))
    }
}

/// Makes the replicas durable whose bytes have come whole.
fn keep(
    context: &Context<'_>,
    extents: &[ChunkExtent],
    spans: &[SmallSpan],
    packet: &Packet,
) -> Vec<SmallResult> {
    let telemetry = &context.node.telemetry;
    let begun = tokio::time::Instant::now();
    let mut whole = Vec::with_capacity(extents.len());
    let came: Vec<bool> = extents
        .iter()
        .zip(spans)
        .map(|(extent, span)| {
            let data = packet.data().get(span.data.clone()).unwrap_or_default();
            let sums = packet.sums().get(span.sums.clone()).unwrap_or_default();
            if checksum::verify(data, sums).is_err() {
                telemetry.checksum_failures_wire.inc();
                tracing::warn!(chunk = %extent.chunk, "a small chunk came with wrong checksums");
                return false;
            }
            whole.push(SmallReplica {
                chunk: extent.chunk,
                generation: extent.generation,
                data: data.to_vec(),
                sums: sums.to_vec(),
            });
            true
        })
        .collect();
    let mut put = context.replicas.put_small(whole).into_iter();
    telemetry.finalizing.observe(begun.elapsed());
    let results = came.into_iter().map(|came| {
        let status = match came.then(|| put.next()).flatten() {
            None => pb::Status::ErrorChecksum,
            Some(Ok(_)) => pb::Status::Success,
            Some(Err(error)) => {
                tracing::warn!(%error, "a small chunk could not be kept");
                match error {
                    PutError::Exists { .. } => pb::Status::ErrorExists,
                    PutError::Unfit { .. } => pb::Status::ErrorInvalid,
                    PutError::NoRoom { .. } | PutError::Io { .. } => pb::Status::Error,
                }
            }
        };
        SmallResult { status, position: 0 }
    });
    results.collect()
}

/// The request on its way through the datanodes behind.
struct Onward {
    op: Op,
    address: String,
    /// How many are behind the next one.
    behind: usize,
    /// The connection, and whether it was kept from before; or why there is none.
    sent: Result<(Connection, bool), Refusal>,
}

impl Onward {
    async fn send(
        context: &Context<'_>,
        target: &pb::DatanodeInfoProto,
        behind: usize,
        op: Op,
        frame: &[u8],
    ) -> Self {
        let peer = Peer::try_from(target).map_err(|error| invalid(error.to_string()));
        let (address, sent) = match peer {
            Ok(peer) => {
                let address = peer.address();
                let sent = Connection::pass(context, &address, true, &op, frame).await;
                (address, sent)
            }
            Err(refusal) => (String::new(), Err(refusal)),
        };
        Self {
            op,
            address,
            behind,
            sent,
        }
    }

    /// What became of each chunk behind; positions are counted from here.
    async fn results(self, context: &Context<'_>, frame: &[u8], count: usize) -> Vec<SmallResult> {
        let (address, behind) = (self.address.clone(), self.behind);
        match self.answer(context, frame).await {
            Ok(response) => match response.small_results(count) {
                Some(results) => results
                    .into_iter()
                    .map(|result| counted_from_here(result, behind))
                    .collect(),
                None => all(pb::Status::Error, count),
            },
            Err(refusal) => {
                tracing::warn!(%refusal, datanode = address, "small chunks were not kept behind");
                all(refusal.status, count)
            }
        }
    }

    /// A connection that was kept may have been closed by the other end before the request reached it: then it is sent again. Should it
    /// have been carried out after all, the chunks are there already, which is an answer, too.
    async fn answer(self, context: &Context<'_>, frame: &[u8]) -> Result<pb::BlockOpResponseProto, Refusal> {
        let timeouts = context.timeouts();
        let hops = timeouts
            .hop
            .saturating_mul(u32::try_from(self.behind).unwrap_or(u32::MAX));
        let limit = timeouts.finish.saturating_add(hops);
        let no_answer = |lost: &Lost| {
            let why = format!("no answer from datanode {}: {lost}", self.address);
            at_link(&self.address, refuse(pb::Status::Error, why))
        };
        let (mut connection, kept) = self.sent?;
        let mut response = connection.answer(limit).await;
        if kept && matches!(response, Err(Lost::Wire(_))) {
            (connection, _) = Connection::pass(context, &self.address, false, &self.op, frame).await?;
            response = connection.answer(limit).await;
        }
        let response = response.map_err(|lost| no_answer(&lost))?;
        connection.keep(context);
        response
            .accepted()
            .map_err(|refusal| at_link(&self.address, refusal))
    }
}

/// All of them, because of the next datanode.
fn all(status: pb::Status, count: usize) -> Vec<SmallResult> {
    vec![SmallResult { status, position: 1 }; count]
}

/// What the next datanode says, with `behind` datanodes behind itself.
fn counted_from_here(result: SmallResult, behind: usize) -> SmallResult {
    if result.is_success() {
        return SmallResult::SUCCESS;
    }
    let last = u32::try_from(behind).unwrap_or(u32::MAX);
    SmallResult {
        position: result.position.min(last).saturating_add(1),
        ..result
    }
}
