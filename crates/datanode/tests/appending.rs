//! Bytes behind those of a finished replica; and what of an unfinished one outlives the datanode.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod common;

use common::client::{CLIENT, Connection, PACKET, Pipeline, Setup, get, put, shown};
use common::{Cluster, bytes};
use proto::v1;
use transfer::checksum::crc32c;
use transfer::pb::{self, BlockConstructionStage as Stage};
use transfer::{Block, Node, Op, base_header};

fn append(generation: u64, len: usize) -> Setup {
    Setup::recovery(Stage::PipelineSetupAppend, generation, len, len)
}

async fn checksum(node: &Node, block: &Block) -> Result<Option<u32>, transfer::Refusal> {
    let op = Op::BlockChecksum(pb::OpBlockChecksumProto {
        header: base_header(block),
        block_checksum_options: Some(pb::BlockChecksumOptionsProto {
            block_checksum_type: Some(pb::BlockChecksumTypeProto::CompositeCrc.into()),
            stripe_length: None,
        }),
    });
    let answer = Connection::to(node).await.ask(op).await.accepted()?;
    Ok(answer.composite_crc_value())
}

fn order(generation: u64, recovery: u64, length: Option<usize>) -> v1::RecoverReplica {
    v1::RecoverReplica {
        chunk: 1,
        generation,
        recovery,
        length: length.map(|len| len as u64),
    }
}

#[tokio::test]
async fn an_append_goes_on_behind_what_is_there_and_that_is_read_all_the_time() {
    for packed_max in [0, 64 << 10] {
        for (len, end) in [(700, 5_000), (1, PACKET * 2), (PACKET + 300, 3 * PACKET)] {
            let cluster = Cluster::start_with(3, |config| config.packed_max = packed_max).await;
            let nodes = cluster.pipeline(&[0, 1, 2]);
            let (old, new) = (cluster.block(1, 1), cluster.block(1, 2));
            let data = bytes(end);
            put(&old, &nodes, &data[..len]).await;
            let block = Block {
                len: len as u64,
                ..old.clone()
            };
            let mut pipeline = Pipeline::open(&block, &append(2, len), &nodes).await;
            for node in &nodes {
                assert_eq!(shown(node, &new).await.visible, Some(len as u64));
                assert_eq!(get(node, &old, len).await, data[..len]);
            }
            let middle = len + (end - len) / 2;
            pipeline.write(&data[..middle], len).await;
            for node in &nodes {
                assert_eq!(get(node, &new, middle).await, data[..middle]);
                assert_eq!(get(node, &old, len).await, data[..len]);
                let visible = Block {
                    len: middle as u64,
                    ..new.clone()
                };
                assert_eq!(
                    checksum(node, &visible).await.unwrap(),
                    Some(crc32c(&data[..middle]))
                );
            }
            pipeline.write(&data, middle).await;
            pipeline.finish(end).await;
            for node in &nodes {
                assert_eq!(get(node, &new, end).await, data);
            }
            drop(pipeline);
            let again = Pipeline::try_open(&block, &append(2, len), &nodes).await;
            assert!(again.is_err(), "the generation is used up");
        }
    }
}

