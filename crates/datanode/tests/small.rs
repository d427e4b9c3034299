//! Many small chunks in one request.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::client::{Connection, get, put, read};
use common::master::Reported;
use common::{Cluster, bytes, in_time};
use env::disk::{Effect, Fault, Op as DiskOp};
use proto::v1::ReplicaEvent;
use transfer::pb::{self, Status};
use transfer::{Block, Node, Op, PacketHeader, SmallChunk, SmallResult, checksum};
use types::ChunkExtent;

const PACKED_MAX: u64 = 64 << 10;

async fn cluster(count: usize) -> Cluster {
    Cluster::start_with(count, |config| config.packed_max = PACKED_MAX).await
}

fn small(block: &Block) -> SmallChunk {
    SmallChunk::from(ChunkExtent {
        chunk: block.chunk,
        generation: block.generation,
        len: block.len,
    })
}

/// Chunks with these contents, as requests name them.
fn chunks(cluster: &Cluster, first: u64, lens: &[usize]) -> Vec<(Block, Vec<u8>)> {
    let chunk = |(id, &len): (u64, &usize)| {
        let data = bytes(len);
        let block = Block {
            len: len as u64,
            ..cluster.block(id, 3)
        };
        (block, data)
    };
    (first..).zip(lens).map(chunk).collect()
}

fn body(chunks: &[(Block, Vec<u8>)]) -> (Vec<u8>, Vec<u8>) {
    let (mut sums, mut data) = (Vec::new(), Vec::new());
    for (_, bytes) in chunks {
        checksum::append(bytes, &mut sums);
        data.extend_from_slice(bytes);
    }
    (sums, data)
}

fn header(data: &[u8]) -> PacketHeader {
    PacketHeader {
        offset: 0,
        seqno: 0,
        last: true,
        data_len: data.len() as u32,
        sync: false,
    }
}

fn write_op(cluster: &Cluster, behind: &[Node], chunks: &[(Block, Vec<u8>)]) -> Op {
    Op::WriteSmall(pb::OpWriteSmallProto {
        pool_id: cluster.master.pool().as_str().to_owned(),
        client_name: "distrifs-test".to_owned(),
        targets: behind.iter().map(Into::into).collect(),
        chunks: chunks.iter().map(|(block, _)| small(block)).collect(),
    })
}

async fn ask(connection: &mut Connection, op: &Op, sums: &[u8], data: &[u8]) -> pb::BlockOpResponseProto {
    let header = header(data);
    let sent = connection.writer.write_op_with_packet(op, &header, sums, data);
    sent.await.unwrap();
    in_time("a response", connection.reader.read_response())
        .await
        .unwrap()
}

async fn write(
    connection: &mut Connection,
    cluster: &Cluster,
    nodes: &[Node],
    chunks: &[(Block, Vec<u8>)],
) -> Vec<SmallResult> {
    let (sums, data) = body(chunks);
    let answer = ask(connection, &write_op(cluster, &nodes[1..], chunks), &sums, &data).await;
    answer.accepted().unwrap().small_results(chunks.len()).unwrap()
}

/// Reads chunks; of each the status, and those that came.
async fn read_small(connection: &mut Connection, blocks: &[Block]) -> (Vec<Status>, Vec<u8>) {
    let op = Op::ReadSmall(pb::OpReadSmallProto {
        pool_id: blocks[0].pool.as_str().to_owned(),
        client_name: "distrifs-test".to_owned(),
        chunks: blocks.iter().map(small).collect(),
    });
    let answer = connection.ask(op).await.accepted().unwrap();
    let results = answer.small_results(blocks.len()).unwrap();
    let packet = connection.read_packet().await.unwrap();
    let (mut sums, mut at) = (Vec::new(), 0);
    for (block, result) in blocks.iter().zip(&results) {
        if result.is_success() {
            let data = &packet.data()[at..at + block.len as usize];
            checksum::append(data, &mut sums);
            at += data.len();
        }
    }
    assert!(packet.sums() == sums, "sums of each chunk, one after the other");
    (
        results.iter().map(|result| result.status).collect(),
        packet.data().to_vec(),
    )
}

