//! Conversations that were recorded from Apache HDFS and its clients, decoded and encoded again.
//!
//! How they were recorded is told in `golden/README.md`. Every byte of them is accounted for. Encoding what was decoded
//! gives back the recorded bytes exactly, for requests, responses, packets and acks, of Hadoop's own Java code as well as of
//! hdfs-native.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test; the lints know only of functions that are marked as tests"
)]

use std::path::Path;

use transfer::{
    Block, Frame, Message, Op, Opcode, PacketHeader, PipelineAck, Progress, checksum, decode_message,
    encode_frame, encode_message, pb,
};

/// One direction of a connection, and how far it has been read.
struct Stream {
    bytes: Vec<u8>,
    at: usize,
}

/// A packet, out of its buffer.
struct Packet {
    header: PacketHeader,
    data: Vec<u8>,
}

impl Stream {
    fn open(conversation: &str, direction: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let bytes = std::fs::read(folder.join(format!("{conversation}.{direction}"))).unwrap();
        Self { bytes, at: 0 }
    }

    fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Decodes what comes next, and sees to it that it is encoded as it was recorded.
    fn next<T>(
        &mut self,
        decode: impl Fn(&[u8]) -> Result<Progress<T>, transfer::DecodeError>,
        encode: impl Fn(&T, &mut Vec<u8>),
    ) -> T {
        let rest = &self.bytes[self.at..];
        let Progress::Complete(value, used) = decode(rest).unwrap() else {
            panic!("the recording ends in the middle, at byte {}", self.at);
        };
        for cut in (0..used).step_by(used.div_ceil(500)) {
            match decode(&rest[..cut]).unwrap() {
                Progress::Incomplete { needed } => assert!(cut < needed && needed <= used, "{cut} of {used}"),
                Progress::Complete(..) => panic!("complete after {cut} of {used} bytes"),
            }
        }
        let mut encoded = Vec::new();
        encode(&value, &mut encoded);
        assert!(
            encoded == rest[..used],
            "at byte {}: encoded otherwise than recorded",
            self.at
        );
        self.at += used;
        value
    }

    fn op(&mut self) -> Op {
        self.next(Op::decode, Op::encode)
    }

    fn message<M: Message>(&mut self) -> M {
        self.next(decode_message::<M>, encode_message::<M>)
    }

    fn packet(&mut self) -> Packet {
        let decode = |bytes: &[u8]| {
            Frame::decode(bytes).map(|progress| {
                progress.map(|frame| (frame.header, frame.sums.to_vec(), frame.data.to_vec()))
            })
        };
        let (header, sums, data) = self.next(decode, |(header, sums, data), out| {
            encode_frame(header, sums, data, out)
        });
        assert_eq!(checksum::verify(&data, &sums), Ok(()));
        let mut computed = Vec::new();
        checksum::append(&data, &mut computed);
        assert_eq!(computed, sums);
        Packet { header, data }
    }

    /// Packets up to and with the last one.
    fn packets(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        loop {
            packets.push(self.packet());
            if packets.last().unwrap().header.last {
                return packets;
            }
        }
    }
}

/// A write as it was recorded at one hop of its pipeline.
struct Write {
    op: Box<pb::OpWriteBlockProto>,
    packets: Vec<Packet>,
    acks: Vec<PipelineAck>,
}

impl Write {
    fn recorded(conversation: &str) -> Self {
        let mut requests = Stream::open(conversation, "requests");
        let Op::WriteBlock(op) = requests.op() else {
            panic!("another request")
        };
        let packets = requests.packets();
        assert!(requests.is_at_end());

        let mut answers = Stream::open(conversation, "answers");
        let response = answers.message::<pb::BlockOpResponseProto>().accepted().unwrap();
        assert_eq!(response.first_bad_link.as_deref(), Some(""), "there, and empty");
        let acks: Vec<_> = packets.iter().map(|_| answers.message::<PipelineAck>()).collect();
        assert!(answers.is_at_end());
        Self { op, packets, acks }
    }

