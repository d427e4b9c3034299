//! A finalized replica on its way to another datanode, because a master ordered it.
//!
//! ```text
//! source ── WRITE_BLOCK, stage TRANSFER_FINALIZED ──▶ target      refuses, when it has a good one
//!        ◀────────── go ahead ───────────────────────
//!        ── packets, no acks ────────────────────────▶            checks each, writes it to a temporary file
//!        ◀────────── done ───────────────────────────             on disk under its final name, and reported
//! ```
//!
//! Every byte is compared with its stored checksum before it leaves. A source that turns out to be corrupt is reported, and
//! the target drops what it got. The connection serves the next copy to the same datanode.

use std::sync::Arc;

use chunkstore::Reader as Replica;
use env::clock::Clock;
use transfer::{Block, Refusal, client_header, pb};
use types::limits::CHECKSUM_UNIT_BYTES;
use wire::Writer;

use super::mirror::{Connection, Mirror};
use super::read;
use super::request::Context;
use super::transfer::{Outgoing, PACKET_BYTES};
use crate::node::Node;
use crate::orders::{Copy, Throttle};
use crate::refusal::refuse;
use crate::replicas::Replicas;

/// The least data of a packet of a slow copy.
const PACKET_BYTES_MIN: usize = 64 << 10;

/// Packets a second that a slow copy is cut into: enough that its target sees it live.
const PACKETS_PER_S: u64 = 4;

const UNIT: usize = CHECKSUM_UNIT_BYTES as usize;

/// How fast a copy may go.
pub(crate) struct Pace<'a> {
    pub(crate) clock: &'a dyn Clock,
    /// Its own limit, and that of all copies.
    pub(crate) limits: [&'a Throttle; 2],
}

impl Pace<'_> {
    async fn take(&self, bytes: usize) {
        for limit in self.limits {
            limit.take(self.clock, bytes as u64).await;
        }
    }

    /// Data of a packet: less where less goes in a second.
    fn packet_bytes(&self) -> usize {
        let slowest = self.limits.iter().filter_map(|limit| limit.limit()).min();
        let Some(bytes_per_s) = slowest else {
            return PACKET_BYTES;
        };
        let bytes = usize::try_from(bytes_per_s / PACKETS_PER_S).unwrap_or(PACKET_BYTES);
        bytes.clamp(PACKET_BYTES_MIN, PACKET_BYTES).next_multiple_of(UNIT)
    }
}

/// Carries `order` out; returns when the target has the replica on disk. `kept` is a connection that may be used, and
/// afterwards the one that was, when it is still good.
pub(crate) async fn copy_replica(
    node: &Arc<Node>,
    replicas: Arc<Replicas>,
    order: &Copy,
    pace: &Pace<'_>,
    kept: &mut Option<Connection>,
) -> Result<(), Refusal> {
    let block = Block {
        pool: replicas.store.pool().clone(),
        chunk: order.extent.chunk,
        generation: order.extent.generation,
        len: order.extent.len,
    };
    let context = Context { node, replicas };
    let mut replica = read::open(&context, &block)?;
    if (replica.generation(), replica.len()) != (block.generation, block.len) {
        return Err(refuse(
            pb::Status::Error,
            format!("chunk {} has moved to another generation", block.chunk),
        ));
    }
    let mut op = pb::OpWriteBlockProto {
        // A datanode that copies has no name as a client, in HDFS too.
        header: client_header(&block, ""),
        pipeline_size: 1,
        min_bytes_rcvd: block.len,
        max_bytes_rcvd: block.len,
        latest_generation_stamp: block.generation.as_u64(),
        requested_checksum: pb::ChecksumProto::crc32c(),
        storage_id: order.target_storage.map(|storage| storage.to_string()),
        ..Default::default()
    };
    op.set_stage(pb::BlockConstructionStage::TransferFinalized);
    let target = pb::DatanodeInfoProto::from(&order.target);
    let timeouts = context.timeouts();
    let mut mirror = Mirror::set_up(&context, kept.take(), &target, op, timeouts.setup).await?;
    let early = {
        let reader = &mut mirror.reader;
        let sending = packets(&context, &block, &mut replica, pace, &mut mirror.writer);
        tokio::select! {
            biased;
            // A target that can not go on says so, and does not take the rest.
            answer = reader.read_response() => Some(answer),
            sent = sending => match sent {
                Ok(()) => None,
                Err(Stopped::Source(refusal)) => return Err(refusal),
                Err(Stopped::Target(why)) => {
                    return Err(mirror.lost(format!("lost datanode {} while copying: {why}", mirror.address)));
                }
            },
        }
    };
    match early {
        None => mirror.accepted(&context, timeouts.finish).await?,
        Some(Ok(answer)) => {
            mirror.judge(answer)?;
            return Err(mirror.lost(format!("datanode {} ended a copy before its end", mirror.address)));
        }
        Some(Err(error)) => {
            return Err(mirror.lost(format!("lost datanode {} while copying: {error}", mirror.address)));
        }
    }
    *kept = Some(mirror.into_connection());
    Ok(())
}

/// Why the sending ended early.
enum Stopped {
    Source(Refusal),
    Target(super::deadline::Lost),
}

async fn packets(
    context: &Context<'_>,
    block: &Block,
    replica: &mut Replica,
    pace: &Pace<'_>,
    writer: &mut Writer,
) -> Result<(), Stopped> {
    let mut packet = Outgoing::default();
    let bytes = pace.packet_bytes();
    loop {
        let len = packet.begin(block.len, bytes);
        if len > 0 {
            pace.take(len).await;
            let (offset, data, sums) = packet.parts();
            read::read_verified(context, block, replica, offset, data, sums).map_err(Stopped::Source)?;
        }
        let sent = packet.send(context.timeouts().idle, writer).await;
        if sent.map_err(Stopped::Target)? {
            return Ok(());
        }
    }
}