async fn all_have(cluster: &Cluster, nodes: &[Node], chunks: &[(Block, Vec<u8>)]) {
    for node in nodes {
        for (block, data) in chunks {
            let reported = Reported {
                datanode: node.id,
                event: ReplicaEvent::Received,
                chunk: block.chunk.as_u64(),
                generation: block.generation.as_u64(),
                length: block.len,
            };
            cluster.master.reported(reported).await;
            assert!(get(node, block, data.len()).await == *data, "{}", node.address());
        }
    }
}

#[tokio::test]
async fn many_are_on_every_datanode_and_come_back() {
    let mut cluster = cluster(3).await;
    let nodes = cluster.pipeline(&[0, 1, 2]);
    let mut connection = Connection::to(&nodes[0]).await;
    let mut first = 1;
    let mut all = Vec::new();
    for lens in [&[1, 511, 512, 513, 4096, 65_536][..], &[1], &[4096; 200]] {
        let some = chunks(&cluster, first, lens);
        let results = write(&mut connection, &cluster, &nodes, &some).await;
        assert_eq!(results, vec![SmallResult::SUCCESS; lens.len()]);
        first += lens.len() as u64;
        all.extend(some);
    }
    all_have(&cluster, &nodes, &all).await;
    // They are on disk: a datanode that is killed has them.
    let config = cluster.nodes[2].config(&cluster.master);
    cluster.nodes[2].stop().await;
    let config = datanode::Config {
        packed_max: PACKED_MAX,
        ..config
    };
    cluster.nodes[2].start_with(config).await;
    in_time("registration", cluster.nodes[2].running().registered()).await;
    let again = cluster.nodes[2].node();
    for some in all.chunks(100) {
        let blocks: Vec<_> = some.iter().map(|(block, _)| block.clone()).collect();
        let (statuses, data) = read_small(&mut Connection::to(&again).await, &blocks).await;
        assert!(statuses.iter().all(|status| *status == Status::Success));
        assert!(data == body(some).1);
    }
    // The connection serves other requests as well; the one behind it that was kept is gone, which says nothing.
    let nodes = cluster.pipeline(&[0, 1, 2]);
    let more = chunks(&cluster, 1000, &[700, 800]);
    let results = write(&mut connection, &cluster, &nodes, &more).await;
    assert_eq!(results, [SmallResult::SUCCESS; 2]);
    assert!(read(&mut connection, &more[0].0, 0, 700).await == more[0].1);
    all_have(&cluster, &nodes, &more).await;
}

#[tokio::test]
async fn each_has_its_own_outcome_and_says_where_it_failed() {
    let cluster = cluster(3).await;
    let nodes = cluster.pipeline(&[0, 1, 2]);
    let some = chunks(&cluster, 1, &[1000, 2000, 3000, 4000]);
    // The second is at the last datanode already.
    put(&some[1].0, &nodes[2..], &some[1].1).await;
    // The third comes with a bit that is not right.
    let (sums, mut data) = body(&some);
    data[3500] ^= 1;
    let mut connection = Connection::to(&nodes[0]).await;
    let answer = ask(
        &mut connection,
        &write_op(&cluster, &nodes[1..], &some),
        &sums,
        &data,
    )
    .await;
    let results = answer.small_results(4).unwrap();
    let failed = |status, position| SmallResult { status, position };
    assert_eq!(
        results,
        [
            SmallResult::SUCCESS,
            failed(Status::ErrorExists, 2),
            failed(Status::ErrorChecksum, 0),
            SmallResult::SUCCESS,
        ]
    );
    all_have(&cluster, &nodes, &[some[0].clone(), some[3].clone()]).await;
    let blocks: Vec<_> = some.iter().map(|(block, _)| block.clone()).collect();
    let (statuses, data) = read_small(&mut connection, &blocks).await;
    assert_eq!(
        statuses,
        [Status::Success, Status::Success, Status::Error, Status::Success]
    );
    assert_eq!(data.len(), 1000 + 2000 + 4000);
    let mut shorter = blocks[0].clone();
    shorter.len -= 1;
    let mut newer = blocks[3].clone();
    newer.generation = types::Generation(9);
    let (statuses, data) = read_small(&mut connection, &[shorter, newer]).await;
    assert_eq!(
        (statuses, data.len()),
        (vec![Status::ErrorInvalid, Status::Error], 0)
    );
}