    fn data(&self) -> Vec<u8> {
        self.packets
            .iter()
            .flat_map(|packet| packet.data.iter().copied())
            .collect()
    }

    /// (offset, length) of each packet.
    fn extents(&self) -> Vec<(u64, u32)> {
        self.packets
            .iter()
            .map(|packet| (packet.header.offset, packet.header.data_len))
            .collect()
    }

    fn stage(&self) -> pb::BlockConstructionStage {
        self.op.stage()
    }
}

/// What must hold at every hop of a pipeline with `behind` datanodes behind it.
fn check_hop(write: &Write, behind: usize) {
    assert_eq!(write.op.targets.len(), behind);
    assert!(write.op.requested_checksum.is_crc32c());
    let block = Block::try_from(&write.op.header.base_header.block).unwrap();
    assert!(block.pool.as_str().starts_with("BP-"));
    for (number, (packet, ack)) in std::iter::zip(&write.packets, &write.acks).enumerate() {
        assert_eq!(packet.header.seqno, i64::try_from(number).unwrap());
        assert_eq!(ack.seqno, packet.header.seqno);
        assert_eq!(
            ack.replies,
            vec![pb::Status::Success; behind + 1],
            "one for each datanode from here on"
        );
        assert_eq!(ack.flags, vec![0; behind + 1]);
        assert_eq!(ack.first_failure(), None);
    }
    let last = write.packets.last().unwrap();
    assert!(last.header.last && last.data.is_empty());
}

/// The hops of one pipeline, checked one by one and against each other.
fn pipeline(name: &str, hops: usize) -> Vec<Write> {
    let writes: Vec<_> = (1..=hops)
        .map(|hop| Write::recorded(&format!("{name}.hop{hop}")))
        .collect();
    for (write, behind) in std::iter::zip(&writes, (0..hops).rev()) {
        check_hop(write, behind);
        assert_eq!(write.data(), writes[0].data());
        assert_eq!(write.extents(), writes[0].extents());
        assert_eq!(write.op.header, writes[0].op.header);
    }
    writes
}

#[test]
fn a_write_passes_through_three_datanodes() {
    let writes = pipeline("write-small", 3);
    assert_eq!(writes[0].extents(), [(0, 300), (300, 0)]);
    assert_eq!(writes[0].stage(), pb::BlockConstructionStage::PipelineSetupCreate);
}

#[test]
fn a_write_of_several_packets() {
    let write = Write::recorded("write-packets.hop1");
    check_hop(&write, 2);
    assert_eq!(write.extents(), [(0, 64_512), (64_512, 5_488), (70_000, 0)]);
    assert_eq!(write.data(), vec![b'x'; 70_000]);
}

#[test]
fn hsync_is_a_flag_of_a_packet() {
    let writes = pipeline("write-synced", 2);
    let sync: Vec<_> = writes[0]
        .packets
        .iter()
        .map(|packet| packet.header.sync)
        .collect();
    assert_eq!(sync, [true, false, false, true]);
    assert_eq!(
        writes[0].extents(),
        [(0, 300), (300, 212), (512, 1_788), (2_300, 0)]
    );
}

#[test]
fn an_append_first_fills_the_open_unit() {
    let writes = pipeline("append", 3);
    assert_eq!(writes[0].stage(), pb::BlockConstructionStage::PipelineSetupAppend);
    assert_eq!(writes[0].extents(), [(300, 212), (512, 488), (1_000, 0)]);
    // hdfs-native asks for no new generation; it says what the datanodes have, and nothing else would be accepted.
    let op = &writes[0].op;
    assert_eq!(
        op.latest_generation_stamp,
        op.header.base_header.block.generation_stamp
    );
    assert_eq!((op.min_bytes_rcvd, op.max_bytes_rcvd), (300, 300));
}

