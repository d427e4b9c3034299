//! Acknowledgements: what the datanodes behind say of a packet, with this one's own word in front.

use std::time::Duration;

use tokio::sync::mpsc;
use transfer::{PipelineAck, pb};
use wire::{Reader, Writer};

use super::deadline::{Lost, within};
use crate::writing::Visible;

/// Packets that may wait for an acknowledgement. Beyond that no more are read.
pub(super) const QUEUE_MAX: usize = 256;

/// A packet that this datanode is done with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) seqno: i64,
    /// Where its data ends in the chunk.
    pub(super) end: u64,
    /// What became of it here.
    pub(super) own: pb::Status,
    /// Whether it was passed on. One that was not gets no answer from behind.
    pub(super) passed_on: bool,
    pub(super) last: bool,
}

/// Where acknowledgements come from.
pub(super) struct Behind<'a> {
    pub(super) reader: &'a mut Reader,
    /// For the word of a packet.
    pub(super) limit: Duration,
    /// For that of the last one, which comes after syncs.
    pub(super) limit_of_last: Duration,
}

/// Acknowledges packets in order, until the last one, or the first that is not a success everywhere: then the pipeline is
/// of no more use to its client.
///
/// What is acknowledged may be read, from before the acknowledgement leaves: a reader that comes after it sees it.
///
/// Says whether all of the chunk was acknowledged.
///
/// A datanode behind that is lost is told as one ERROR after this node's own word, and nothing after it: so the position
/// of the last word is that of the lost one.
pub(super) async fn send(
    mut queue: mpsc::Receiver<Pending>,
    upstream: &mut Writer,
    visible: &Visible,
    mut behind: Option<Behind<'_>>,
    limit: Duration,
) -> Result<bool, Lost> {
    while let Some(pending) = queue.recv().await {
        let mut replies = vec![pending.own];
        match &mut behind {
            Some(behind) if pending.passed_on => match word_from(behind, &pending).await {
                Ok(words) => replies.extend(words),
                Err(error) => {
                    tracing::warn!(%error, "lost the next datanode of a pipeline");
                    replies.push(pb::Status::Error);
                }
            },
            Some(_) if pending.own == pb::Status::Success => replies.push(pb::Status::Error),
            Some(_) | None => {}
        }
        let ack = PipelineAck::new(pending.seqno, replies);
        if ack.is_success() {
            visible.advance(pending.end);
        }
        within(limit, upstream.write_ack(&ack)).await?;
        if pending.last || !ack.is_success() {
            return Ok(ack.is_success());
        }
    }
    Ok(false)
}

async fn word_from(behind: &mut Behind<'_>, pending: &Pending) -> Result<Vec<pb::Status>, AckLost> {
    let limit = if pending.last {
        behind.limit_of_last
    } else {
        behind.limit
    };
    let ack = within(limit, behind.reader.read_ack()).await?;
    if ack.seqno != pending.seqno {
        return Err(AckLost::Order {
            got: ack.seqno,
            expected: pending.seqno,
        });
    }
    if ack.replies.is_empty() {
        return Err(AckLost::Empty);
    }
    Ok(ack.replies)
}

#[derive(Debug, thiserror::Error)]
enum AckLost {
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error("it acknowledged packet {got} where packet {expected} was due")]
    Order { got: i64, expected: i64 },
    #[error("it acknowledged a packet without a word")]
    Empty,
}