#[tokio::test]
async fn when_an_append_fails_the_others_go_on_and_a_newcomer_is_filled() {
    let mut cluster = Cluster::start(3).await;
    let nodes = cluster.pipeline(&[0, 1, 2]);
    let data = bytes(4 * PACKET);
    let len = PACKET + 100;
    put(&cluster.block(1, 1), &nodes[..2], &data[..len]).await;
    let block = Block {
        len: len as u64,
        ..cluster.block(1, 1)
    };
    let mut pipeline = Pipeline::open(&block, &append(2, len), &nodes[..2]).await;
    pipeline.write(&data[..2 * PACKET], len).await;
    cluster.nodes[0].stop().await;
    drop(pipeline);
    let acknowledged = Block {
        len: 2 * PACKET as u64,
        ..cluster.block(1, 2)
    };
    let copy = Op::TransferBlock(pb::OpTransferBlockProto {
        header: transfer::client_header(&acknowledged, CLIENT),
        targets: vec![(&nodes[2]).into()],
        ..Default::default()
    });
    Connection::to(&nodes[1])
        .await
        .ask(copy)
        .await
        .accepted()
        .unwrap();
    let setup = Setup::recovery(Stage::PipelineSetupStreamingRecovery, 3, 2 * PACKET, 3 * PACKET);
    let mut pipeline = Pipeline::open(&acknowledged, &setup, &nodes[1..]).await;
    pipeline.write(&data, 2 * PACKET).await;
    pipeline.finish(data.len()).await;
    for node in &nodes[1..] {
        assert_eq!(get(node, &cluster.block(1, 3), data.len()).await, data);
    }
    // The one that was away has what was there before, and takes no part in anything newer.
    let master = &cluster.master;
    cluster.nodes[0].start(master).await;
    let node = cluster.nodes[0].node();
    assert_eq!(get(&node, &cluster.block(1, 1), len).await, data[..len]);
    let answer = master.recover(node.id, order(3, 4, None)).await;
    assert_eq!((answer.length, answer.failure.as_str()), (None, ""));
}

#[tokio::test]
async fn the_master_hears_that_what_is_being_appended_to_was_not_deleted() {
    let cluster = Cluster::start(1).await;
    let nodes = cluster.pipeline(&[0]);
    let data = bytes(2 * PACKET);
    put(&cluster.block(1, 1), &nodes, &data[..PACKET]).await;
    let block = Block {
        len: PACKET as u64,
        ..cluster.block(1, 1)
    };
    let mut pipeline = Pipeline::open(&block, &append(2, PACKET), &nodes).await;
    pipeline.write(&data, PACKET).await;
    let delete = v1::DeleteReplicas {
        replicas: vec![v1::ReplicaVersion {
            chunk: 1,
            generation: 1,
            only_corrupt: false,
        }],
    };
    cluster
        .master
        .order(nodes[0].id, v1::command::Command::DeleteReplicas(delete));
    let why = cluster.master.failed(nodes[0].id, 1).await;
    assert!(why.contains("is being appended to"), "{why}");
}

#[tokio::test]
async fn what_was_synced_is_found_after_a_restart_of_all_datanodes() {
    for finished in [0, 700] {
        let mut cluster = Cluster::start(2).await;
        let data = bytes(3 * PACKET);
        let nodes = cluster.pipeline(&[0, 1]);
        let (mut block, mut setup) = (cluster.block(1, 1), Setup::create());
        if finished > 0 {
            put(&block, &nodes, &data[..finished]).await;
            block.len = finished as u64;
            setup = append(2, finished);
        }
        let generation = if finished > 0 { 2 } else { 1 };
        let mut pipeline = Pipeline::open(&block, &setup, &nodes).await;
        let synced = PACKET + 77;
        pipeline.write(&data[..synced], finished).await;
        pipeline.sync(synced).await;
        pipeline.write(&data[..2 * PACKET], synced).await;
        for node in &mut cluster.nodes {
            node.stop().await;
        }
        drop(pipeline);
        for node in &mut cluster.nodes {
            node.start(&cluster.master).await;
        }
        let nodes = cluster.pipeline(&[0, 1]);
        for node in &nodes {
            if finished > 0 {
                assert_eq!(get(node, &cluster.block(1, 1), finished).await, data[..finished]);
            }
            let answer = cluster.master.recover(node.id, order(generation, 5, None)).await;
            assert_eq!(
                (answer.length, answer.finished, answer.restarted),
                (Some(synced as u64), false, true),
                "{answer:?}"
            );
        }
        // Twice: all of it, and what is found once more after another restart.
        cluster.nodes[1].stop().await;
        cluster.nodes[1].start(&cluster.master).await;
        for node in cluster.pipeline(&[0, 1]) {
            let answer = cluster
                .master
                .recover(node.id, order(generation, 6, Some(synced)))
                .await;
            assert_eq!(
                (answer.length, answer.finished),
                (Some(synced as u64), true),
                "{answer:?}"
            );
            assert_eq!(get(&node, &cluster.block(1, 6), synced).await, data[..synced]);
        }
        assert!(cluster.nodes.iter().all(|node| node.temporary_files().is_empty()));
    }
}

