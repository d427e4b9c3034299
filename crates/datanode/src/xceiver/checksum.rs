//! BLOCK_CHECKSUM: the CRC32C of a chunk, put together from its stored sums.

use chunkstore::OpenReplicaError;
use transfer::{Refusal, pb};
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