#[test]
fn a_copy_between_datanodes_has_a_source_and_no_client() {
    let mut requests = Stream::open("copy-between-datanodes", "requests");
    let Op::WriteBlock(op) = requests.op() else {
        panic!("another request")
    };
    assert!(op.source.is_some());
    assert_eq!(op.header.client_name, "");
    assert_eq!(op.stage(), pb::BlockConstructionStage::PipelineSetupCreate);
    let packets = requests.packets();
    assert_eq!(packets[0].data, Write::recorded("write-small.hop1").data());
    assert!(requests.is_at_end());
}

/// A read as it was recorded: the request, the response, the data from where the response says.
fn read(requests: &mut Stream, answers: &mut Stream) -> (pb::OpReadBlockProto, u64, Vec<u8>) {
    let Op::ReadBlock(op) = requests.op() else {
        panic!("another request")
    };
    let response = answers.message::<pb::BlockOpResponseProto>().accepted().unwrap();
    let info = response.read_op_checksum_info.unwrap();
    assert!(info.checksum.is_crc32c());
    let packets = answers.packets();
    assert!(packets.last().unwrap().data.is_empty());
    let end = requests.message::<pb::ClientReadStatusProto>();
    assert_eq!(end.status(), pb::Status::ChecksumOk);
    let mut offset = info.chunk_offset;
    for packet in &packets {
        assert_eq!(packet.header.offset, offset);
        offset = packet.header.end();
    }
    (
        op,
        info.chunk_offset,
        packets.into_iter().flat_map(|packet| packet.data).collect(),
    )
}

#[test]
fn a_read_of_several_packets() {
    let (mut requests, mut answers) = (
        Stream::open("read-packets", "requests"),
        Stream::open("read-packets", "answers"),
    );
    let (op, from, data) = read(&mut requests, &mut answers);
    assert_eq!((op.offset, op.len, from), (0, 70_000, 0));
    assert_eq!(data, vec![b'x'; 70_000]);
    assert!(requests.is_at_end() && answers.is_at_end());
}

#[test]
fn reads_begin_at_a_unit_and_follow_each_other_on_a_connection() {
    let (mut requests, mut answers) = (
        Stream::open("read-ranges", "requests"),
        Stream::open("read-ranges", "answers"),
    );
    let written = Write::recorded("write-small.hop1").data();
    let appended = Write::recorded("append.hop1").data();

    let (op, from, data) = read(&mut requests, &mut answers);
    assert_eq!((op.offset, op.len, from), (0, 300, 0));
    assert_eq!(data, written);

    let (op, from, data) = read(&mut requests, &mut answers);
    assert_eq!((op.offset, op.len, from), (1_000, 3_000, 512));
    assert_eq!(data.len(), 4_096 - 512, "whole units");

    let (op, from, data) = read(&mut requests, &mut answers);
    assert_eq!((op.offset, op.len, from), (0, 1_000, 0));
    assert_eq!(data, [written, appended].concat());
    assert!(requests.is_at_end() && answers.is_at_end());
}

#[test]
fn a_checksum_is_an_md5_of_the_sums() {
    let (mut requests, mut answers) = (
        Stream::open("checksum", "requests"),
        Stream::open("checksum", "answers"),
    );
    let op = requests.op();
    assert_eq!(op.opcode(), Opcode::BlockChecksum);
    assert_eq!(op.block().unwrap().num_bytes(), 150_000);
    let response = answers.message::<pb::BlockOpResponseProto>().accepted().unwrap();
    assert_eq!(response.composite_crc_value(), None, "2.7 knows only MD5");
    let checksum = response.checksum_response.unwrap();
    assert_eq!((checksum.bytes_per_crc, checksum.crc_per_block), (512, 293));
    assert_eq!(checksum.block_checksum.len(), 16);
    assert!(requests.is_at_end() && answers.is_at_end());
}
