//! WRITE_BLOCK: a pipeline through this datanode.
//!
//! ```text
//!            packets                    packets
//! upstream ──────────▶ Receiver ──────────────────▶ next datanode
//!            acks         │ queue of Pending    acks    │
//!     ◀──────────────── ack::send ◀─────────────────────┘
//! ```
//!
//! The two halves run beside each other on the stream's thread. A full queue stops the receiving half, and with it, by TCP,
//! the sender. A recovery that claims the replica ends both.

use tokio::sync::mpsc;
use transfer::{Block, Refusal, pb};
use types::StorageId;
use wire::{Packet, Reader, Writer};

use super::ack::{self, Behind};
use super::deadline::{Lost, within};
use super::mirror::Mirror;
use super::newcomer;
use super::receive::Receiver;
use super::recover::{self, Recovery};
use super::request::{Context, Next, answer, is_ours};
use crate::refusal::{invalid, refuse};
use crate::writing::Claim;

/// What a WRITE_BLOCK is for.
enum Purpose {
    /// A new replica.
    Create(Block),
    /// To write on: after a failure, or behind what is finished.
    Continue(Recovery),
    /// To finish, after a failure.
    Finish(Recovery),
    /// To take a copy from another datanode.
    Copy { block: Block, finalize: bool },
}

impl Purpose {
    fn of(context: &Context<'_>, op: &pb::OpWriteBlockProto) -> Result<Self, Refusal> {
        use pb::BlockConstructionStage as Stage;
        let block = context.replicas.block(&op.header.base_header.block)?;
        if !op.requested_checksum.is_crc32c() {
            return Err(refuse(
                pb::Status::ErrorUnsupported,
                "this datanode keeps CRC32C of every 512 bytes, and no other checksums (dfs.checksum.type=CRC32C, \
                 dfs.bytes-per-checksum=512)",
            ));
        }
        match op.stage() {
            Stage::PipelineSetupCreate => Ok(Self::Create(block)),
            Stage::PipelineSetupStreamingRecovery
            | Stage::PipelineSetupAppend
            | Stage::PipelineSetupAppendRecovery => Ok(Self::Continue(Recovery::of(block, op)?)),
            Stage::PipelineCloseRecovery => Ok(Self::Finish(Recovery::of(block, op)?)),
            Stage::TransferRbw => Ok(Self::Copy {
                block,
                finalize: false,
            }),
            Stage::TransferFinalized => Ok(Self::Copy {
                block,
                finalize: true,
            }),
            stage @ (Stage::DataStreaming | Stage::PipelineClose) => Err(invalid(format!(
                "a pipeline can not be set up in stage {}",
                stage.as_str_name()
            ))),
        }
    }
}

/// Carries a WRITE_BLOCK out.
pub(super) async fn serve(
    context: &Context<'_>,
    op: pb::OpWriteBlockProto,
    reader: &mut Reader,
    writer: &mut Writer,
) -> Result<Next, Lost> {
    let limit = context.timeouts().idle;
    let set_up = match Purpose::of(context, &op) {
        Ok(Purpose::Copy { block, finalize }) => {
            return newcomer::receive(context, &block, wish(&op), finalize, reader, writer).await;
        }
        Ok(Purpose::Finish(recovery)) => {
            context.node.telemetry.recoveries_closing.inc();
            return match finish(context, &op, &recovery).await {
                Ok(()) => {
                    within(limit, writer.write_response(&pb::BlockOpResponseProto::success())).await?;
                    Ok(Next::Close)
                }
                Err(refusal) => answer(context.node, writer, refusal).await,
            };
        }
        Ok(Purpose::Create(block)) => create(context, &op, &block).await,
        Ok(Purpose::Continue(recovery)) => resume(context, &op, &recovery).await,
        Err(refusal) => Err(refusal),
    };
    let (claim, mirror) = match set_up {
        Ok(set_up) => set_up,
        Err(refusal) => return answer(context.node, writer, refusal).await,
    };
    within(limit, writer.write_response(&pb::BlockOpResponseProto::success())).await?;
    // Programs of others close the connection, or wait for its end.
    let goes_on = is_ours(&op.header.client_name);
    match stream(context, claim, mirror, reader, writer).await? {
        Ended::Whole(mirror) if goes_on => {
            if let Some(mirror) = mirror {
                mirror.keep(context);
            }
            return Ok(Next::Request);
        }
        Ended::Whole(mirror) => drop(mirror),
        Ended::Broken => {}
        Ended::Fenced => return Ok(Next::Close),
    }
    goodbye(context, reader, writer).await;
    Ok(Next::Close)
}

