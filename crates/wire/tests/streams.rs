//! Readers and writers against each other, over pipes of all widths and over TCP.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test; the lints know only of functions that are marked as tests"
)]

use std::io;

use proptest::prelude::*;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use transfer::{Op, PacketHeader, PipelineAck, checksum, encode_frame, encode_message, pb};
use wire::{Error, Packet, Reader, Writer};

fn read_op() -> Op {
    let block = pb::ExtendedBlockProto {
        pool_id: "BP-1".into(),
        block_id: 7,
        ..Default::default()
    };
    let base_header = pb::BaseHeaderProto {
        block,
        ..Default::default()
    };
    let header = pb::ClientOperationHeaderProto {
        base_header,
        client_name: "a client".into(),
    };
    Op::ReadBlock(pb::OpReadBlockProto {
        header,
        offset: 1,
        len: 2,
        ..Default::default()
    })
}

/// A packet with `len` bytes of data and their sums.
fn packet(seqno: i64, len: usize) -> (PacketHeader, Vec<u8>, Vec<u8>) {
    let data: Vec<u8> = (0..len).map(|at| (at as i64 + seqno) as u8).collect();
    let mut sums = Vec::new();
    checksum::append(&data, &mut sums);
    (
        PacketHeader {
            offset: 0,
            seqno,
            last: len == 0,
            data_len: len as u32,
            sync: false,
        },
        sums,
        data,
    )
}

fn frame(seqno: i64, len: usize) -> Vec<u8> {
    let (header, sums, data) = packet(seqno, len);
    let mut frame = Vec::new();
    encode_frame(&header, &sums, &data, &mut frame);
    frame
}

fn is(received: &Packet, seqno: i64, len: usize) {
    let (header, sums, data) = packet(seqno, len);
    assert_eq!(received.header(), &header);
    assert!(received.sums() == sums && received.data() == data && received.wire() == frame(seqno, len));
    assert_eq!(received.verify(), Ok(()));
}

/// What is written in the tests below, in this order.
#[derive(Debug, Clone)]
enum Item {
    Op,
    Response,
    Ack(Vec<bool>),
    Status,
    Packet(usize),
    Forwarded(usize),
    OpWithPacket(usize),
    OpWithFrame(usize),
    ResponseWithPacket(usize),
}

async fn write(writer: &mut Writer<DuplexStream>, seqno: i64, item: &Item) -> io::Result<()> {
    match item {
        Item::Op => writer.write_op(&read_op()).await,
        Item::Response => {
            writer
                .write_response(&pb::BlockOpResponseProto::reading_from(512))
                .await
        }
        Item::Ack(replies) => writer.write_ack(&ack(seqno, replies)).await,
        Item::Status => {
            writer
                .write_message(&pb::ClientReadStatusProto::of(pb::Status::ChecksumOk))
                .await
        }
        Item::Packet(len) => {
            let (header, sums, data) = packet(seqno, *len);
            writer.write_packet(&header, &sums, &data).await
        }
        Item::Forwarded(len) => writer.write_frame(&frame(seqno, *len)).await,
        Item::OpWithPacket(len) => {
            let (header, sums, data) = packet(seqno, *len);
            writer
                .write_op_with_packet(&read_op(), &header, &sums, &data)
                .await
        }
        Item::OpWithFrame(len) => writer.write_op_with_frame(&read_op(), &frame(seqno, *len)).await,
        Item::ResponseWithPacket(len) => {
            let (header, sums, data) = packet(seqno, *len);
            let response = pb::BlockOpResponseProto::reading_from(512);
            writer
                .write_response_with_packet(&response, &header, &sums, &data)
                .await
        }
    }
}

fn ack(seqno: i64, replies: &[bool]) -> PipelineAck {
    let status = |&good: &bool| {
        if good {
            pb::Status::Success
        } else {
            pb::Status::ErrorChecksum
        }
    };
    PipelineAck::new(seqno, replies.iter().map(status).collect())
}

async fn read(reader: &mut Reader<DuplexStream>, received: &mut Packet, seqno: i64, item: &Item) {
    match item {
        Item::Op => assert_eq!(reader.read_op().await.unwrap(), Some(read_op())),
        Item::Response => {
            assert_eq!(
                reader.read_response().await.unwrap(),
                pb::BlockOpResponseProto::reading_from(512)
            );
        }
        Item::Ack(replies) => assert_eq!(reader.read_ack().await.unwrap(), ack(seqno, replies)),
        Item::Status => {
            let status: pb::ClientReadStatusProto = reader.read_message().await.unwrap();
            assert_eq!(status.status(), pb::Status::ChecksumOk);
        }
        Item::Packet(len) | Item::Forwarded(len) => {
            reader.read_packet(received).await.unwrap();
            is(received, seqno, *len);
        }
        Item::OpWithPacket(len) | Item::OpWithFrame(len) => {
            assert_eq!(reader.read_op().await.unwrap(), Some(read_op()));
            reader.read_packet(received).await.unwrap();
            is(received, seqno, *len);
        }
        Item::ResponseWithPacket(len) => {
            reader.read_response().await.unwrap();
            reader.read_packet(received).await.unwrap();
            is(received, seqno, *len);
        }
    }
}

