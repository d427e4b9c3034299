//! Every kind of message there and back, cut off at every byte, and against bytes that are none.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test; the lints know only of functions that are marked as tests"
)]

use proptest::prelude::*;
use prost::Message as _;
use transfer::{
    ACK_BYTES_MAX, DecodeError, Frame, FrameLayout, FramePrefix, Message, OP_BYTES_MAX, Op, Opcode,
    PACKET_HEADER_BYTES_MAX, PacketHeader, PipelineAck, Progress, RESPONSE_BYTES_MAX, decode_message,
    encode_frame, encode_message, pb,
};
use types::limits::PACKET_DATA_BYTES_MAX;

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..12)
}

prop_compose! {
    fn block()(pool_id in text(), block_id: u64, generation_stamp: u64, num_bytes: Option<u64>)
        -> pb::ExtendedBlockProto
    {
        pb::ExtendedBlockProto { pool_id, block_id, generation_stamp, num_bytes }
    }
}

prop_compose! {
    fn token()(identifier in bytes(), password in bytes(), kind in text(), service in text()) -> pb::TokenProto {
        pb::TokenProto { identifier, password, kind, service }
    }
}

prop_compose! {
    fn trace()(trace_id: Option<u64>, parent_id: Option<u64>, span_context in prop::option::of(bytes()))
        -> pb::DataTransferTraceInfoProto
    {
        pb::DataTransferTraceInfoProto { trace_id, parent_id, span_context }
    }
}

prop_compose! {
    fn base_header()(
        block in block().boxed(), token in prop::option::of(token().boxed()), trace_info in prop::option::of(trace().boxed()),
    ) -> pb::BaseHeaderProto {
        pb::BaseHeaderProto { block, token, trace_info }
    }
}

prop_compose! {
    fn client_header()(base_header in base_header().boxed(), client_name in text()) -> pb::ClientOperationHeaderProto {
        pb::ClientOperationHeaderProto { base_header, client_name }
    }
}

prop_compose! {
    fn datanode()(
        (ip_addr, host_name, datanode_uuid) in (text(), text(), text()),
        ports: (u32, u32, u32), capacity: Option<u64>, location in prop::option::of(text()),
        admin_state in prop::option::of(0..5i32),
    ) -> pb::DatanodeInfoProto {
        let id = pb::DatanodeIdProto {
            ip_addr, host_name, datanode_uuid,
            xfer_port: ports.0, info_port: ports.1, ipc_port: ports.2, info_secure_port: None,
        };
        pb::DatanodeInfoProto { id, capacity, location, admin_state, ..Default::default() }
    }
}

