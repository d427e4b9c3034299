//! Reading a range of one replica: one request on one connection.
//!
//! # Guarantees
//! Every byte that comes out was checked against its CRC32C, is at the offset that was asked for, and there is no hole and
//! no repetition: a packet that is not where the last one ended is refused.

use std::ops::Range;
use std::time::Duration;

use tokio::time::timeout;
use transfer::{Block, Node, Op, pb};
use types::limits::CHECKSUM_UNIT_BYTES;

use crate::dataplane::{Connection, DataPlane};

/// Why a replica is of no use.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Its bytes are not what was written.
    Corrupt(String),
    /// It can not be read, for whatever reason; nothing is known of its bytes.
    Dead(String),
}

impl Fault {
    pub(crate) fn why(&self) -> &str {
        match self {
            Self::Corrupt(why) | Self::Dead(why) => why,
        }
    }
}

pub(crate) struct BlockReader {
    connection: Connection,
    address: String,
    /// Where the next packet begins.
    next: u64,
    /// What is still wanted.
    wanted: Range<u64>,
}

impl BlockReader {
    /// Asks `node` for the bytes `range` of `block`.
    pub(crate) async fn open(
        plane: &DataPlane,
        node: &Node,
        block: &Block,
        range: Range<u64>,
    ) -> Result<Self, Fault> {
        let address = node.address();
        let op = Op::ReadBlock(pb::OpReadBlockProto {
            header: plane.header(block),
            offset: range.start,
            len: range.end - range.start,
            send_checksums: Some(true),
            caching_strategy: None,
        });
        // A connection that was kept may have been closed meanwhile: that says nothing of the replica.
        while let Some(mut connection) = plane.idle(&address) {
            match ask(plane, &mut connection, &op).await {
                Ok(response) => return Self::begin(connection, address, response, range),
                Err(Silence::Closed(_)) => {}
                Err(silence) => return Err(silence.into()),
            }
        }
        let mut connection = plane.connect(&address).await.map_err(Fault::Dead)?;
        let response = ask(plane, &mut connection, &op).await?;
        Self::begin(connection, address, response, range)
    }

    fn begin(
        connection: Connection,
        address: String,
        response: pb::BlockOpResponseProto,
        wanted: Range<u64>,
    ) -> Result<Self, Fault> {
        let response = response.accepted().map_err(|refusal| match refusal.status {
            pb::Status::ErrorChecksum => Fault::Corrupt(refusal.to_string()),
            _ => Fault::Dead(refusal.to_string()),
        })?;
        let info = response
            .read_op_checksum_info
            .ok_or_else(|| Fault::Dead("it answers without checksums".into()))?;
        if !info.checksum.is_crc32c() {
            return Err(Fault::Dead("its checksums are not CRC32C of 512 bytes".into()));
        }
        let unit = u64::from(CHECKSUM_UNIT_BYTES);
        if info.chunk_offset != wanted.start - wanted.start % unit {
            return Err(Fault::Dead(format!(
                "it begins at byte {} instead of {}",
                info.chunk_offset, wanted.start
            )));
        }
        Ok(Self {
            connection,
            address,
            next: info.chunk_offset,
            wanted,
        })
    }

    /// The next bytes that were asked for, as a part of the data of `packet`; none when all were read.
    pub(crate) async fn read(
        &mut self,
        plane: &DataPlane,
        packet: &mut wire::Packet,
    ) -> Result<Option<Range<usize>>, Fault> {
        while !self.wanted.is_empty() {
            self.receive(plane, packet).await?;
            let header = *packet.header();
            if header.is_heartbeat() {
                continue;
            }
            if header.last {
                return Err(Fault::Dead(format!(
                    "it ends at byte {} of the chunk, {} is wanted",
                    self.next, self.wanted.end
                )));
            }
            if header.offset != self.next || header.data_len == 0 {
                return Err(Fault::Dead(format!(
                    "it sends {} bytes at {}, byte {} is next",
                    header.data_len, header.offset, self.next
                )));
            }
            packet.verify().map_err(|mismatch| {
                Fault::Corrupt(format!(
                    "{mismatch} of the packet at byte {} of the chunk",
                    header.offset
                ))
            })?;
            self.next = header.end();
            let (from, to) = (
                self.wanted.start.max(header.offset),
                self.wanted.end.min(header.end()),
            );
            if from < to {
                self.wanted.start = to;
                let within = |at: u64| usize::try_from(at - header.offset).unwrap_or(usize::MAX);
                return Ok(Some(within(from)..within(to)));
            }
        }
        Ok(None)
    }

    async fn receive(&mut self, plane: &DataPlane, packet: &mut wire::Packet) -> Result<(), Fault> {
        let limit = plane.timeouts.read_stall;
        match timeout(limit, self.connection.reader.read_packet(packet)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Fault::Dead(error.to_string())),
            Err(_) => Err(Fault::Dead(format!(
                "it sent nothing for {}",
                types::format_duration(limit)
            ))),
        }
    }

    /// All was read: says so, and keeps the connection for the next request. Whether that works changes nothing.
    pub(crate) async fn finish(mut self, plane: &DataPlane, packet: &mut wire::Packet) {
        let end = async {
            self.receive(plane, packet)
                .await
                .ok()
                .filter(|()| packet.header().last)?;
            let status = pb::ClientReadStatusProto::of(pb::Status::ChecksumOk);
            self.connection.writer.write_message(&status).await.ok()
        };
        if end.await.is_some() {
            plane.keep(&self.address, self.connection);
        }
    }
}

/// A request without an answer.
enum Silence {
    Closed(wire::Error),
    Stalled(Duration),
}

impl From<Silence> for Fault {
    fn from(silence: Silence) -> Self {
        Self::Dead(match silence {
            Silence::Closed(error) => error.to_string(),
            Silence::Stalled(limit) => format!("no answer within {}", types::format_duration(limit)),
        })
    }
}

async fn ask(
    plane: &DataPlane,
    connection: &mut Connection,
    op: &Op,
) -> Result<pb::BlockOpResponseProto, Silence> {
    let limit = plane.timeouts.read_stall;
    let answer = async {
        connection.writer.write_op(op).await?;
        connection.reader.read_response().await
    };
    match timeout(limit, answer).await {
        Ok(answer) => answer.map_err(Silence::Closed),
        Err(_) => Err(Silence::Stalled(limit)),
    }
}
