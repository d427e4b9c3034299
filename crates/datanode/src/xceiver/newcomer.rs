//! The end of a copy that receives it: a replica that another datanode sends, whole or as far as it is acknowledged.
//!
//! One that is to be finalized is a replica like any other when the answer leaves: on disk under its final name, and reported.
//! It takes the place of a corrupt replica of its generation and of older ones; where there is a good one already it is
//! refused, and the good one is reported again, for somebody does not know of it.
//!
//! # Guarantee
//! Half a copy is dropped, however the stream ends, and takes part in nothing until then: it holds less than what its source
//! has shown readers, and a recovery that took it for a replica would cut the others to its length.

use transfer::{Block, PacketHeader, checksum, pb};
use types::StorageId;
use wire::{Packet, Reader, Writer};

use super::deadline::{Lost, within};
use super::receive;
use super::request::{Context, Next, answer};
use super::write::goodbye;
use crate::refusal::refuse;
use crate::writing::Claim;

/// Takes a copy; on the storage that is wished for if that can be; `finalize`: and finalizes it. Else it stays a replica that
/// is being written, for the recovery that follows.
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
    let mut fence = claim.fence();
    let taken = {
        let taking = async {
            within(limit, writer.write_response(&pb::BlockOpResponseProto::success())).await?;
            take(context, &mut claim, block.len, finalize, reader).await
        };
        tokio::select! {
            biased;
            () = fence.fenced() => return Ok(Next::Close),
            taken = taking => taken,
        }
    };
    // Half a copy goes with it. Nobody who claims the replica waits for the answer.
    drop(claim);
    match taken {
        Ok(()) => {
            within(limit, writer.write_response(&pb::BlockOpResponseProto::success())).await?;
            Ok(Next::Request)
        }
        Err(error) => {
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

/// Takes all packets; when they are the `len` bytes that were announced, finalizes the replica or syncs it.
async fn take(
    context: &Context<'_>,
    claim: &mut Claim,
    len: u64,
    finalize: bool,
    reader: &mut Reader,
) -> Result<(), NotTaken> {
    let mut packet = Packet::new();
    loop {
        within(context.timeouts().idle, reader.read_packet(&mut packet)).await?;
        packet.verify()?;
        // No record on the disk before all of it is there: the next start would adopt it.
        let header = PacketHeader {
            sync: false,
            ..*packet.header()
        };
        receive::write(claim, &header, &packet)?;
        if header.last {
            break;
        }
    }
    let received = claim.peek().map_or(0, chunkstore::Writer::received);
    if received != len {
        return Err(NotTaken::Length { received, len });
    }
    if finalize {
        context.replicas.finalize(claim)?;
    } else if let Some(writer) = claim.writer() {
        // What its writer has had synced is on the disk of every replica, also of this one.
        writer.sync()?;
        claim.is_whole();
    }
    Ok(())
}
