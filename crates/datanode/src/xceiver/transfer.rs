//! TRANSFER_BLOCK: a client has a replica copied to another datanode. The other end is in `newcomer`.
//!
//! ```text
//! client ── TRANSFER_BLOCK ──▶ source ── WRITE_BLOCK, stage TRANSFER_RBW ──▶ newcomer
//!                                     ◀────────── go ahead ─────────────────
//!                                     ─────────── packets, no acks ────────▶
//!        ◀── done ────────────        ◀────────── done ─────────────────────
//! ```
//!
//! The newcomer keeps a replica that is being written, of the same generation, so that it can take part in the recovery
//! that follows.

use std::time::Duration;

use chunkstore::Reader as Replica;
use transfer::{Block, PacketHeader, Refusal, checksum, client_header, pb};
use types::Generation;
use types::limits::CHECKSUM_UNIT_BYTES;
use wire::Writer;

use super::deadline::{Lost, within};
use super::mirror::Mirror;
use super::read;
use super::request::{Context, Next, answer};
use crate::refusal::refuse;
use crate::writing::{Claim, Fence};

const UNIT: usize = CHECKSUM_UNIT_BYTES as usize;

/// Data of a packet.
pub(super) const PACKET_BYTES: usize = 1 << 20;

/// Carries a TRANSFER_BLOCK out: the first `numBytes` of the replica, to each of the targets; of one that is being written all
/// that is here, because readers may have seen more than the client knows to be acknowledged.
pub(super) async fn serve(
    context: &Context<'_>,
    op: &pb::OpTransferBlockProto,
    writer: &mut Writer,
) -> Result<Next, Lost> {
    let limit = context.timeouts().idle;
    let copied = async {
        let block = context.replicas.block(&op.header.base_header.block)?;
        let mut source = Source::find(context, &block).await?;
        for target in &op.targets {
            send(context, &mut source, &block, target, &op.header.client_name).await?;
        }
        Ok(())
    };
    match copied.await {
        Ok(()) => {
            within(limit, writer.write_response(&pb::BlockOpResponseProto::success())).await?;
            Ok(Next::Request)
        }
        Err(refusal) => answer(context.node, writer, refusal).await,
    }
}

/// Where a copy is taken from.
enum Source {
    Writing(Box<Claim>),
    Finalized(Box<Replica>),
}

impl Source {
    /// A replica that is being written is claimed: what copies it has to hold still, and its old writer is gone, or is to
    /// go.
    async fn find(context: &Context<'_>, block: &Block) -> Result<Self, Refusal> {
        let claimed = context
            .replicas
            .claim(block.chunk, context.timeouts().setup)
            .await?;
        let source = match claimed {
            Some(claim) => Self::Writing(Box::new(claim)),
            None => Self::Finalized(Box::new(read::open(context, block)?)),
        };
        let (generation, len) = source.describe()?;
        if generation < block.generation || len < block.len {
            return Err(refuse(
                pb::Status::Error,
                format!(
                    "chunk {} has {len} bytes at generation {generation} here; {} bytes at generation {} are to be copied",
                    block.chunk, block.len, block.generation
                ),
            ));
        }
        Ok(source)
    }

    fn describe(&self) -> Result<(Generation, u64), Refusal> {
        match self {
            Self::Writing(claim) => {
                let writer = claim
                    .peek()
                    .ok_or_else(|| refuse(pb::Status::Error, "the replica is lost"))?;
                Ok((writer.generation(), writer.received()))
            }
            Self::Finalized(replica) => Ok((replica.generation(), replica.len())),
        }
    }

    /// Its generation, how much of it there is, and how much of that goes into the copy.
    fn copied(&self, block: &Block) -> Result<(Generation, u64, u64), Refusal> {
        let (generation, available) = self.describe()?;
        Ok(match self {
            Self::Writing(_) => (generation, available, available),
            Self::Finalized(_) => (generation, available, block.len),
        })
    }

    fn read(
        &mut self,
        context: &Context<'_>,
        block: &Block,
        offset: u64,
        data: &mut [u8],
        sums: &mut [u8],
    ) -> Result<(), Refusal> {
        match self {
            Self::Writing(claim) => {
                let writer = claim
                    .peek()
                    .ok_or_else(|| refuse(pb::Status::Error, "the replica is lost"))?;
                let read = writer.read_verified(offset, data, sums);
                read.map_err(|error| refuse(pb::Status::ErrorChecksum, error.to_string()))
            }
            Self::Finalized(replica) => read::read_verified(context, block, replica, offset, data, sums),
        }
    }