#[tokio::test]
async fn a_writer_goes_on_with_datanodes_that_have_restarted() {
    let mut cluster = Cluster::start(2).await;
    let data = bytes(2 * PACKET);
    let block = cluster.block(1, 1);
    let mut pipeline = Pipeline::open(&block, &Setup::create(), &cluster.pipeline(&[0, 1])).await;
    pipeline.write(&data[..700], 0).await;
    pipeline.sync(700).await;
    for node in &mut cluster.nodes {
        node.stop().await;
        node.start(&cluster.master).await;
    }
    drop(pipeline);
    let nodes = cluster.pipeline(&[0, 1]);
    // It does not know what of it was acknowledged, and says so: a reader asks others first.
    let shown_of_itself = async |generation| {
        let shown = shown(&nodes[0], &cluster.block(1, generation)).await;
        (shown.visible, shown.restarted)
    };
    assert_eq!(shown_of_itself(1).await, (Some(0), Some(true)));
    // Who was told of more acknowledged bytes can not go on here.
    let more = Setup::recovery(Stage::PipelineSetupStreamingRecovery, 2, 701, 900);
    assert!(Pipeline::try_open(&block, &more, &nodes).await.is_err());
    let setup = Setup::recovery(Stage::PipelineSetupStreamingRecovery, 2, 700, 900);
    let mut pipeline = Pipeline::open(&block, &setup, &nodes).await;
    assert_eq!(shown_of_itself(2).await, (Some(700), Some(false)));
    pipeline.write(&data, 700).await;
    assert_eq!(shown_of_itself(2).await, (Some(2 * PACKET as u64), Some(false)));
    let answer = cluster.master.recover(nodes[0].id, order(1, 3, None)).await;
    assert_eq!(
        (answer.length, answer.restarted),
        (Some(data.len() as u64), false)
    );
    drop(pipeline);
}

#[tokio::test]
async fn a_rotten_end_is_not_appended_to_but_reported() {
    let cluster = Cluster::start(1).await;
    let nodes = cluster.pipeline(&[0]);
    let block = cluster.block(1, 1);
    put(&block, &nodes, &bytes(700)).await;
    let path = cluster.nodes[0].data_file(&block);
    let mut content = std::fs::read(&path).unwrap();
    content[650] ^= 1;
    std::fs::write(&path, content).unwrap();
    let block = Block { len: 700, ..block };
    let refused = Pipeline::try_open(&block, &append(2, 700), &nodes)
        .await
        .err()
        .unwrap();
    assert!(refused.message.contains("corrupt"), "{refused}");
    assert!(cluster.nodes[0].temporary_files().is_empty());
}

#[tokio::test]
async fn the_checksum_of_what_is_not_visible_is_refused() {
    let cluster = Cluster::start(1).await;
    let nodes = cluster.pipeline(&[0]);
    let mut pipeline = Pipeline::open(&cluster.block(1, 1), &Setup::create(), &nodes).await;
    let data = bytes(700);
    pipeline.write(&data, 0).await;
    let of = |len| Block {
        len,
        ..cluster.block(1, 1)
    };
    assert_eq!(
        checksum(&nodes[0], &of(600)).await.unwrap(),
        Some(crc32c(&data[..600]))
    );
    assert_eq!(checksum(&nodes[0], &of(700)).await.unwrap(), Some(crc32c(&data)));
    let refused = checksum(&nodes[0], &of(701)).await.unwrap_err();
    assert!(refused.message.contains("still being written here"), "{refused}");
}
