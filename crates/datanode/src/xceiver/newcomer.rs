//! The end of a copy that receives it: a replica that another datanode sends, whole or as far as it is acknowledged.
//!
//! One that is to be finalized is a replica like any other when the answer leaves: on disk under its final name, and reported.
//! It takes the place of a corrupt replica of its generation and of older ones; where there is a good one already it is
//! refused, and the good one is reported again, for somebody does not know of it. Half a copy is dropped.

use transfer::{Block, checksum, pb};
use types::StorageId;
use wire::{Packet, Reader, Writer};

use super::deadline::{Lost, within};
use super::receive;
use super::request::{Context, Next, answer};
use super::write::goodbye;
use crate::refusal::refuse;
use crate::writing::Claim;

/// Takes a copy; on the storage that is wished for if that can be; `finalize`: and finalizes it. Else it stays a replica that is being written, for the recovery that follows.
pub(super) async fn receive(
    context: &Context<'_>,
    block: &Block,
    wish: Option<StorageId>,
    finalize: bool,
    reader: &mut Reader,
    writer: &mut Writer,
) -> Result<Next, Lost> {
    let limit = context.timeouts().idle;
    let _copying = finalize.then(|| context.node.orders.begin_copy());
    let begun = if finalize {
        context.replicas.create_whole_copy(block, wish)
    } else {
        let patience = context.timeouts().take_over;
        (context.replicas)
            .create_copy(block.chunk, block.generation, patience)
            .await
    };
    let mut claim = match begun {
        Ok(claim) => claim,
        Err(refusal) => return answer(context.node, writer, refusal).await,
    };
    within(limit, writer.write_response(&pb::BlockOpResponseProto::success())).await?;
    let mut fence = claim.fence();
    let taken = tokio::select! {
        biased;
        () = fence.fenced() => return Ok(Next::Close),
        taken = take(context, &mut claim, finalize.then_some(block.len), reader) => taken,
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
            // The rest of it is still coming.
            goodbye(context, reader, writer).await;
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
    #[error("a copy of {len} bytes ended after {received}")]
    Length { received: u64, len: u64 },
}

/// Takes all packets; finalizes the replica when it has the length that it is to have then.
async fn take(
    context: &Context<'_>,
    claim: &mut Claim,
    finalize: Option<u64>,
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
    if let Some(len) = finalize {
        let received = claim.peek().map_or(0, chunkstore::Writer::received);
        if received != len {
            return Err(NotTaken::Length { received, len });
        }
        context.replicas.finalize(claim)?;
    } else if let Some(writer) = claim.writer() {
        // What its writer has had synced is on the disk of every replica, also of this one.
        writer.sync()?;
    }
    Ok(())
}
