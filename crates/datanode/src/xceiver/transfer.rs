//! TRANSFER_BLOCK: a copy of a replica to another datanode, and the other end of it.
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

use chunkstore::{ReadError, Reader as Replica};
use transfer::{Block, PacketHeader, Refusal, checksum, client_header, pb};
use types::Generation;
use types::limits::CHECKSUM_UNIT_BYTES;
use wire::{Packet, Reader, Writer};

use super::deadline::{Lost, within};
use super::mirror::Mirror;
use super::read;
use super::receive;
use super::request::{Context, Next, answer};
use crate::refusal::{at_link, invalid, refuse};
use crate::writing::Claim;

const UNIT: usize = CHECKSUM_UNIT_BYTES as usize;

/// Data of a packet.
const PACKET_BYTES: usize = 1 << 20;

/// Carries a TRANSFER_BLOCK out: the first `numBytes` of the replica, to each of the targets.
pub(super) async fn serve(
    context: &Context<'_>,
    op: &pb::OpTransferBlockProto,
    writer: &mut Writer,
) -> Result<Next, Lost> {
    let limit = context.timeouts().idle;
    let copied = async {
        let block = context.replicas.block(&op.header.base_header.block)?;
        let source = Source::find(context, &block).await?;
        for target in &op.targets {
            send(context, &source, &block, target, &op.header.client_name).await?;
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

    fn read(&self, offset: u64, data: &mut [u8], sums: &mut [u8]) -> Result<(), ReadError> {
        match self {
            Self::Writing(claim) => match claim.peek() {
                Some(writer) => writer.read_verified(offset, data, sums),
                None => Ok(()),
            },
            Self::Finalized(replica) => replica.read_verified(offset, data, sums),
        }
    }
}

async fn send(
    context: &Context<'_>,
    source: &Source,
    block: &Block,
    target: &pb::DatanodeInfoProto,
    client_name: &str,
) -> Result<(), Refusal> {
    let (generation, _) = source.describe()?;
    let copy = Block {
        generation,
        ..block.clone()
    };
    let mut op = pb::OpWriteBlockProto {
        header: client_header(&copy, client_name),
        pipeline_size: 1,
        min_bytes_rcvd: block.len,
        max_bytes_rcvd: block.len,
        latest_generation_stamp: generation.as_u64(),
        requested_checksum: pb::ChecksumProto::crc32c(),
        ..Default::default()
    };
    op.set_stage(pb::BlockConstructionStage::TransferRbw);
    let mut mirror = Mirror::open(context, target, op).await?;
    mirror.accepted(context, context.timeouts().setup).await?;
    tokio::select! {
        biased;
        () = fenced(source) => return Err(refuse(pb::Status::Error, "another recovery came in between")),
        sent = packets(context, source, block.len, &mut mirror) => sent?,
    }
    mirror.accepted(context, context.timeouts().finish).await
}

async fn fenced(source: &Source) {
    match source {
        Source::Writing(claim) => claim.fence().fenced().await,
        Source::Finalized(_) => std::future::pending().await,
    }
}

/// Sends the first `len` bytes.
async fn packets(
    context: &Context<'_>,
    source: &Source,
    len: u64,
    mirror: &mut Mirror,
) -> Result<(), Refusal> {
    let (_, available) = source.describe()?;
    let limit = context.timeouts().idle;
    let (mut data, mut sums) = (Vec::new(), Vec::new());
    let mut header = PacketHeader {
        offset: 0,
        seqno: 0,
        last: false,
        data_len: 0,
        sync: false,
    };
    loop {
        let wanted = usize::try_from(len - header.offset).map_or(PACKET_BYTES, |left| left.min(PACKET_BYTES));
        // Whole units are read, as far as there are whole ones, so that their sums can be checked.
        let readable = usize::try_from(available - header.offset).unwrap_or(usize::MAX);
        let whole = match wanted {
            // The end may be within a unit, from where nothing can be read.
            0 => 0,
            wanted => wanted.next_multiple_of(UNIT).min(readable),
        };
        data.resize(whole, 0);
        sums.resize(checksum::sums_len(whole), 0);
        if whole > 0 {
            source
                .read(header.offset, &mut data, &mut sums)
                .map_err(|error| refuse(pb::Status::ErrorChecksum, error.to_string()))?;
        }
        if wanted < whole {
            // The last unit is cut, and gets the sum of what is left of it.
            data.truncate(wanted);
            sums.resize(checksum::sums_len(wanted), 0);
            checksum::compute(&data, &mut sums);
        }
        header.last = data.is_empty();
        header.data_len = u32::try_from(data.len()).map_err(|error| invalid(error.to_string()))?;
        let sent = within(limit, mirror.writer.write_packet(&header, &sums, &data)).await;
        sent.map_err(|error| {
            let why = format!("lost datanode {} while copying: {error}", mirror.address);
            at_link(&mirror.address, refuse(pb::Status::Error, why))
        })?;
        if header.last {
            return Ok(());
        }
        header.offset += data.len() as u64;
        header.seqno += 1;
    }
}

/// The newcomer's end: takes a copy.
pub(super) async fn receive(
    context: &Context<'_>,
    block: &Block,
    finalize: bool,
    reader: &mut Reader,
    writer: &mut Writer,
) -> Result<Next, Lost> {
    let limit = context.timeouts().idle;
    let patience = context.timeouts().take_over;
    let begun = (context.replicas)
        .create_copy(block.chunk, block.generation, patience)
        .await;
    let mut claim = match begun {
        Ok(claim) => claim,
        Err(refusal) => return answer(context.node, writer, refusal).await,
    };
    within(limit, writer.write_response(&pb::BlockOpResponseProto::success())).await?;
    let mut fence = claim.fence();
    let taken = tokio::select! {
        biased;
        () = fence.fenced() => return Ok(Next::Close),
        taken = take(context, &mut claim, finalize, reader) => taken,
    };
    match taken {
        Ok(()) => {
            drop(claim);
            within(limit, writer.write_response(&pb::BlockOpResponseProto::success())).await?;
            Ok(Next::Request)
        }
        Err(error) => {
            // Half a copy is of no use.
            claim.abandon();
            let refusal = refuse(pb::Status::Error, error.to_string());
            answer(context.node, writer, refusal).await?;
            Ok(Next::Close)
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error(transparent)]
    Checksum(#[from] checksum::Mismatch),
    #[error(transparent)]
    Write(#[from] chunkstore::WriteError),
}

async fn take(
    context: &Context<'_>,
    claim: &mut Claim,
    finalize: bool,
    reader: &mut Reader,
) -> Result<(), NotTaken> {
    let mut packet = Packet::new();
    loop {
        within(context.timeouts().idle, reader.read_packet(&mut packet)).await?;
        packet.verify()?;
        let header = *packet.header();
        receive::write(claim, &header, &packet)?;
        if header.last {
            break;
        }
    }
    if finalize {
        context.replicas.finalize(claim)?;
    }
    Ok(())
}