fn item() -> impl Strategy<Value = Item> {
    let len = prop_oneof![4 => 0..2_000usize, 1 => 60_000..80_000usize];
    prop_oneof![
        Just(Item::Op),
        Just(Item::Response),
        prop::collection::vec(any::<bool>(), 1..4).prop_map(Item::Ack),
        Just(Item::Status),
        len.clone().prop_map(Item::Packet),
        len.clone().prop_map(Item::Forwarded),
        len.clone().prop_map(Item::OpWithPacket),
        len.clone().prop_map(Item::OpWithFrame),
        len.prop_map(Item::ResponseWithPacket),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever follows whatever, and however few bytes come at a time.
    #[test]
    fn everything_arrives_as_it_was_sent(
        items in prop::collection::vec(item(), 1..12), width in prop_oneof![1..40usize, 1_000..200_000usize],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (near, far) = duplex(width);
            let (mut writer, mut reader) = (Writer::new(near), Reader::new(far));
            let writing = async {
                for (seqno, item) in (0..).zip(&items) {
                    write(&mut writer, seqno, item).await.unwrap();
                }
                writer.shutdown().await.unwrap();
            };
            let reading = async {
                let mut packet = Packet::new();
                for (seqno, item) in (0..).zip(&items) {
                    read(&mut reader, &mut packet, seqno, item).await;
                }
                assert_eq!(reader.read_op().await.unwrap(), None);
            };
            tokio::join!(writing, reading);
        });
    }
}

#[tokio::test]
async fn what_arrives_together_is_read_apart() {
    let mut bytes = Vec::new();
    read_op().encode(&mut bytes);
    for (seqno, len) in [(0, 3_000), (1, 10), (2, 0)] {
        bytes.extend(frame(seqno, len));
    }
    encode_message(&ack(2, &[true]), &mut bytes);
    let mut reader = Reader::new(&bytes[..]);
    assert_eq!(reader.read_op().await.unwrap(), Some(read_op()));
    let mut packet = Packet::new();
    for (seqno, len) in [(0, 3_000), (1, 10), (2, 0)] {
        reader.read_packet(&mut packet).await.unwrap();
        is(&packet, seqno, len);
    }
    assert!(reader.read_ack().await.unwrap().is_success());
    assert_eq!(reader.read_op().await.unwrap(), None);
}

#[tokio::test]
async fn the_end_of_a_connection_is_clean_only_before_a_request() {
    assert_eq!(Reader::new(&[][..]).read_op().await.unwrap(), None);
    let mut request = Vec::new();
    read_op().encode(&mut request);
    let cut = Reader::new(&request[..request.len() - 1]).read_op().await;
    assert!(matches!(cut, Err(Error::Closed { received, .. }) if received == request.len() - 1));
    assert!(matches!(
        Reader::new(&[][..]).read_ack().await,
        Err(Error::Closed { received: 0, .. })
    ));
    let frame = frame(0, 700);
    let cut = Reader::new(&frame[..600]).read_packet(&mut Packet::new()).await;
    assert!(matches!(cut, Err(Error::Closed { received: 600, .. })));
}

#[tokio::test]
async fn another_protocol_is_refused() {
    let refused = Reader::new(&b"GET / HTTP/1.1\r\n"[..]).read_op().await;
    assert!(matches!(refused, Err(Error::Malformed(_))));
    let refused = Reader::new(&[0xff; 100][..])
        .read_packet(&mut Packet::new())
        .await;
    assert!(matches!(refused, Err(Error::Malformed(_))));
}

#[tokio::test]
async fn a_read_that_is_given_up_loses_nothing() {
    let (mut near, far) = duplex(1 << 20);
    let mut reader = Reader::new(far);
    let mut packet = Packet::new();
    for part in frame(5, 100_000).chunks(9_000) {
        tokio::select! {
            biased;
            done = reader.read_packet(&mut packet) => panic!("too early: {done:?}"),
            () = tokio::task::yield_now() => {}
        }
        near.write_all(part).await.unwrap();
    }
    reader.read_packet(&mut packet).await.unwrap();
    is(&packet, 5, 100_000);
}

/// In the steady state two buffers go round, one with the reader and one with the packet.
#[tokio::test]
async fn a_stream_of_packets_needs_two_buffers() {
    let bytes: Vec<u8> = (0..20).flat_map(|seqno| frame(seqno, 50_000)).collect();
    let mut reader = Reader::new(&bytes[..]);
    let mut packet = Packet::new();
    let mut addresses = Vec::new();
    for seqno in 0..20 {
        reader.read_packet(&mut packet).await.unwrap();
        is(&packet, seqno, 50_000);
        addresses.push(packet.wire().as_ptr());
    }
    let mut steady: Vec<_> = addresses.iter().skip(4).collect();
    steady.sort();
    steady.dedup();
    assert_eq!(steady.len(), 2);
}

#[tokio::test]
async fn large_packets_pass_through_a_relay_over_tcp() {
    const PACKETS: i64 = 8;
    const LEN: usize = 1 << 20;
    let network = env::net::Network::real();
    let listener = network.listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();

    let (_, mut to_relay) = wire::split(network.connect(&address).await.unwrap());
    let (mut from_source, _) = wire::split(listener.accept().await.unwrap().0);
    let (_, mut to_sink) = wire::split(network.connect(&address).await.unwrap());
    let (mut from_relay, _) = wire::split(listener.accept().await.unwrap().0);

    let source = async {
        for seqno in 0..PACKETS {
            let (header, sums, data) = packet(seqno, LEN);
            to_relay.write_packet(&header, &sums, &data).await.unwrap();
        }
    };
    let relay = async {
        let mut packet = Packet::new();
        for _ in 0..PACKETS {
            from_source.read_packet(&mut packet).await.unwrap();
            to_sink.write_frame(packet.wire()).await.unwrap();
        }
    };
    let sink = async {
        let mut packet = Packet::new();
        for seqno in 0..PACKETS {
            from_relay.read_packet(&mut packet).await.unwrap();
            is(&packet, seqno, LEN);
        }
    };
    tokio::join!(source, relay, sink);
}