prop_compose! {
    fn checksum()(kind in 0..3i32, bytes_per_checksum: u32) -> pb::ChecksumProto {
        pb::ChecksumProto { r#type: kind, bytes_per_checksum }
    }
}

fn caching() -> impl Strategy<Value = Option<pb::CachingStrategyProto>> {
    any::<Option<(Option<bool>, Option<i64>)>>().prop_map(|strategy| {
        strategy.map(|(drop_behind, readahead)| pb::CachingStrategyProto {
            drop_behind,
            readahead,
        })
    })
}

fn storage_type() -> impl Strategy<Value = i32> {
    1..7i32
}

prop_compose! {
    fn write_block()(
        header in client_header().boxed(), targets in prop::collection::vec(datanode().boxed(), 0..4),
        source in prop::option::of(datanode().boxed()), stage in 0..9i32,
        numbers: (u32, u64, u64, u64), requested_checksum in checksum().boxed(), caching_strategy in caching(),
        storage_type in prop::option::of(storage_type()),
        target_storage_types in prop::collection::vec(storage_type(), 0..4),
        flags: (Option<bool>, Option<bool>, Vec<bool>), storage_id in prop::option::of(text()),
        target_storage_ids in prop::collection::vec(text(), 0..4),
    ) -> Op {
        Op::WriteBlock(Box::new(pb::OpWriteBlockProto {
            header, targets, source, stage,
            pipeline_size: numbers.0, min_bytes_rcvd: numbers.1, max_bytes_rcvd: numbers.2,
            latest_generation_stamp: numbers.3,
            requested_checksum, caching_strategy, storage_type, target_storage_types,
            allow_lazy_persist: flags.0, pinning: flags.1, target_pinnings: flags.2,
            storage_id, target_storage_ids,
        }))
    }
}

prop_compose! {
    fn slot()(hi: i64, lo: i64, slot_idx: i32) -> pb::ShortCircuitShmSlotProto {
        pb::ShortCircuitShmSlotProto { shm_id: pb::ShortCircuitShmIdProto { hi, lo }, slot_idx }
    }
}

fn op() -> impl Strategy<Value = Op> {
    let read = (
        client_header().boxed(),
        any::<(u64, u64, Option<bool>)>(),
        caching(),
    );
    let replace = (
        base_header().boxed(),
        text(),
        datanode().boxed(),
        prop::option::of(storage_type()),
        prop::option::of(text()),
    );
    let sum = (
        base_header().boxed(),
        any::<Option<Option<u64>>>(),
        prop::option::of(1..3i32),
    );
    let transfer = (
        client_header().boxed(),
        prop::collection::vec(datanode().boxed(), 0..3),
        prop::collection::vec(storage_type(), 0..3),
        prop::collection::vec(text(), 0..3),
    );
    prop_oneof![
        write_block().boxed(),
        read.prop_map(|(header, (offset, len, send_checksums), caching_strategy)| {
            Op::ReadBlock(pb::OpReadBlockProto {
                header,
                offset,
                len,
                send_checksums,
                caching_strategy,
            })
        }),
        replace.prop_map(|(header, del_hint, source, storage_type, storage_id)| {
            let op = pb::OpReplaceBlockProto {
                header,
                del_hint,
                source,
                storage_type,
                storage_id,
            };
            Op::ReplaceBlock(Box::new(op))
        }),
        base_header()
            .boxed()
            .prop_map(|header| Op::CopyBlock(pb::OpCopyBlockProto { header })),
        sum.prop_map(|(header, options, block_checksum_type)| {
            let block_checksum_options = options.map(|stripe_length| pb::BlockChecksumOptionsProto {
                block_checksum_type,
                stripe_length,
            });
            Op::BlockChecksum(pb::OpBlockChecksumProto {
                header,
                block_checksum_options,
            })
        }),
        transfer.prop_map(|(header, targets, target_storage_types, target_storage_ids)| {
            let op = pb::OpTransferBlockProto {
                header,
                targets,
                target_storage_types,
                target_storage_ids,
            };
            Op::TransferBlock(op)
        }),
        (
            base_header().boxed(),
            any::<(u32, Option<bool>)>(),
            prop::option::of(slot().boxed())
        )
            .prop_map(
                |(header, (max_version, supports_receipt_verification), slot_id)| {
                    Op::RequestShortCircuitFds(pb::OpRequestShortCircuitAccessProto {
                        header,
                        max_version,
                        slot_id,
                        supports_receipt_verification,
                    })
                }
            ),
        (slot().boxed(), prop::option::of(trace().boxed())).prop_map(|(slot_id, trace_info)| {
            Op::ReleaseShortCircuitFds(pb::ReleaseShortCircuitAccessRequestProto { slot_id, trace_info })
        }),
        (text(), prop::option::of(trace().boxed())).prop_map(|(client_name, trace_info)| {
            Op::RequestShortCircuitShm(pb::ShortCircuitShmRequestProto {
                client_name,
                trace_info,
            })
        }),
    ]
}

fn status() -> impl Strategy<Value = pb::Status> {
    (0..14i32).prop_map(|number| pb::Status::try_from(number).unwrap())
}

prop_compose! {
    fn response()(
        status in status(), first_bad_link in prop::option::of(text()), message in prop::option::of(text()),
        short_circuit_access_version: Option<u32>,
        visible: Option<u64>,
        local in prop::option::of((text(), any::<[u64; 4]>())),
        read in prop::option::of((checksum().boxed(), any::<u64>())),
        sum in prop::option::of((any::<(u32, u64)>(), bytes(), prop::option::of(0..3i32))),
        small in prop::option::of(prop::collection::vec((status(), any::<u32>()), 0..20)),
    ) -> pb::BlockOpResponseProto {
        pb::BlockOpResponseProto {
            status: status.into(), first_bad_link, message, short_circuit_access_version,
            read_op_checksum_info: read
                .map(|(checksum, chunk_offset)| pb::ReadOpChecksumInfoProto { checksum, chunk_offset }),
            checksum_response: sum.map(|((bytes_per_crc, crc_per_block), block_checksum, crc_type)| {
                pb::OpBlockChecksumResponseProto {
                    bytes_per_crc, crc_per_block, block_checksum, crc_type, block_checksum_options: None,
                }
            }),
            replica: visible.map(|visible| pb::ReplicaStateProto {
                absent: None, being_written: Some(visible % 2 == 0), visible: Some(visible), restarted: Some(visible % 3 == 0),
                received: (visible % 5 == 0).then_some(visible),
            }),
            local: local.map(|(uuid, [generation, length, data_at, sums_at])| pb::LocalReplicaProto {
                datanode_uuid: Some(uuid), socket_path: None, generation: Some(generation), length: Some(length),
                data_at: Some(data_at), sums_at: Some(sums_at),
            }),
            small: small.map(|results| pb::SmallResultsProto {
                status: results.iter().map(|(status, _)| (*status).into()).collect(),
                position: results.iter().map(|(_, position)| *position).collect(),
            }),
        }
    }
}

prop_compose! {
    fn ack()(
        seqno: i64, replies in prop::collection::vec(status(), 0..5), downstream_nanos: Option<u64>,
        congestion in prop::option::of(0..8u32),
    ) -> PipelineAck {
        let flag = |congestion: u32| replies.iter().map(move |&reply| reply as u32 | congestion << 5).collect();
        let flags = congestion.map(flag).unwrap_or_default();
        PipelineAck { seqno, replies, downstream_nanos, flags }
    }
}

prop_compose! {
    fn packet()(
        offset in 0..=i64::MAX as u64, seqno: i64, last: bool, sync: bool,
        data in prop::collection::vec(any::<u8>(), 0..1500), with_sums: bool,
    ) -> (PacketHeader, Vec<u8>, Vec<u8>) {
        let mut sums = Vec::new();
        if with_sums {
            transfer::checksum::append(&data, &mut sums);
        }
        (PacketHeader { offset, seqno, last, data_len: data.len() as u32, sync }, sums, data)
    }
}

/// There and back, with more bytes behind; and cut off at every byte, with the least that is needed told truly.
fn there_and_back<T: PartialEq + std::fmt::Debug>(
    value: &T,
    encode: impl Fn(&T, &mut Vec<u8>),
    decode: impl Fn(&[u8]) -> Result<Progress<T>, DecodeError>,
    tail: &[u8],
) -> Result<(), TestCaseError> {
    let mut encoded = Vec::new();
    encode(value, &mut encoded);
    let len = encoded.len();
    for cut in 0..len {
        match decode(&encoded[..cut]) {
            Ok(Progress::Incomplete { needed }) => prop_assert!(cut < needed && needed <= len),
            other => prop_assert!(false, "after {cut} of {len} bytes: {other:?}"),
        }
    }
    encoded.extend(tail);
    match decode(&encoded) {
        Ok(Progress::Complete(decoded, used)) => {
            prop_assert_eq!(&decoded, value);
            prop_assert_eq!(used, len);
        }
        other => prop_assert!(false, "{other:?}"),
    }
    Ok(())
}

fn message_there_and_back<M: Message + PartialEq + std::fmt::Debug>(
    message: &M,
    tail: &[u8],
) -> Result<(), TestCaseError> {
    there_and_back(message, encode_message, decode_message, tail)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests_come_back(op in op(), tail in bytes()) {
        there_and_back(&op, Op::encode, Op::decode, &tail)?;
    }

    #[test]
    fn responses_come_back(response in response(), tail in bytes()) {
        message_there_and_back(&response, &tail)?;
    }

    #[test]
    fn acks_come_back(ack in ack(), tail in bytes()) {
        message_there_and_back(&ack, &tail)?;
    }

    #[test]
    fn small_answers_come_back(status in status(), error in prop::option::of(text()), hi: i64, tail in bytes()) {
        let number = i32::from(status);
        message_there_and_back(&pb::ClientReadStatusProto { status: number }, &tail)?;
        message_there_and_back(&pb::DnTransferAckProto { status: number }, &tail)?;
        let released = pb::ReleaseShortCircuitAccessResponseProto { status: number, error: error.clone() };
        message_there_and_back(&released, &tail)?;
        let id = error.is_none().then_some(pb::ShortCircuitShmIdProto { hi, lo: !hi });
        message_there_and_back(&pb::ShortCircuitShmResponseProto { status: number, error, id }, &tail)?;
    }

    #[test]
    fn packets_come_back((header, sums, data) in packet(), tail in bytes()) {
        let value = (header, sums, data);
        there_and_back(
            &value,
            |(header, sums, data), out| encode_frame(header, sums, data, out),
            |bytes| Ok(Frame::decode(bytes)?.map(|frame| (frame.header, frame.sums.to_vec(), frame.data.to_vec()))),
            &tail,
        )?;
        let mut frame = FramePrefix::new(&value.0, value.1.len()).as_bytes().to_vec();
        let len = frame.len() + value.1.len() + value.2.len();
        prop_assert_eq!(FrameLayout::frame_len(&frame), Ok(Progress::Complete(len, 6)));
        frame.truncate(5);
        prop_assert_eq!(FrameLayout::frame_len(&frame), Ok(Progress::Incomplete { needed: 6 }));
    }

    /// The header is written by hand; this is what the schema makes of it.
    #[test]
    fn packet_headers_are_as_the_schema_says((header, sums, _) in packet()) {
        let proto = pb::PacketHeaderProto {
            offset_in_block: header.offset as i64,
            seqno: header.seqno,
            last_packet_in_block: header.last,
            data_len: header.data_len as i32,
            sync_block: header.sync.then_some(true),
        };
        let prefix = FramePrefix::new(&header, sums.len());
        prop_assert_eq!(&prefix.as_bytes()[6..], proto.encode_to_vec());
    }

    /// Fields that a later version may add are skipped.
    #[test]
    fn unknown_fields_are_skipped(ack in ack(), number in 100..200u32, extra in bytes()) {
        let mut body = Vec::new();
        encode_message(&ack, &mut body);
        body.drain(..if body.len() > 128 { 2 } else { 1 });
        prost::encoding::bytes::encode(number, &extra, &mut body);
        let mut message = Vec::new();
        prost::encoding::encode_varint(body.len() as u64, &mut message);
        message.extend(&body);
        let len = message.len();
        prop_assert_eq!(decode_message(&message), Ok(Progress::Complete(ack, len)));
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), opcode in 80..90u8) {
        decode_everything(&bytes);
        let request = [&[0, 28, opcode][..], &bytes].concat();
        decode_everything(&request);
    }

    /// Honest messages with a few bytes overwritten reach deeper than garbage.
    #[test]
    fn damaged_messages_never_panic(
        op in op(), response in response(), ack in ack(), packet in packet(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut messages = vec![Vec::new(); 4];
        op.encode(&mut messages[0]);
        encode_message(&response, &mut messages[1]);
        encode_message(&ack, &mut messages[2]);
        encode_frame(&packet.0, &packet.1, &packet.2, &mut messages[3]);
        for mut message in messages {
            for (at, byte) in &damage {
                let at = at.index(message.len());
                message[at] = *byte;
            }
            decode_everything(&message);
        }
    }
}

fn decode_everything(bytes: &[u8]) {
    let _ = Op::decode(bytes);
    let _ = decode_message::<pb::BlockOpResponseProto>(bytes);
    let _ = decode_message::<PipelineAck>(bytes);
    let _ = decode_message::<pb::ClientReadStatusProto>(bytes);
    let _ = decode_message::<pb::DnTransferAckProto>(bytes);
    let _ = decode_message::<pb::ShortCircuitShmResponseProto>(bytes);
    if let Ok(Progress::Complete(frame, used)) = Frame::decode(bytes) {
        assert!(used <= bytes.len());
        assert_eq!(frame.data.len(), frame.header.data_len as usize);
        let _ = transfer::checksum::verify(frame.data, frame.sums);
    }
}

/// A message that announces `len` bytes and holds none.
fn announced(len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(len as u64, &mut bytes);
    bytes
}

#[test]
fn lengths_beyond_the_caps_are_refused_before_anything_arrives() {
    let op = |len| Op::decode(&[&[0, 28, 80][..], &announced(len)].concat());
    assert!(matches!(op(OP_BYTES_MAX), Ok(Progress::Incomplete { .. })));
    assert!(matches!(op(OP_BYTES_MAX + 1), Err(DecodeError::TooLong { .. })));
    assert!(matches!(op(usize::MAX), Err(DecodeError::TooLong { .. })));

    let response = |len| decode_message::<pb::BlockOpResponseProto>(&announced(len));
    assert!(matches!(
        response(RESPONSE_BYTES_MAX),
        Ok(Progress::Incomplete { .. })
    ));
    assert!(matches!(
        response(RESPONSE_BYTES_MAX + 1),
        Err(DecodeError::TooLong { .. })
    ));

    let ack = |len| decode_message::<PipelineAck>(&announced(len));
    assert!(matches!(ack(ACK_BYTES_MAX), Ok(Progress::Incomplete { .. })));
    assert!(matches!(ack(ACK_BYTES_MAX + 1), Err(DecodeError::TooLong { .. })));

    assert!(matches!(
        decode_message::<PipelineAck>(&[0xff; 10]),
        Err(DecodeError::Length { .. })
    ));
    assert!(matches!(
        decode_message::<PipelineAck>(&[0xff; 9]),
        Ok(Progress::Incomplete { needed: 10 })
    ));
}

#[test]
fn packets_beyond_the_caps_are_refused_before_anything_arrives() {
    let lengths = |payload: u32, header: u16| {
        FrameLayout::frame_len(&[&payload.to_be_bytes()[..], &header.to_be_bytes()].concat())
    };
    let most = 4 + PACKET_DATA_BYTES_MAX + PACKET_DATA_BYTES_MAX / 128;
    let header_most = u16::try_from(PACKET_HEADER_BYTES_MAX).unwrap();
    assert!(matches!(lengths(most, header_most), Ok(Progress::Complete(..))));
    assert!(matches!(lengths(most + 1, 25), Err(DecodeError::TooLong { .. })));
    assert!(
        matches!(lengths(u32::MAX, 25), Err(DecodeError::TooLong { .. })),
        "negative"
    );
    assert!(matches!(
        lengths(most, header_most + 1),
        Err(DecodeError::TooLong { .. })
    ));
    for payload in 0..4 {
        assert!(
            matches!(lengths(payload, 25), Err(DecodeError::PacketLengths { .. })),
            "{payload}"
        );
    }
}

#[test]
fn packets_that_contradict_themselves_are_refused() {
    let header = PacketHeader {
        offset: 0,
        seqno: 0,
        last: false,
        data_len: 512,
        sync: false,
    };
    let mut frame = Vec::new();
    encode_frame(&header, &[1, 2, 3, 4], &[0; 512], &mut frame);
    let payload = |payload: u32| {
        let mut frame = frame.clone();
        frame[..4].copy_from_slice(&payload.to_be_bytes());
        Frame::decode(&frame).map(|_| ())
    };
    assert_eq!(payload(520), Ok(()));
    let refused = |payload_len| {
        Err(DecodeError::PacketLengths {
            payload_len,
            data_len: 512,
        })
    };
    assert_eq!(payload(515), refused(515), "no room for the data");
    assert_eq!(payload(518), refused(518), "half a sum");
    assert_eq!(
        payload(4 + 512 + 4 * 513),
        refused(4 + 512 + 4 * 513),
        "more sums than bytes"
    );

    let mut negative = frame.clone();
    negative[6 + 1..6 + 9].copy_from_slice(&(-1i64).to_le_bytes());
    assert!(matches!(
        Frame::decode(&negative),
        Err(DecodeError::Value {
            field: "offset",
            value: -1,
            ..
        })
    ));
    let mut long = frame;
    long[6 + 21..6 + 25].copy_from_slice(&(-1i32).to_le_bytes());
    assert!(matches!(
        Frame::decode(&long),
        Err(DecodeError::TooLong {
            what: "packet data",
            ..
        })
    ));
}

#[test]
fn other_protocols_and_other_operations_are_refused() {
    assert_eq!(
        Op::decode(b"GET /").map(|_| ()),
        Err(DecodeError::Version { got: 0x4745 })
    );
    assert_eq!(
        Op::decode(&[0xde, 0xad, 0xbe, 0xef]).map(|_| ()),
        Err(DecodeError::Version { got: 0xdead }),
        "SASL"
    );
    for opcode in 0..=255 {
        let decoded = Op::decode(&[0, 28, opcode]).map(|_| ());
        match opcode {
            82 | 90 | 127 => assert_eq!(decoded, Err(DecodeError::UnsupportedOp { opcode })),
            80..=89 | 100 | 101 => assert_eq!(
                (decoded, Opcode::from_code(opcode).map(Opcode::code)),
                (Ok(()), Some(opcode))
            ),
            _ => assert_eq!(decoded, Err(DecodeError::UnknownOp { opcode })),
        }
    }
}

#[test]
fn nothing_is_read_as_success_that_does_not_say_so() {
    let response = |bytes: &[u8]| decode_message::<pb::BlockOpResponseProto>(bytes).map(|_| ());
    assert_eq!(response(&[2, 0x08, 0]), Ok(()));
    assert!(matches!(
        response(&[0]),
        Err(DecodeError::MissingField { field: 1, .. })
    ));
    assert!(matches!(
        response(&[2, 0x08, 14]),
        Err(DecodeError::Value {
            field: "status",
            value: 14,
            ..
        })
    ));
    assert!(matches!(
        response(&[2, 0x10, 0]),
        Err(DecodeError::MissingField { field: 1, .. })
    ));

    let ack = |bytes: &[u8]| decode_message::<PipelineAck>(bytes).map(|_| ());
    assert_eq!(ack(&[4, 0x08, 0, 0x10, 0]), Ok(()));
    assert!(matches!(
        ack(&[2, 0x10, 0]),
        Err(DecodeError::MissingField { field: 1, .. })
    ));
    assert!(matches!(
        ack(&[4, 0x08, 0, 0x10, 99]),
        Err(DecodeError::Value { value: 99, .. })
    ));
    let disagreeing = [7, 0x08, 0, 0x10, 0, 0x22, 1, 1];
    assert!(
        matches!(ack(&disagreeing), Err(DecodeError::Malformed { .. })),
        "a flag that contradicts its reply"
    );
    let unpaired = [8, 0x08, 0, 0x10, 0, 0x22, 2, 0, 0];
    assert!(
        matches!(ack(&unpaired), Err(DecodeError::Malformed { .. })),
        "flags without replies"
    );

    assert!(matches!(
        decode_message::<pb::ClientReadStatusProto>(&[0]),
        Err(DecodeError::MissingField { .. })
    ));
}

#[test]
fn a_pipeline_of_512_datanodes_fits_and_a_swarm_of_empty_ones_does_not() {
    let node = pb::DatanodeInfoProto {
        id: pb::DatanodeIdProto {
            ip_addr: "192.168.100.100".into(),
            host_name: "a-rather-long-host-name.rack-17.example.org".into(),
            datanode_uuid: "00000000-0000-0000-0000-000000000000".into(),
            xfer_port: 65_535,
            info_port: 65_535,
            ipc_port: 65_535,
            info_secure_port: Some(65_535),
        },
        capacity: Some(u64::MAX),
        dfs_used: Some(u64::MAX),
        remaining: Some(u64::MAX),
        block_pool_used: Some(u64::MAX),
        last_update: Some(u64::MAX),
        xceiver_count: Some(u32::MAX),
        location: Some("/default-rack".into()),
        non_dfs_used: Some(u64::MAX),
        admin_state: Some(0),
        cache_capacity: Some(u64::MAX),
        cache_used: Some(u64::MAX),
        last_update_monotonic: Some(u64::MAX),
        upgrade_domain: None,
        last_block_report_time: Some(u64::MAX),
        last_block_report_monotonic: Some(u64::MAX),
        num_blocks: Some(u32::MAX),
    };
    let op = Op::TransferBlock(pb::OpTransferBlockProto {
        header: Default::default(),
        targets: vec![node; 512],
        target_storage_types: vec![1; 512],
        target_storage_ids: vec!["DS-00000000-0000-0000-0000-000000000000".into(); 512],
    });
    let mut request = Vec::new();
    op.encode(&mut request);
    let len = request.len();
    let decoded = Op::decode(&request);
    assert!(
        decoded == Ok(Progress::Complete(op, len)),
        "{} bytes: {:?}",
        len,
        decoded.err()
    );

    // Two bytes for each; decoded, each would take hundreds.
    let mut swarm = vec![0, 28, 86];
    let targets = [0x12, 0].repeat(OP_BYTES_MAX / 2);
    swarm.extend(announced(targets.len()));
    swarm.extend(targets);
    assert!(Op::decode(&swarm).is_err());
    let mut fields = vec![0, 28, 86];
    let kinds = [0x18, 1].repeat(OP_BYTES_MAX / 2);
    fields.extend(announced(kinds.len()));
    fields.extend(kinds);
    assert!(matches!(
        Op::decode(&fields),
        Err(DecodeError::TooManyFields { .. })
    ));
}