/// How a stream has ended.
enum Ended {
    /// All of the chunk is on disk everywhere, and nothing is under way on the connections.
    Whole(Option<Mirror>),
    /// Something failed, here or behind; the client was told.
    Broken,
    /// A recovery has taken over.
    Fenced,
}

async fn create(
    context: &Context<'_>,
    op: &pb::OpWriteBlockProto,
    block: &Block,
) -> Result<(Claim, Option<Mirror>), Refusal> {
    let mut claim = context.replicas.create(block, wish(op))?;
    match connect(context, op).await {
        Ok(mirror) => Ok((claim, mirror)),
        Err(refusal) => {
            // Nothing was written: the client may try again, with other datanodes behind.
            claim.abandon();
            Err(refusal)
        }
    }
}

/// On which storage the replica is wished to be. One that is not named as ours is nobody's here, and no wish.
fn wish(op: &pb::OpWriteBlockProto) -> Option<StorageId> {
    op.storage_id.as_deref()?.parse().ok()
}

async fn resume(
    context: &Context<'_>,
    op: &pb::OpWriteBlockProto,
    recovery: &Recovery,
) -> Result<(Claim, Option<Mirror>), Refusal> {
    context.node.telemetry.recoveries_streaming.inc();
    let claim = recover::streaming(context, recovery).await?;
    let mirror = connect(context, op).await?;
    Ok((claim, mirror))
}

async fn connect(context: &Context<'_>, op: &pb::OpWriteBlockProto) -> Result<Option<Mirror>, Refusal> {
    Mirror::chain(context, op).await
}

/// All finalize at once: the request is passed on before it is carried out here.
async fn finish(
    context: &Context<'_>,
    op: &pb::OpWriteBlockProto,
    recovery: &Recovery,
) -> Result<(), Refusal> {
    let mirror = Mirror::pass_on(context, op).await;
    // Here first: when it fails behind, the client tries again without those.
    recover::closing(context, recovery).await?;
    match mirror? {
        Some(mut mirror) => mirror.accepted(context, context.timeouts().finish).await,
        None => Ok(()),
    }
}

/// Moves packets in and acks out, to the end of the stream.
async fn stream(
    context: &Context<'_>,
    mut claim: Claim,
    mut mirror: Option<Mirror>,
    reader: &mut Reader,
    writer: &mut Writer,
) -> Result<Ended, Lost> {
    let limit = context.timeouts().idle;
    let mut fence = claim.fence();
    let visible = claim.visible();
    let (done, pending) = mpsc::channel(ack::QUEUE_MAX);
    let (onward, behind) = match &mut mirror {
        Some(mirror) => {
            let timeouts = context.timeouts();
            let behind = Behind {
                limit: mirror.limit(context, timeouts.ack),
                limit_of_last: mirror.limit(context, timeouts.finish),
                reader: &mut mirror.reader,
            };
            (Some(&mut mirror.writer), Some(behind))
        }
        None => (None, None),
    };
    let receiver = Receiver {
        replicas: &context.replicas,
        telemetry: &context.node.telemetry,
        claim: &mut claim,
        upstream: reader,
        onward,
        limit,
    };
    let ended = {
        let receiving = receiver.run(done);
        let acknowledging = ack::send(pending, writer, &visible, behind, limit);
        tokio::pin!(receiving, acknowledging);
        tokio::select! {
            biased;
            () = fence.fenced() => {
                tracing::info!("a recovery has taken over; this pipeline ends");
                return Ok(Ended::Fenced);
            }
            acknowledged = &mut acknowledging => acknowledged,
            received = &mut receiving => match received {
                // What was received is acknowledged to the end, unless a recovery comes.
                Ok(()) => tokio::select! {
                    biased;
                    () = fence.fenced() => return Ok(Ended::Fenced),
                    acknowledged = &mut acknowledging => acknowledged,
                },
                Err(lost) => Err(lost),
            },
        }
    };
    // First the replica, so that a recovery does not wait for the goodbye.
    drop(claim);
    match ended? {
        true => Ok(Ended::Whole(mirror)),
        false => Ok(Ended::Broken),
    }
}

/// Says the end and waits for the other side to close: a connection that is closed with bytes unread is reset, and the
/// reset would overtake the last acks.
pub(super) async fn goodbye(context: &Context<'_>, reader: &mut Reader, writer: &mut Writer) {
    let limit = context.timeouts().ack;
    let listening = async {
        if writer.shutdown().await.is_err() {
            return;
        }
        let mut packet = Packet::new();
        while reader.read_packet(&mut packet).await.is_ok() {}
    };
    let _ = tokio::time::timeout(limit, listening).await;
}
