//! Reads, checksums, and requests that are refused.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::client::{Connection, PACKET, Pipeline, Setup, get, put, read, read_op, write_op};
use common::master::{FakeMaster, Reported};
use common::{Cluster, TestNode, bytes};
use proto::v1::ReplicaEvent;
use transfer::pb::{self, BlockConstructionStage as Stage, Status};
use transfer::{Block, Node, Op, base_header, checksum, client_header};
use types::{ClusterId, PoolId};

fn checksum_op(block: &Block) -> Op {
    Op::BlockChecksum(pb::OpBlockChecksumProto {
        header: base_header(block),
        block_checksum_options: Some(pb::BlockChecksumOptionsProto {
            block_checksum_type: Some(pb::BlockChecksumTypeProto::CompositeCrc.into()),
            stripe_length: None,
        }),
    })
}

fn flip(node: &TestNode, block: &Block, offset: usize) {
    let path = node.data_file(block);
    let mut content = std::fs::read(&path).unwrap();
    content[offset] ^= 0x10;
    std::fs::write(&path, content).unwrap();
}

async fn corrupt_is_reported(cluster: &Cluster, node: &Node, block: &Block, len: usize) {
    let report = Reported {
        datanode: node.id,
        event: ReplicaEvent::Corrupt,
        chunk: block.chunk.as_u64(),
        generation: block.generation.as_u64(),
        length: len as u64,
    };
    cluster.master.reported(report).await;
}

#[tokio::test]
async fn any_range_is_read_and_one_connection_serves_many_requests() {
    let cluster = Cluster::start(1).await;
    let node = cluster.nodes[0].node();
    let block = cluster.block(1, 1);
    let len = 2 * PACKET + 700;
    let data = bytes(len);
    put(&block, std::slice::from_ref(&node), &data).await;
    let mut connection = Connection::to(&node).await;
    for (offset, count) in [
        (0, len),
        (0, 0),
        (0, 1),
        (511, 2),
        (512, 512),
        (513, 1000),
        (PACKET - 1, PACKET + 2),
        (len - 1, 1),
        (len, 0),
        (len - 600, 600),
        (100, len - 100),
    ] {
        let got = read(&mut connection, &block, offset, count).await;
        assert!(got == data[offset..offset + count], "{count} bytes at {offset}");
    }
}

#[tokio::test]
async fn our_clients_get_large_packets_and_others_small_ones() {
    let cluster = Cluster::start(1).await;
    let node = cluster.nodes[0].node();
    let block = cluster.block(1, 1);
    let data = bytes(3 << 20);
    put(&block, std::slice::from_ref(&node), &data).await;
    for (client, packet) in [("distrifs-1", 1 << 20), ("DFSClient_NONMAPREDUCE_1", 64 << 10)] {
        for checksums in [true, false] {
            let mut connection = Connection::to(&node).await;
            let op = Op::ReadBlock(pb::OpReadBlockProto {
                header: client_header(&block, client),
                offset: 0,
                len: 3 << 20,
                send_checksums: Some(checksums),
                caching_strategy: None,
            });
            connection.ask(op).await.accepted().unwrap();
            let first = connection.read_packet().await.unwrap();
            assert_eq!(first.data().len(), packet);
            assert_eq!(first.sums().len(), if checksums { packet / 128 } else { 0 });
            assert!(first.data() == &data[..packet]);
        }
    }
}

#[tokio::test]
async fn corruption_in_the_first_packet_is_the_answer() {
    let cluster = Cluster::start(1).await;
    let node = cluster.nodes[0].node();
    let block = cluster.block(1, 1);
    put(&block, std::slice::from_ref(&node), &bytes(3000)).await;
    flip(&cluster.nodes[0], &block, 2999);
    let refused = Connection::to(&node)
        .await
        .ask(read_op(&block, 0, 3000))
        .await
        .accepted()
        .unwrap_err();
    assert_eq!(refused.status, Status::ErrorChecksum);
    corrupt_is_reported(&cluster, &node, &block, 3000).await;
    // From now on it is not even tried; but a good copy may take its place.
    let refused = Connection::to(&node)
        .await
        .ask(read_op(&block, 0, 1))
        .await
        .accepted()
        .unwrap_err();
    assert_eq!(refused.status, Status::ErrorChecksum);
    put(&block, std::slice::from_ref(&node), &bytes(3000)).await;
    assert_eq!(get(&node, &block, 3000).await, bytes(3000));
}

