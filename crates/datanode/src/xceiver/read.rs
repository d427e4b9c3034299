//! READ_BLOCK: a range of a replica, every byte checked before it leaves.
//!
//! Of a replica that is being written, what is visible is served. A reader that was told more elsewhere waits a moment: it is
//! here already, and its acknowledgement is on the way. The answer tells our own clients how much is visible; they ask for
//! nothing of it to learn this.

use std::time::Duration;

use chunkstore::{GrowingError, OpenReplicaError, ReadError, Reader as Replica, Verdict};
use transfer::{Block, PacketHeader, Refusal, checksum, pb};
use types::limits::CHECKSUM_UNIT_BYTES;
use wire::{Reader, Writer};

use super::deadline::{Lost, within};
use super::request::{Context, Next, answer, is_ours};
use crate::refusal::{invalid, refuse, response};
use crate::writing::Open;

const UNIT: u64 = CHECKSUM_UNIT_BYTES as u64;

/// Data of a packet to our own clients.
const PACKET_BYTES: usize = 1 << 20;

/// Data of a packet to others, who have small buffers.
const PACKET_BYTES_HDFS: usize = 64 << 10;

/// How long a reader waits for bytes to become visible.
const VISIBLE_PATIENCE: Duration = Duration::from_secs(3);

/// Carries a READ_BLOCK out.
pub(super) async fn serve(
    context: &Context<'_>,
    op: &pb::OpReadBlockProto,
    reader: &mut Reader,
    writer: &mut Writer,
) -> Result<Next, Lost> {
    let limit = context.timeouts().idle;
    let mut sending = match Sending::begin(context, op).await {
        Ok(sending) => sending,
        Err(refusal) => return decline(context, op, writer, refusal).await,
    };
    if sending.is_whole() {
        let (header, sums, data) = sending.packet();
        let response = sending.response();
        within(limit, writer.write_whole_read(&response, &header, sums, data)).await?;
        context.node.telemetry.sent_bytes.inc_by(data.len() as u64);
        return done(limit, reader).await;
    }
    within(limit, writer.write_response(&sending.response())).await?;
    loop {
        let (header, sums, data) = sending.packet();
        within(limit, writer.write_packet(&header, sums, data)).await?;
        context.node.telemetry.sent_bytes.inc_by(data.len() as u64);
        if header.last {
            break;
        }
        if let Err(refusal) = sending.advance(context) {
            // What was sent so far is right. What would follow is not to be had here.
            tracing::warn!(%refusal, "a read ends early");
            return Ok(Next::Close);
        }
    }
    done(limit, reader).await
}

/// The client says whether all was well. One that closes instead is fine, too.
async fn done(limit: Duration, reader: &mut Reader) -> Result<Next, Lost> {
    match within(limit, reader.read_message::<pb::ClientReadStatusProto>()).await {
        Ok(_) => Ok(Next::Request),
        Err(Lost::Wire(wire::Error::Closed { received: 0, .. })) => Ok(Next::Close),
        Err(lost) => Err(lost),
    }
}

/// Says no; and whether that is because there is no replica, which is news for one who wants to know how long it is.
async fn decline(
    context: &Context<'_>,
    op: &pb::OpReadBlockProto,
    writer: &mut Writer,
    refusal: Refusal,
) -> Result<Next, Lost> {
    let absent = context
        .replicas
        .block(&op.header.base_header.block)
        .is_ok_and(|block| !context.replicas.has(block.chunk));
    if !absent {
        return answer(context.node, writer, refusal).await;
    }
    let mut response = response(refusal);
    response.replica = Some(pb::ReplicaStateProto {
        absent: Some(true),
        ..Default::default()
    });
    within(context.timeouts().idle, writer.write_response(&response)).await?;
    Ok(Next::Request)
}

/// Where bytes are read from.
enum Source {
    Finalized(Replica),
    Growing(Open),
}

impl Source {
    /// The replica of a block, in which the bytes before `end` can be read.
    async fn find(context: &Context<'_>, block: &Block, end: u64) -> Result<Self, Refusal> {
        let replicas = &context.replicas;
        if let Some(mut open) = replicas.writing.open(block.chunk)
            && is_of(&open, block)
            && (open.visible() >= end || !is_finished(context, block, end))
        {
            let _ = tokio::time::timeout(VISIBLE_PATIENCE, open.reaches(end)).await;
            if is_of(&open, block) && open.visible() >= end {
                return Ok(Self::Growing(open));
            }
            if replicas.store.replica(block.chunk).is_none() {
                return Err(refuse(
                    pb::Status::Error,
                    format!(
                        "chunk {} is being written here, and {} bytes of it are acknowledged by now; {end} are wanted",
                        block.chunk,
                        open.visible()
                    ),
                ));
            }
        }
        self::open(context, block).map(Self::Finalized)
    }

