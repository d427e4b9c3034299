//! Replicas that are read while they are written.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod common;

use std::time::Duration;

use common::client::{Connection, PACKET, Pipeline, Setup, get, put, read, read_op, shown};
use common::{Cluster, bytes, in_time, until};
use transfer::pb::{BlockConstructionStage as Stage, ReplicaStateProto, Status};

const fn growing(visible: u64) -> ReplicaStateProto {
    ReplicaStateProto {
        absent: None,
        being_written: Some(true),
        visible: Some(visible),
        restarted: Some(false),
        received: Some(visible),
    }
}

#[tokio::test]
async fn what_is_acknowledged_is_shown_by_every_datanode() {
    for packed_max in [0, 64 << 10] {
        let cluster = Cluster::start_with(3, |config| config.packed_max = packed_max).await;
        let nodes = cluster.pipeline(&[0, 1, 2]);
        let block = cluster.block(1, 1);
        let data = bytes(3 * PACKET + 77);
        for node in &nodes {
            assert_eq!(shown(node, &block).await.absent, Some(true));
        }
        let mut pipeline = Pipeline::open(&block, &Setup::create(), &nodes).await;
        let mut written = 0;
        for end in [1, 511, 512, 700, PACKET, PACKET + 900, 3 * PACKET] {
            pipeline.write(&data[..end], written).await;
            written = end;
            for node in &nodes {
                assert_eq!(shown(node, &block).await, growing(end as u64));
                assert_eq!(get(node, &block, end).await, data[..end]);
                // From within, and to within.
                let mut connection = Connection::to(node).await;
                let (from, len) = (end / 3, end - end / 3 - end / 4);
                assert_eq!(
                    read(&mut connection, &block, from, len).await,
                    data[from..from + len]
                );
            }
        }
        pipeline.write(&data, written).await;
        pipeline.finish(data.len()).await;
        for node in &nodes {
            let state = shown(node, &block).await;
            assert_eq!(
                (state.being_written, state.visible),
                (Some(false), Some(data.len() as u64))
            );
            assert_eq!(get(node, &block, data.len()).await, data);
        }
    }
}

#[tokio::test]
async fn a_reader_of_what_is_not_acknowledged_waits_and_is_refused() {
    let cluster = Cluster::start(1).await;
    let nodes = cluster.pipeline(&[0]);
    let block = cluster.block(1, 1);
    let data = bytes(2000);
    let mut pipeline = Pipeline::open(&block, &Setup::create(), &nodes).await;
    pipeline.write(&data[..1000], 0).await;
    let reading = get(&nodes[0], &block, 2000);
    let writing = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        pipeline.write(&data, 1000).await;
        pipeline
    };
    let (got, _pipeline) = tokio::join!(reading, writing);
    assert_eq!(got, data);
    let mut connection = Connection::to(&nodes[0]).await;
    let refused = connection.ask(read_op(&block, 0, 2001)).await;
    let refusal = refused.accepted().unwrap_err();
    assert!(
        refusal.message.contains("2000 bytes of it are acknowledged"),
        "{refusal}"
    );
    // A newer generation than is here is not this replica.
    let newer = connection.ask(read_op(&cluster.block(1, 2), 0, 0)).await;
    newer.accepted().unwrap_err();
}

#[tokio::test]
async fn what_was_shown_outlives_a_recovery_that_knows_of_less() {
    let mut cluster = Cluster::start(3).await;
    let nodes = cluster.pipeline(&[0, 1, 2]);
    let block = cluster.block(1, 1);
    let data = bytes(3 * PACKET);
    let mut pipeline = Pipeline::open(&block, &Setup::create(), &nodes).await;
    pipeline.write(&data[..PACKET + 100], 0).await;
    let shown_by_last = shown(&nodes[2], &block).await;
    assert_eq!(shown_by_last, growing(PACKET as u64 + 100));
    cluster.nodes[0].stop().await;
    // The client has heard of nothing behind the first 600 bytes.
    let setup = Setup::recovery(Stage::PipelineSetupStreamingRecovery, 2, 600, PACKET + 100);
    let newer = cluster.block(1, 2);
    let mut recovered = Pipeline::open(&block, &setup, &nodes[1..]).await;
    for node in &nodes[1..] {
        assert_eq!(shown(node, &newer).await, shown_by_last);
        assert_eq!(get(node, &newer, PACKET + 100).await, data[..PACKET + 100]);
    }
    recovered.write(&data, 600).await;
    recovered.finish(data.len()).await;
    for node in &nodes[1..] {
        assert_eq!(get(node, &newer, data.len()).await, data);
    }
}

#[tokio::test]
async fn bytes_that_are_sent_again_must_be_the_same() {
    let cluster = Cluster::start(1).await;
    let nodes = cluster.pipeline(&[0]);
    let block = cluster.block(1, 1);
    let data = bytes(PACKET);
    let mut pipeline = Pipeline::open(&block, &Setup::create(), &nodes).await;
    pipeline.write(&data, 0).await;
    drop(pipeline);
    let setup = Setup::recovery(Stage::PipelineSetupStreamingRecovery, 2, 600, PACKET);
    let mut recovered = Pipeline::open(&block, &setup, &nodes).await;
    let mut other = data.clone();
    other[5000] ^= 1;
    recovered.send(512, &other[512..]).await;
    assert_eq!(recovered.ack().await.first_failure(), Some((0, Status::Error)));
    assert_eq!(get(&nodes[0], &cluster.block(1, 2), PACKET).await, data);
}

#[tokio::test]
async fn a_sync_reaches_the_disk_of_every_datanode() {
    let cluster = Cluster::start_with(2, |config| config.packed_max = 64 << 10).await;
    let nodes = cluster.pipeline(&[0, 1]);
    let block = cluster.block(1, 1);
    let data = bytes(1000);
    let mut pipeline = Pipeline::open(&block, &Setup::create(), &nodes).await;
    pipeline.write(&data, 0).await;
    for node in &cluster.nodes {
        assert!(node.temporary_files().is_empty(), "small replicas are in memory");
    }
    pipeline.sync(1000).await;
    for node in &cluster.nodes {
        assert!(!node.temporary_files().is_empty());
    }
    pipeline.finish(1000).await;
    for node in &nodes {
        assert_eq!(get(node, &block, 1000).await, data);
    }
}

#[tokio::test]
async fn a_read_that_began_while_it_was_written_goes_on_when_it_is_finished() {
    let cluster = Cluster::start(1).await;
    let nodes = cluster.pipeline(&[0]);
    let block = cluster.block(1, 1);
    // Far more than fits into the buffers of a connection.
    let data = bytes(24 << 20);
    let mut pipeline = Pipeline::open(&block, &Setup::create(), &nodes).await;
    pipeline.write(&data, 0).await;
    let mut connection = Connection::to(&nodes[0]).await;
    let len = data.len() - 300;
    connection.ask(read_op(&block, 0, len)).await.accepted().unwrap();
    pipeline.finish(data.len()).await;
    drop(pipeline);
    let mut got = Vec::new();
    loop {
        let packet = connection.read_packet().await.unwrap();
        packet.verify().unwrap();
        got.extend_from_slice(packet.data());
        if packet.header().last {
            break;
        }
    }
    assert_eq!(got[..len], data[..len]);
    // And one that begins later reads the finished one.
    in_time("the end", async {
        put(&cluster.block(2, 1), &nodes, &data[..10]).await
    })
    .await;
    until("it is finished", || cluster.nodes[0].temporary_files().is_empty()).await;
}
