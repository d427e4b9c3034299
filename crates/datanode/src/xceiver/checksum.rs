//! BLOCK_CHECKSUM: the CRC32C of a chunk, put together from its stored sums.

use chunkstore::{GrowingError, OpenReplicaError};
use transfer::checksum::{self, Composite};
use transfer::{Block, Refusal, pb};
use wire::Writer;

use super::deadline::{Lost, within};
use super::read;
use super::request::{Context, Next, answer};
use crate::refusal::refuse;

/// Carries a BLOCK_CHECKSUM out.
pub(super) async fn serve(
    context: &Context<'_>,
    op: &pb::OpBlockChecksumProto,
    writer: &mut Writer,
) -> Result<Next, Lost> {
    match of(context, op) {
        Ok(response) => {
            within(context.timeouts().idle, writer.write_response(&response)).await?;
            Ok(Next::Request)
        }
        Err(refusal) => answer(context.node, writer, refusal).await,
    }
}

fn of(context: &Context<'_>, op: &pb::OpBlockChecksumProto) -> Result<pb::BlockOpResponseProto, Refusal> {
    let block = context.replicas.block(&op.header.block)?;
    let kind = op
        .block_checksum_options
        .unwrap_or_default()
        .block_checksum_type();
    if kind != pb::BlockChecksumTypeProto::CompositeCrc {
        return Err(refuse(
            pb::Status::ErrorUnsupported,
            "this datanode gives composite CRCs only (dfs.checksum.combine.mode=COMPOSITE_CRC)",
        ));
    }
    if let Some(sum) = of_growing(context, &block)? {
        return Ok(sum);
    }
    let replica = read::open(context, &block)?;
    // A length asks for that many bytes of the beginning: what the file has of the chunk.
    let len = match block.len {
        0 => replica.len(),
        len => len.min(replica.len()),
    };
    let crc = replica.checksum(len).or_else(|error| {
        tracing::warn!(%error, "reading the checksums again, to be sure");
        read::open(context, &block)?
            .checksum(len)
            .map_err(|error| read::failed(context, &block, &OpenReplicaError::Read(error)))
    })?;
    Ok(pb::BlockOpResponseProto::composite_crc(crc, len))
}

/// Data that is read at once.
const PIECE_BYTES: u64 = 1 << 20;

/// The checksum of the first bytes of a replica that is being written, which must be visible: it is made from the data, for the
/// sums of what is not finished have no checksum over them. None when that is to be asked of the finished replica.
fn of_growing(context: &Context<'_>, block: &Block) -> Result<Option<pb::BlockOpResponseProto>, Refusal> {
    let Some(open) = context.replicas.writing.open(block.chunk) else {
        return Ok(None);
    };
    let visible = open.visible();
    let (len, current) = match open.growing.state() {
        Some((generation, _)) if block.len > 0 => (block.len, generation >= block.generation),
        Some((generation, _)) => (visible, generation >= block.generation),
        None => return Ok(None),
    };
    if !current || len > visible {
        return Ok(None);
    }
    let mut composite = Composite::new();
    let mut at = 0;
    while at < len {
        let piece = usize::try_from((len - at).min(PIECE_BYTES)).unwrap_or_default();
        let (mut data, mut sums) = (vec![0; piece], vec![0; checksum::sums_len(piece)]);
        match open.growing.read_verified(at, &mut data, &mut sums) {
            Ok(()) => {}
            Err(GrowingError::Ended(_)) => return Ok(None),
            Err(GrowingError::Read(error)) => return Err(refuse(pb::Status::Error, error.to_string())),
        }
        let fits = composite.push_sums(&sums, piece);
        fits.map_err(|error| refuse(pb::Status::Error, error.to_string()))?;
        at += piece as u64;
    }
    Ok(Some(pb::BlockOpResponseProto::composite_crc(
        composite.crc(),
        len,
    )))
}