    /// How much can be read.
    fn len(&self) -> u64 {
        match self {
            Self::Finalized(replica) => replica.len(),
            Self::Growing(open) => open.visible(),
        }
    }
}

/// Whether there is a finished replica, beside one that is being written, that has so many bytes.
fn is_finished(context: &Context<'_>, block: &Block, end: u64) -> bool {
    let finished = context.replicas.store.replica(block.chunk);
    finished.is_some_and(|replica| replica.generation >= block.generation && replica.len >= end)
}

/// Whether it is being written at the generation of `block`, or a newer one.
fn is_of(open: &Open, block: &Block) -> bool {
    (open.growing.state()).is_some_and(|(generation, _)| generation >= block.generation)
}

/// A range on its way. One packet is in memory: read, checked, and not sent yet.
struct Sending {
    block: Block,
    source: Source,
    checksums: bool,
    seqno: i64,
    /// The offset of the packet.
    at: u64,
    /// Where the range ends, at a unit or with the replica.
    end: u64,
    packet_bytes: u64,
    data: Vec<u8>,
    sums: Vec<u8>,
}

impl Sending {
    /// Opens the replica and reads the first packet, so that what is wrong with it can still be the answer.
    async fn begin(context: &Context<'_>, op: &pb::OpReadBlockProto) -> Result<Self, Refusal> {
        let block = context.replicas.block(&op.header.base_header.block)?;
        let end = op.offset.saturating_add(op.len);
        let source = Source::find(context, &block, end).await?;
        let len = source.len();
        tracing::debug!(
            chunk = %block.chunk, generation = %block.generation, len, growing = matches!(source, Source::Growing(_)),
            "a replica is opened for reading"
        );
        if end > len {
            return Err(invalid(format!(
                "chunk {} has {len} bytes; {} bytes at {} were asked for",
                block.chunk, op.len, op.offset
            )));
        }
        let packet = if is_ours(&op.header.client_name) {
            PACKET_BYTES
        } else {
            PACKET_BYTES_HDFS
        };
        let mut sending = Self {
            checksums: op.send_checksums(),
            seqno: 0,
            at: op.offset - op.offset % UNIT,
            end: end.next_multiple_of(UNIT).min(len),
            packet_bytes: packet as u64,
            data: Vec::new(),
            sums: Vec::new(),
            block,
            source,
        };
        sending.fill(context)?;
        Ok(sending)
    }

    fn response(&self) -> pb::BlockOpResponseProto {
        let mut response = pb::BlockOpResponseProto::reading_from(self.at);
        if !self.checksums
            && let Some(info) = &mut response.read_op_checksum_info
        {
            info.checksum.set_type(pb::ChecksumTypeProto::ChecksumNull);
        }
        let (restarted, received) = match &self.source {
            Source::Growing(open) => (
                open.restarted(),
                open.growing.state().map(|(_, received)| received),
            ),
            Source::Finalized(_) => (false, None),
        };
        response.replica = Some(pb::ReplicaStateProto {
            absent: None,
            being_written: Some(matches!(self.source, Source::Growing(_))),
            visible: Some(self.source.len()),
            restarted: Some(restarted),
            received,
        });
        response
    }

    /// Whether all that is to be sent is in memory.
    fn is_whole(&self) -> bool {
        !self.data.is_empty() && self.at + self.data.len() as u64 >= self.end
    }

    /// The packet that is in memory; an empty one behind the end of the range.
    fn packet(&self) -> (PacketHeader, &[u8], &[u8]) {
        let header = PacketHeader {
            offset: self.at,
            seqno: self.seqno,
            last: self.data.is_empty(),
            data_len: u32::try_from(self.data.len()).unwrap_or(u32::MAX),
            sync: false,
        };
        let sums = if self.checksums { self.sums.as_slice() } else { &[] };
        (header, sums, &self.data)
    }

    fn advance(&mut self, context: &Context<'_>) -> Result<(), Refusal> {
        self.at += self.data.len() as u64;
        self.seqno += 1;
        self.fill(context)
    }

