//! A client of the data plane, driven step by step.

use env::net::Network;
use transfer::pb::{self, BlockConstructionStage as Stage, Status};
use transfer::{Block, Node, Op, PacketHeader, PipelineAck, checksum, client_header};
use wire::{Packet, Reader, Writer};

use super::in_time;

pub(crate) const CLIENT: &str = "test-client";

/// Data of a packet.
pub(crate) const PACKET: usize = 64 << 10;

pub(crate) struct Connection {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
}

impl Connection {
    pub(crate) async fn to(node: &Node) -> Self {
        let stream = Network::real().connect(&node.address()).await.unwrap();
        let (reader, writer) = wire::split(stream);
        Self { reader, writer }
    }

    /// Sends a request and gives its answer.
    pub(crate) async fn ask(&mut self, op: Op) -> pb::BlockOpResponseProto {
        self.writer.write_op(&op).await.unwrap();
        in_time("a response", self.reader.read_response()).await.unwrap()
    }

    pub(crate) async fn read_packet(&mut self) -> Result<Packet, wire::Error> {
        let mut packet = Packet::new();
        in_time("a packet", self.reader.read_packet(&mut packet)).await?;
        Ok(packet)
    }
}

/// What a pipeline is set up for.
pub(crate) struct Setup {
    pub(crate) stage: Stage,
    pub(crate) generation: u64,
    pub(crate) acknowledged: usize,
    pub(crate) sent: usize,
}

impl Setup {
    pub(crate) fn create() -> Self {
        Self {
            stage: Stage::PipelineSetupCreate,
            generation: 0,
            acknowledged: 0,
            sent: 0,
        }
    }

    pub(crate) fn recovery(stage: Stage, generation: u64, acknowledged: usize, sent: usize) -> Self {
        Self {
            stage,
            generation,
            acknowledged,
            sent,
        }
    }
}

pub(crate) fn write_op(block: &Block, setup: &Setup, behind: &[Node]) -> Op {
    let mut op = pb::OpWriteBlockProto {
        header: client_header(block, CLIENT),
        targets: behind.iter().map(Into::into).collect(),
        pipeline_size: behind.len() as u32 + 1,
        min_bytes_rcvd: setup.acknowledged as u64,
        max_bytes_rcvd: setup.sent as u64,
        latest_generation_stamp: setup.generation,
        requested_checksum: pb::ChecksumProto::crc32c(),
        ..Default::default()
    };
    op.set_stage(setup.stage);
    Op::WriteBlock(Box::new(op))
}

/// A pipeline that is open.
pub(crate) struct Pipeline {
    pub(crate) connection: Connection,
    pub(crate) width: usize,
    seqno: i64,
}

impl Pipeline {
    pub(crate) async fn open(block: &Block, setup: &Setup, nodes: &[Node]) -> Self {
        Self::try_open(block, setup, nodes).await.unwrap()
    }

    pub(crate) async fn try_open(
        block: &Block,
        setup: &Setup,
        nodes: &[Node],
    ) -> Result<Self, transfer::Refusal> {
        let (first, behind) = nodes.split_first().unwrap();
        let mut connection = Connection::to(first).await;
        connection.ask(write_op(block, setup, behind)).await.accepted()?;
        Ok(Self {
            connection,
            width: nodes.len(),
            seqno: 0,
        })
    }

    /// Sends one packet with `data` for `offset`; gives its number.
    pub(crate) async fn send(&mut self, offset: usize, data: &[u8]) -> i64 {
        let mut sums = Vec::new();
        checksum::append(data, &mut sums);
        self.send_with(offset, data, &sums, false).await
    }

    pub(crate) async fn send_last(&mut self, offset: usize) -> i64 {
        self.send_with(offset, &[], &[], true).await
    }

    /// Asks for everything up to `offset` to be brought to the disk.
    pub(crate) async fn sync(&mut self, offset: usize) {
        let header = PacketHeader {
            offset: offset as u64,
            seqno: self.seqno,
            last: false,
            data_len: 0,
            sync: true,
        };
        self.connection
            .writer
            .write_packet(&header, &[], &[])
            .await
            .unwrap();
        self.seqno += 1;
        assert_eq!(
            self.ack().await,
            PipelineAck::new(header.seqno, vec![Status::Success; self.width])
        );
    }