    /// What tells that a recovery takes the replica over.
    fn fence(&self) -> Option<Fence> {
        match self {
            Self::Writing(claim) => Some(claim.fence()),
            Self::Finalized(_) => None,
        }
    }
}

async fn send(
    context: &Context<'_>,
    source: &mut Source,
    block: &Block,
    target: &pb::DatanodeInfoProto,
    client_name: &str,
) -> Result<(), Refusal> {
    let (generation, available, len) = source.copied(block)?;
    let copy = Block {
        generation,
        len,
        ..block.clone()
    };
    let mut op = pb::OpWriteBlockProto {
        header: client_header(&copy, client_name),
        pipeline_size: 1,
        min_bytes_rcvd: len,
        max_bytes_rcvd: len,
        latest_generation_stamp: generation.as_u64(),
        requested_checksum: pb::ChecksumProto::crc32c(),
        ..Default::default()
    };
    op.set_stage(pb::BlockConstructionStage::TransferRbw);
    let mut mirror = Mirror::open(context, target, op).await?;
    mirror.accepted(context, context.timeouts().setup).await?;
    let mut fence = source.fence();
    let fenced = async {
        match &mut fence {
            Some(fence) => fence.fenced().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = fenced => return Err(refuse(pb::Status::Error, "another recovery came in between")),
        sent = packets(context, source, &copy, available, &mut mirror) => sent?,
    }
    mirror.accepted(context, context.timeouts().finish).await
}

/// Sends the first `block.len` of the `available` bytes.
async fn packets(
    context: &Context<'_>,
    source: &mut Source,
    block: &Block,
    available: u64,
    mirror: &mut Mirror,
) -> Result<(), Refusal> {
    let mut packet = Outgoing::default();
    loop {
        let wanted = packet.begin(block.len, PACKET_BYTES);
        if wanted > 0 {
            // Whole units are read, as far as there are whole ones, so that their sums can be checked.
            let readable = usize::try_from(available - packet.header.offset).unwrap_or(usize::MAX);
            packet.resize(wanted.next_multiple_of(UNIT).min(readable));
            let (offset, data, sums) = packet.parts();
            source.read(context, block, offset, data, sums)?;
            packet.cut(wanted);
        }
        let sent = packet.send(context.timeouts().idle, &mut mirror.writer).await;
        let over = sent.map_err(|error| {
            mirror.lost(format!("lost datanode {} while copying: {error}", mirror.address))
        })?;
        if over {
            return Ok(());
        }
    }
}

/// The packet of a copy that goes out next.
pub(super) struct Outgoing {
    header: PacketHeader,
    data: Vec<u8>,
    sums: Vec<u8>,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            header: PacketHeader {
                offset: 0,
                seqno: 0,
                last: false,
                data_len: 0,
                sync: false,
            },
            data: Vec::new(),
            sums: Vec::new(),
        }
    }
}

impl Outgoing {
    /// Makes room for the next bytes of `len`; says how many they are. None: this packet is the last.
    pub(super) fn begin(&mut self, len: u64, packet_bytes: usize) -> usize {
        let left = len.saturating_sub(self.header.offset);
        let wanted = usize::try_from(left).map_or(packet_bytes, |left| left.min(packet_bytes));
        self.resize(wanted);
        wanted
    }

    /// Where in the chunk it begins, its data and their sums, to be filled.
    pub(super) fn parts(&mut self) -> (u64, &mut [u8], &mut [u8]) {
        (self.header.offset, &mut self.data, &mut self.sums)
    }

    /// Sends it, and says whether it was the last.
    pub(super) async fn send(&mut self, limit: Duration, writer: &mut Writer) -> Result<bool, Lost> {
        self.header.last = self.data.is_empty();
        // A packet is never as long as that.
        self.header.data_len = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        within(limit, writer.write_packet(&self.header, &self.sums, &self.data)).await?;
        self.header.offset += self.data.len() as u64;
        self.header.seqno += 1;
        Ok(self.header.last)
    }

    fn resize(&mut self, len: usize) {
        self.data.resize(len, 0);
        self.sums.resize(checksum::sums_len(len), 0);
    }

    /// Cuts it to `len` bytes: the last unit gets the sum of what is left of it.
    fn cut(&mut self, len: usize) {
        if len < self.data.len() {
            self.data.truncate(len);
            self.sums.resize(checksum::sums_len(len), 0);
            checksum::compute(&self.data, &mut self.sums);
        }
    }
}