    /// Reads and checks the next packet.
    fn fill(&mut self, context: &Context<'_>) -> Result<(), Refusal> {
        let len =
            usize::try_from((self.end - self.at.min(self.end)).min(self.packet_bytes)).unwrap_or_default();
        self.data.resize(len, 0);
        self.sums.resize(checksum::sums_len(len), 0);
        if len == 0 {
            return Ok(());
        }
        if let Source::Growing(open) = &self.source {
            match open
                .growing
                .read_verified(self.at, &mut self.data, &mut self.sums)
            {
                Ok(()) => return Ok(()),
                // Finalized meanwhile, or gone.
                Err(GrowingError::Ended(_)) => {
                    self.source = Source::Finalized(self::open(context, &self.block)?);
                }
                // Its writer will notice, or a recovery; it is not for a reader to end a write.
                Err(GrowingError::Read(error)) => {
                    return Err(refuse(pb::Status::Error, error.to_string()));
                }
            }
        }
        let Source::Finalized(replica) = &mut self.source else {
            return Ok(());
        };
        // The range may end within a unit when the replica was still written at its beginning.
        let end = self.at.saturating_add(len as u64);
        let whole = end.next_multiple_of(UNIT).min(replica.len());
        let whole = usize::try_from(whole.saturating_sub(self.at)).unwrap_or(usize::MAX);
        self.data.resize(whole, 0);
        self.sums.resize(checksum::sums_len(whole), 0);
        read_verified(
            context,
            &self.block,
            replica,
            self.at,
            &mut self.data,
            &mut self.sums,
        )?;
        if len < whole {
            self.data.truncate(len);
            self.sums.resize(checksum::sums_len(len), 0);
            checksum::compute(&self.data, &mut self.sums);
        }
        Ok(())
    }
}

/// Reads and checks a part of a finalized replica. One that seems corrupt is opened again and read again, to be sure, before
/// it is called so.
pub(super) fn read_verified(
    context: &Context<'_>,
    block: &Block,
    replica: &mut Replica,
    offset: u64,
    data: &mut [u8],
    sums: &mut [u8],
) -> Result<(), Refusal> {
    let Err(first) = replica.read_verified(offset, data, sums) else {
        return Ok(());
    };
    tracing::warn!(error = %first, "reading again, to be sure");
    let generation = replica.generation();
    let again = context.replicas.store.open_replica(block.chunk);
    let second = match again {
        Ok(again) if again.generation() == generation => {
            let read = again.read_verified(offset, data, sums);
            *replica = again;
            match read {
                Ok(()) => return Ok(()),
                Err(error) => OpenReplicaError::Read(error),
            }
        }
        // It was deleted or has moved on meanwhile: no wonder.
        Ok(_) => return Err(moved_on(block)),
        Err(error) => error,
    };
    Err(failed(context, block, &second))
}

/// Opens the replica that a request is about. One that seems corrupt is looked at twice.
pub(super) fn open(context: &Context<'_>, block: &Block) -> Result<Replica, Refusal> {
    let store = &context.replicas.store;
    let opened = store.open_replica(block.chunk).or_else(|error| match error {
        OpenReplicaError::Read(error) => {
            tracing::warn!(%error, "opening again, to be sure");
            store.open_replica(block.chunk)
        }
        other => Err(other),
    });
    let replica = opened.map_err(|error| failed(context, block, &error))?;
    if replica.generation() < block.generation {
        return Err(refuse(
            pb::Status::Error,
            format!(
                "chunk {} is here at generation {}, older than the {} that was asked for",
                block.chunk,
                replica.generation(),
                block.generation
            ),
        ));
    }
    Ok(replica)
}

/// What to say of a replica that can not be read; one that is corrupt is reported.
pub(super) fn failed(context: &Context<'_>, block: &Block, error: &OpenReplicaError) -> Refusal {
    let replicas = &context.replicas;
    match error {
        OpenReplicaError::Read(read @ (ReadError::Corrupt { .. } | ReadError::Io { .. })) => {
            let verdict = replicas.store.failed_read(block.chunk, read);
            replicas.judged(&verdict);
            let status = match verdict {
                Verdict::Corrupt { .. } => pb::Status::ErrorChecksum,
                _ => pb::Status::Error,
            };
            refuse(status, error.to_string())
        }
        OpenReplicaError::MarkedCorrupt { .. } => refuse(pb::Status::ErrorChecksum, error.to_string()),
        OpenReplicaError::Read(ReadError::Range { .. }) => invalid(error.to_string()),
        OpenReplicaError::Unknown(chunk) if replicas.writing.has(*chunk) => refuse(
            pb::Status::Error,
            format!("chunk {chunk} is still being written here"),
        ),
        OpenReplicaError::Unknown(_) => refuse(pb::Status::Error, error.to_string()),
    }
}

fn moved_on(block: &Block) -> Refusal {
    refuse(
        pb::Status::Error,
        format!("chunk {} has moved to another generation", block.chunk),
    )
}