    pub(crate) async fn send_with(&mut self, offset: usize, data: &[u8], sums: &[u8], last: bool) -> i64 {
        let header = PacketHeader {
            offset: offset as u64,
            seqno: self.seqno,
            last,
            data_len: data.len() as u32,
            sync: false,
        };
        self.connection
            .writer
            .write_packet(&header, sums, data)
            .await
            .unwrap();
        self.seqno += 1;
        header.seqno
    }

    pub(crate) async fn ack(&mut self) -> PipelineAck {
        in_time("an ack", self.connection.reader.read_ack())
            .await
            .unwrap()
    }

    /// Sends `data[from..]` in packets, each of which all datanodes acknowledge.
    pub(crate) async fn write(&mut self, data: &[u8], from: usize) {
        let mut at = from - from % 512;
        while at < data.len() {
            let end = (at + PACKET).min(data.len());
            let seqno = self.send(at, &data[at..end]).await;
            assert_eq!(
                self.ack().await,
                PipelineAck::new(seqno, vec![Status::Success; self.width])
            );
            at = end;
        }
    }

    pub(crate) async fn finish(&mut self, len: usize) {
        let seqno = self.send_last(len).await;
        assert_eq!(
            self.ack().await,
            PipelineAck::new(seqno, vec![Status::Success; self.width])
        );
    }
}

/// Writes a chunk as our own programs write a small one: in one packet, which is the last, on a connection that goes on.
pub(crate) async fn put_at_once(connection: &mut Connection, block: &Block, nodes: &[Node], data: &[u8]) {
    let mut op = write_op(block, &Setup::create(), &nodes[1..]);
    if let Op::WriteBlock(op) = &mut op {
        op.header.client_name = "distrifs-test".to_owned();
    }
    connection.ask(op).await.accepted().unwrap();
    let mut sums = Vec::new();
    checksum::append(data, &mut sums);
    let header = PacketHeader {
        offset: 0,
        seqno: 0,
        last: true,
        data_len: data.len() as u32,
        sync: false,
    };
    connection
        .writer
        .write_packet(&header, &sums, data)
        .await
        .unwrap();
    let ack = in_time("an ack", connection.reader.read_ack()).await.unwrap();
    assert_eq!(ack, PipelineAck::new(0, vec![Status::Success; nodes.len()]));
}

/// Writes a whole chunk.
pub(crate) async fn put(block: &Block, nodes: &[Node], data: &[u8]) {
    let mut pipeline = Pipeline::open(block, &Setup::create(), nodes).await;
    pipeline.write(data, 0).await;
    pipeline.finish(data.len()).await;
}

pub(crate) fn read_op(block: &Block, offset: usize, len: usize) -> Op {
    Op::ReadBlock(pb::OpReadBlockProto {
        header: client_header(block, CLIENT),
        offset: offset as u64,
        len: len as u64,
        send_checksums: None,
        caching_strategy: None,
    })
}

/// Reads a range on an open connection, checks everything, and says that all was well.
pub(crate) async fn read(connection: &mut Connection, block: &Block, offset: usize, len: usize) -> Vec<u8> {
    let response = connection
        .ask(read_op(block, offset, len))
        .await
        .accepted()
        .unwrap();
    let first = response.read_op_checksum_info.unwrap().chunk_offset as usize;
    assert_eq!(first, offset - offset % 512);
    let mut got = Vec::new();
    loop {
        let packet = connection.read_packet().await.unwrap();
        packet.verify().unwrap();
        assert_eq!(packet.header().offset as usize, first + got.len());
        got.extend_from_slice(packet.data());
        if packet.header().last {
            break;
        }
    }
    let done = pb::ClientReadStatusProto::of(Status::ChecksumOk);
    connection.writer.write_message(&done).await.unwrap();
    got[offset - first..][..len].to_vec()
}

pub(crate) async fn get(node: &Node, block: &Block, len: usize) -> Vec<u8> {
    read(&mut Connection::to(node).await, block, 0, len).await
}

/// What a datanode shows of a replica to one who wants no bytes of it.
pub(crate) async fn shown(node: &Node, block: &Block) -> pb::ReplicaStateProto {
    let mut connection = Connection::to(node).await;
    let response = connection.ask(read_op(block, 0, 0)).await;
    response.replica.unwrap_or_default()
}