#[tokio::test]
async fn corruption_further_on_ends_the_read_after_the_good_packets() {
    let cluster = Cluster::start(1).await;
    let node = cluster.nodes[0].node();
    let block = cluster.block(1, 1);
    let data = bytes(3 * PACKET);
    put(&block, std::slice::from_ref(&node), &data).await;
    flip(&cluster.nodes[0], &block, 2 * PACKET + 1000);
    let mut connection = Connection::to(&node).await;
    connection
        .ask(read_op(&block, 0, 3 * PACKET))
        .await
        .accepted()
        .unwrap();
    for at in 0..2 {
        let packet = connection.read_packet().await.unwrap();
        assert_eq!(packet.data(), &data[at * PACKET..(at + 1) * PACKET]);
    }
    assert!(
        connection.read_packet().await.is_err(),
        "the connection is closed"
    );
    corrupt_is_reported(&cluster, &node, &block, 3 * PACKET).await;
}

#[tokio::test]
async fn a_broken_sidecar_is_corruption_too() {
    let cluster = Cluster::start(1).await;
    let node = cluster.nodes[0].node();
    let block = cluster.block(1, 1);
    put(&block, std::slice::from_ref(&node), &bytes(1000)).await;
    let sidecar = cluster.nodes[0].data_file(&block).with_extension("meta");
    let mut content = std::fs::read(&sidecar).unwrap();
    content[66] ^= 1;
    std::fs::write(&sidecar, content).unwrap();
    let refused = Connection::to(&node)
        .await
        .ask(checksum_op(&block))
        .await
        .accepted()
        .unwrap_err();
    assert_eq!(refused.status, Status::ErrorChecksum);
    corrupt_is_reported(&cluster, &node, &block, 1000).await;
}

#[tokio::test]
async fn the_composite_checksum_is_the_crc_of_the_bytes() {
    let cluster = Cluster::start(1).await;
    let node = cluster.nodes[0].node();
    let data = bytes(PACKET + 300);
    let block = cluster.block(1, 1);
    put(&block, std::slice::from_ref(&node), &data).await;
    let mut connection = Connection::to(&node).await;
    for (asked, len) in [(0, data.len()), (data.len(), data.len()), (700, 700), (512, 512)] {
        let block = Block {
            len: asked as u64,
            ..block.clone()
        };
        let answer = connection.ask(checksum_op(&block)).await.accepted().unwrap();
        assert_eq!(
            answer.composite_crc_value(),
            Some(checksum::crc32c(&data[..len])),
            "{asked}"
        );
    }
    let md5 = Op::BlockChecksum(pb::OpBlockChecksumProto {
        header: base_header(&block),
        block_checksum_options: None,
    });
    let refused = connection.ask(md5).await.accepted().unwrap_err();
    assert_eq!(refused.status, Status::ErrorUnsupported);
}