#[tokio::test]
async fn a_datanode_behind_that_is_gone_is_told_and_the_others_have_them() {
    let mut cluster = cluster(3).await;
    let nodes = cluster.pipeline(&[0, 1, 2]);
    for (position, gone) in [(2, 2), (1, 1)] {
        cluster.nodes[gone].stop().await;
        let some = chunks(&cluster, 10 * position, &[100, 200]);
        let mut connection = Connection::to(&nodes[0]).await;
        let results = write(&mut connection, &cluster, &nodes, &some).await;
        let expected = SmallResult {
            status: Status::Error,
            position: position as u32,
        };
        assert_eq!(results, [expected; 2]);
        all_have(&cluster, &nodes[..1], &some).await;
    }
}

#[tokio::test]
async fn a_disk_that_fails_fails_all_of_them_and_keeps_none() {
    let cluster = cluster(2).await;
    let nodes = cluster.pipeline(&[0, 1]);
    let faults = cluster.nodes[1].faults();
    faults.add(Fault::once(DiskOp::SyncData, 0, Effect::Fail(5)).on("packs/pack-"));
    let some = chunks(&cluster, 1, &[100, 200]);
    let results = write(&mut Connection::to(&nodes[0]).await, &cluster, &nodes, &some).await;
    let expected = SmallResult {
        status: Status::Error,
        position: 1,
    };
    assert_eq!(results, [expected; 2]);
    let blocks: Vec<_> = some.iter().map(|(block, _)| block.clone()).collect();
    let (statuses, _) = read_small(&mut Connection::to(&nodes[1]).await, &blocks).await;
    assert_eq!(statuses, [Status::Error; 2]);
    all_have(&cluster, &nodes[..1], &some).await;
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_refused_and_the_connection_goes_on() {
    let cluster = cluster(1).await;
    let nodes = cluster.pipeline(&[0]);
    let mut connection = Connection::to(&nodes[0]).await;
    let some = chunks(&cluster, 1, &[100, 200]);
    let (sums, data) = body(&some);
    // A packet that is not the one that is announced.
    for (sums, data) in [(&sums[..4], &data[..]), (&sums[..], &data[..299]), (&[], &[])] {
        let answer = ask(&mut connection, &write_op(&cluster, &[], &some), sums, data).await;
        assert_eq!(answer.accepted().unwrap_err().status, Status::ErrorInvalid);
    }
    let mut elsewhere = write_op(&cluster, &[], &some);
    if let Op::WriteSmall(op) = &mut elsewhere {
        op.pool_id = "BP-other".to_owned();
    }
    let answer = ask(&mut connection, &elsewhere, &sums, &data).await;
    assert_eq!(answer.accepted().unwrap_err().status, Status::ErrorInvalid);
    let results = write(&mut connection, &cluster, &nodes, &some).await;
    assert_eq!(results, [SmallResult::SUCCESS; 2]);
    assert_eq!(write(&mut connection, &cluster, &nodes, &[]).await, []);
}

#[tokio::test]
async fn a_datanode_that_packs_nothing_takes_chunks_one_by_one() {
    let cluster = Cluster::start_with(1, |config| config.packed_max = 0).await;
    let some = chunks(&cluster, 1, &[100]);
    let (sums, data) = body(&some);
    let mut connection = Connection::to(&cluster.nodes[0].node()).await;
    let answer = ask(&mut connection, &write_op(&cluster, &[], &some), &sums, &data).await;
    assert_eq!(answer.accepted().unwrap_err().status, Status::ErrorUnsupported);
}