#[tokio::test]
async fn requests_that_do_not_fit_are_refused_with_the_reason() {
    let cluster = Cluster::start(1).await;
    let node = cluster.nodes[0].node();
    let block = cluster.block(1, 5);
    put(&block, std::slice::from_ref(&node), &bytes(100)).await;
    let foreign = Block {
        pool: PoolId::of(ClusterId::from_random_bytes([9; 16])),
        ..block.clone()
    };
    let being_written = cluster.block(3, 1);
    let _writing = Pipeline::open(&being_written, &Setup::create(), std::slice::from_ref(&node)).await;
    let append = Setup::recovery(Stage::PipelineSetupAppend, 6, 0, 0);
    let copy = Op::CopyBlock(pb::OpCopyBlockProto {
        header: base_header(&block),
    });
    let (ours, theirs) = (block.pool.to_string(), foreign.pool.to_string());
    for (op, reasons) in [
        (read_op(&foreign, 0, 1), vec![ours.as_str(), theirs.as_str()]),
        (read_op(&cluster.block(2, 1), 0, 1), vec!["chunk 2 is not here"]),
        (read_op(&cluster.block(1, 6), 0, 1), vec!["generation 5", "6"]),
        (read_op(&block, 50, 51), vec!["has 100 bytes; 51 bytes at 50"]),
        (read_op(&block, usize::MAX, 2), vec!["has 100 bytes"]),
        (
            read_op(&being_written, 0, 1),
            vec!["is being written here", "0 bytes"],
        ),
        (
            write_op(&block, &append, &[]),
            vec!["has 100 bytes here", "0 sent"],
        ),
        (copy, vec!["CopyBlock is not supported"]),
    ] {
        // One connection for each: some answers close it.
        let refused = Connection::to(&node).await.ask(op).await.accepted().unwrap_err();
        for reason in reasons {
            assert!(refused.message.contains(reason), "{reason:?} is not in {refused}");
        }
    }
    assert_eq!(
        get(&node, &cluster.block(1, 4), 100).await,
        bytes(100),
        "a newer one than asked for is fine"
    );
}

#[tokio::test]
async fn what_is_not_the_protocol_is_told_so() {
    let cluster = Cluster::start(1).await;
    let stream = env::net::Network::real()
        .connect(&cluster.nodes[0].node().address())
        .await
        .unwrap();
    let (mut reader, _writer) = {
        let (read, mut write) = stream.into_split();
        tokio::io::AsyncWriteExt::write_all(&mut write, b"GET / HTTP/1.1\r\n\r\n")
            .await
            .unwrap();
        (wire::Reader::new(read), write)
    };
    let refused = reader.read_response().await.unwrap().accepted().unwrap_err();
    assert_eq!(refused.status, Status::ErrorUnsupported);
    assert!(refused.message.contains("version"), "{refused}");
}

#[tokio::test]
async fn too_many_streams_are_refused_with_the_reason() {
    let cluster = Cluster::start_with(1, |config| config.max_streams = 1).await;
    let node = cluster.nodes[0].node();
    let block = cluster.block(1, 1);
    let mut first = Pipeline::open(&block, &Setup::create(), std::slice::from_ref(&node)).await;
    let refused = Connection::to(&node)
        .await
        .ask(read_op(&block, 0, 0))
        .await
        .accepted()
        .unwrap_err();
    assert!(
        refused.message.contains("all of its 1 streams are in use"),
        "{refused}"
    );
    first.write(&bytes(10), 0).await;
    first.finish(10).await;
}

#[tokio::test]
async fn a_connection_on_which_nothing_happens_makes_room() {
    let cluster = Cluster::start_with(1, |config| config.max_streams = 1).await;
    let node = cluster.nodes[0].node();
    let block = cluster.block(1, 1);
    put(&block, std::slice::from_ref(&node), &bytes(10)).await;
    let mut idle = Connection::to(&node).await;
    assert_eq!(read(&mut idle, &block, 0, 10).await, bytes(10));
    assert_eq!(get(&node, &block, 10).await, bytes(10));
    assert!(idle.read_packet().await.is_err(), "it was closed");
}

#[tokio::test]
async fn a_datanode_without_a_master_says_so() {
    let mut node = TestNode::new();
    let master = FakeMaster::start(1).await;
    let (config, pool) = (node.config(&master), master.pool());
    master.kill();
    node.start_with(config).await;
    let block = Block {
        pool,
        chunk: types::ChunkId::new(1).unwrap(),
        generation: types::Generation(1),
        len: 0,
    };
    let refused = Connection::to(&node.node())
        .await
        .ask(read_op(&block, 0, 0))
        .await
        .accepted()
        .unwrap_err();
    assert!(refused.message.contains("has not reached a master"), "{refused}");
}
