//! Pipelines: written, broken, recovered.

#![allow(clippy::cast_possible_truncation, reason = "tests")]

mod common;

use std::time::Duration;

use common::client::{self, Connection, PACKET, Pipeline, Setup, get, put, write_op};
use common::master::Reported;
use common::{Cluster, bytes, in_time, until};
use env::disk::{Effect, Fault, Gate, Op as DiskOp};
use proto::v1::ReplicaEvent;
use transfer::pb::{BlockConstructionStage as Stage, Status};
use transfer::{Block, Node, Op, PacketHeader, PipelineAck, client_header, pb};
use types::{DatanodeId, Generation};

fn received(node: DatanodeId, block: &Block, generation: u64, len: usize) -> Reported {
    Reported {
        datanode: node,
        event: ReplicaEvent::Received,
        chunk: block.chunk.as_u64(),
        generation,
        length: len as u64,
    }
}

/// All of `nodes` have exactly `data` at `generation`, and have said so.
async fn all_have(cluster: &Cluster, nodes: &[Node], block: &Block, generation: u64, data: &[u8]) {
    let block = Block {
        generation: Generation(generation),
        ..block.clone()
    };
    for node in nodes {
        cluster
            .master
            .reported(received(node.id, &block, generation, data.len()))
            .await;
        assert!(get(node, &block, data.len()).await == data, "{}", node.address());
        let beyond = Connection::to(node)
            .await
            .ask(client::read_op(&block, 0, data.len() + 1))
            .await;
        assert!(beyond.accepted().is_err(), "no byte more");
    }
}

#[tokio::test]
async fn chunks_follow_one_another_on_the_same_connections() {
    let mut cluster = Cluster::start_with(3, |config| config.packed_max = 1000).await;
    let nodes = cluster.pipeline(&[0, 1, 2]);
    let mut connection = Connection::to(&nodes[0]).await;
    for (id, len) in [(1, 1), (2, 700), (3, 4096), (4, PACKET), (5, 512)] {
        let block = cluster.block(id, 1);
        client::put_at_once(&mut connection, &block, &nodes, &bytes(len)).await;
        all_have(&cluster, &nodes, &block, 1, &bytes(len)).await;
        // It serves other requests as well.
        assert!(client::read(&mut connection, &block, 0, len).await == bytes(len));
    }
    // A connection that was kept, and that the other end has closed meanwhile, says nothing.
    let config = cluster.nodes[1].config(&cluster.master);
    let listen = cluster.nodes[1].running().data_addr().to_string();
    cluster.nodes[1].stop().await;
    cluster.nodes[1]
        .start_with(datanode::Config { listen, ..config })
        .await;
    in_time("registration", cluster.nodes[1].running().registered()).await;
    let block = cluster.block(9, 1);
    client::put_at_once(&mut connection, &block, &nodes, &bytes(2000)).await;
    all_have(&cluster, &nodes, &block, 1, &bytes(2000)).await;
}

#[tokio::test]
async fn what_goes_through_a_pipeline_is_on_every_datanode() {
    for packed_max in [0, 1000, 64 << 10] {
        reaches_every_datanode(packed_max).await;
    }
}

async fn reaches_every_datanode(packed_max: u64) {
    let cluster = Cluster::start_with(3, |config| config.packed_max = packed_max).await;
    let nodes = cluster.pipeline(&[0, 1, 2]);
    for (id, len) in [0, 1, 511, 512, 513, PACKET, 3 * PACKET + 700]
        .into_iter()
        .enumerate()
    {
        let block = cluster.block(id as u64, 7);
        let data = bytes(len);
        put(&block, &nodes, &data).await;
        all_have(&cluster, &nodes, &block, 7, &data).await;
    }
    for node in &cluster.nodes {
        assert!(node.temporary_files().is_empty());
    }
}

#[tokio::test]
async fn heartbeats_go_through_the_pipeline_and_back() {
    let cluster = Cluster::start(2).await;
    let nodes = cluster.pipeline(&[0, 1]);
    let mut pipeline = Pipeline::open(&cluster.block(1, 1), &Setup::create(), &nodes).await;
    pipeline.write(&bytes(100), 0).await;
    let heartbeat = PacketHeader::HEARTBEAT;
    pipeline
        .connection
        .writer
        .write_packet(&heartbeat, &[], &[])
        .await
        .unwrap();
    assert_eq!(
        pipeline.ack().await,
        PipelineAck::new(-1, vec![Status::Success; 2])
    );
    pipeline.finish(100).await;
}

#[tokio::test]
async fn the_survivors_of_a_killed_datanode_go_on_under_a_new_generation() {
    let mut cluster = Cluster::start(3).await;
    let block = cluster.block(1, 1);
    let data = bytes(10 * PACKET + 300);
    let mut pipeline = Pipeline::open(&block, &Setup::create(), &cluster.pipeline(&[0, 1, 2])).await;
    // Acknowledged up to the middle of a unit.
    let acknowledged = 5 * PACKET + 100;
    pipeline.write(&data[..acknowledged], 0).await;
    let survivors = cluster.pipeline(&[0, 2]);
    cluster.nodes[1].stop().await;

    // What is sent now is not acknowledged by all; sooner or later the first node notices.
    let at = acknowledged - acknowledged % 512;
    let seqno = pipeline.send(at, &data[at..at + PACKET]).await;
    let ack = pipeline.ack().await;
    assert_eq!(ack, PipelineAck::new(seqno, vec![Status::Success, Status::Error]));
    let sent = at + PACKET;

    let setup = Setup::recovery(Stage::PipelineSetupStreamingRecovery, 2, acknowledged, sent);
    let mut recovered = Pipeline::open(&block, &setup, &survivors).await;
    recovered.write(&data, acknowledged).await;
    recovered.finish(data.len()).await;
    all_have(&cluster, &survivors, &block, 2, &data).await;
}

#[tokio::test]
async fn a_recovery_stops_the_stream_before_it() {
    let cluster = Cluster::start(1).await;
    let block = cluster.block(1, 1);
    let nodes = cluster.pipeline(&[0]);
    let data = bytes(2 * PACKET);
    let mut stuck = Pipeline::open(&block, &Setup::create(), &nodes).await;
    stuck.write(&data[..PACKET], 0).await;

    let setup = Setup::recovery(Stage::PipelineSetupStreamingRecovery, 2, PACKET, PACKET);
    let mut recovered = Pipeline::open(&block, &setup, &nodes).await;
    let ended = in_time("the end of the old stream", stuck.connection.reader.read_ack()).await;
    assert!(ended.is_err(), "the old stream is closed: {ended:?}");
    recovered.write(&data, PACKET).await;
    recovered.finish(data.len()).await;
    all_have(&cluster, &nodes, &block, 2, &data).await;

    // The old generation can not come back.
    let again = Setup::recovery(Stage::PipelineSetupStreamingRecovery, 2, PACKET, PACKET);
    let refused = Pipeline::try_open(&cluster.block(1, 3), &again, &nodes).await;
    assert_eq!(refused.err().unwrap().status, Status::ErrorInvalid);
}

#[tokio::test]
async fn a_recovery_is_refused_where_lengths_or_generations_do_not_fit() {
    let cluster = Cluster::start(1).await;
    let nodes = cluster.pipeline(&[0]);
    let block = cluster.block(1, 5);
    let mut pipeline = Pipeline::open(&block, &Setup::create(), &nodes).await;
    pipeline.write(&bytes(1000), 0).await;
    drop(pipeline);
    let stage = Stage::PipelineSetupStreamingRecovery;
    for (block, setup, reason) in [
        (
            &block,
            Setup::recovery(stage, 6, 1001, 2000),
            "has 1000 bytes here",
        ),
        (&block, Setup::recovery(stage, 6, 10, 999), "has 1000 bytes here"),
        (
            &cluster.block(1, 6),
            Setup::recovery(stage, 7, 10, 2000),
            "is here at generation 5",
        ),
        (
            &cluster.block(2, 1),
            Setup::recovery(stage, 2, 0, 0),
            "is not here",
        ),
        (
            &block,
            Setup::recovery(stage, 5, 0, 0),
            "can not lead to generation 5",
        ),
    ] {
        let refused = Pipeline::try_open(block, &setup, &nodes).await.err().unwrap();
        assert!(refused.message.contains(reason), "{reason}: {refused}");
    }
    // And the replica is still there for one that fits.
    let setup = Setup::recovery(stage, 6, 600, 1000);
    let mut recovered = Pipeline::open(&block, &setup, &nodes).await;
    // What it has beyond what was acknowledged is sent again, and kept.
    recovered.write(&bytes(1200), 600).await;
    recovered.finish(1200).await;
    all_have(&cluster, &nodes, &block, 6, &bytes(1200)).await;
}

#[tokio::test]
async fn a_close_recovery_finalizes_or_raises_the_generation() {
    let cluster = Cluster::start(2).await;
    let nodes = cluster.pipeline(&[0, 1]);
    let block = cluster.block(1, 1);
    let data = bytes(PACKET + 17);
    let mut pipeline = Pipeline::open(&block, &Setup::create(), &nodes).await;
    pipeline.write(&data, 0).await;
    drop(pipeline);
    // Once from "being written", once from "finalized".
    for generation in [2, 3] {
        let setup = Setup::recovery(Stage::PipelineCloseRecovery, generation, data.len(), data.len());
        let mut connection = Connection::to(&nodes[0]).await;
        let answer = connection.ask(write_op(&block, &setup, &nodes[1..])).await;
        answer.accepted().unwrap();
        all_have(&cluster, &nodes, &block, generation, &data).await;
    }
}

#[tokio::test]
async fn what_one_finalized_and_nobody_acknowledged_is_written_on() {
    let cluster = Cluster::start(2).await;
    let nodes = cluster.pipeline(&[0, 1]);
    let block = cluster.block(1, 1);
    let data = bytes(PACKET);
    // The first node has it finalized, the second is still writing.
    put(&block, &nodes[..1], &data).await;
    let mut other = Pipeline::open(&block, &Setup::create(), &nodes[1..]).await;
    other.write(&data[..1024], 0).await;
    let setup = Setup::recovery(Stage::PipelineSetupStreamingRecovery, 2, 1000, PACKET);
    let mut recovered = Pipeline::open(&block, &setup, &nodes).await;
    let longer = bytes(2 * PACKET);
    recovered.write(&longer, 1000).await;
    recovered.finish(longer.len()).await;
    all_have(&cluster, &nodes, &block, 2, &longer).await;
}

#[tokio::test]
async fn a_newcomer_is_filled_and_joins_the_recovery() {
    let cluster = Cluster::start(3).await;
    let block = cluster.block(1, 1);
    let data = bytes((2 << 20) + 5000);
    let mut pipeline = Pipeline::open(&block, &Setup::create(), &cluster.pipeline(&[0, 1])).await;
    pipeline.write(&data[..(2 << 20) + 1024], 0).await;
    // The second is given up. What counts as acknowledged ends within a unit.
    let acknowledged = (2 << 20) + 700;
    let (source, newcomer) = (cluster.nodes[0].node(), cluster.nodes[2].node());
    let to_copy = Block {
        len: acknowledged as u64,
        ..block.clone()
    };
    for _ in 0..2 {
        // Twice: a client that got no answer asks again.
        let transfer = Op::TransferBlock(pb::OpTransferBlockProto {
            header: client_header(&to_copy, client::CLIENT),
            targets: vec![(&newcomer).into()],
            ..Default::default()
        });
        let answer = Connection::to(&source).await.ask(transfer).await;
        answer.accepted().unwrap();
    }
    let nodes = [source, newcomer];
    let sent = (2 << 20) + 1024;
    let setup = Setup::recovery(Stage::PipelineSetupStreamingRecovery, 2, acknowledged, sent);
    let mut recovered = Pipeline::open(&block, &setup, &nodes).await;
    recovered.write(&data, acknowledged).await;
    recovered.finish(data.len()).await;
    all_have(&cluster, &nodes, &block, 2, &data).await;
}

#[tokio::test]
async fn a_copy_to_a_datanode_that_is_gone_names_it() {
    let mut cluster = Cluster::start(2).await;
    let block = cluster.block(1, 1);
    let (source, gone) = (cluster.nodes[0].node(), cluster.nodes[1].node());
    cluster.nodes[1].stop().await;
    put(&block, std::slice::from_ref(&source), &bytes(100)).await;
    let transfer = Op::TransferBlock(pb::OpTransferBlockProto {
        header: client_header(&block, client::CLIENT),
        targets: vec![(&gone).into()],
        ..Default::default()
    });
    let refused = Connection::to(&source)
        .await
        .ask(transfer)
        .await
        .accepted()
        .unwrap_err();
    assert_eq!(refused.bad_link, gone.address());
}

#[tokio::test]
async fn a_pipeline_that_can_not_be_built_names_the_bad_link_and_leaves_nothing() {
    let mut cluster = Cluster::start(3).await;
    let block = cluster.block(1, 1);
    let all = cluster.pipeline(&[0, 1, 2]);
    cluster.nodes[2].stop().await;
    let refused = Pipeline::try_open(&block, &Setup::create(), &all)
        .await
        .err()
        .unwrap();
    assert_eq!(refused.bad_link, all[2].address());
    // Without it the same chunk can be begun again, at once.
    put(&block, &all[..2], &bytes(1000)).await;
    all_have(&cluster, &all[..2], &block, 1, &bytes(1000)).await;
    let again = Pipeline::try_open(&block, &Setup::create(), &all[..2])
        .await
        .err()
        .unwrap();
    assert_eq!(again.status, Status::ErrorExists);
}

#[tokio::test]
async fn wrong_checksums_are_found_at_the_first_datanode_and_not_stored() {
    let cluster = Cluster::start(2).await;
    let nodes = cluster.pipeline(&[0, 1]);
    let block = cluster.block(1, 1);
    let data = bytes(2048);
    let mut pipeline = Pipeline::open(&block, &Setup::create(), &nodes).await;
    pipeline.write(&data[..1024], 0).await;
    let seqno = pipeline.send_with(1024, &data[1024..], &[0; 8], false).await;
    assert_eq!(
        pipeline.ack().await,
        PipelineAck::new(seqno, vec![Status::ErrorChecksum])
    );
    let setup = Setup::recovery(Stage::PipelineSetupStreamingRecovery, 2, 1024, 2048);
    let mut recovered = Pipeline::open(&block, &setup, &nodes).await;
    recovered.write(&data, 1024).await;
    recovered.finish(data.len()).await;
    all_have(&cluster, &nodes, &block, 2, &data).await;
}

#[tokio::test]
async fn a_packet_in_the_wrong_place_is_refused() {
    let cluster = Cluster::start(1).await;
    let nodes = cluster.pipeline(&[0]);
    let mut pipeline = Pipeline::open(&cluster.block(1, 1), &Setup::create(), &nodes).await;
    pipeline.write(&bytes(1024), 0).await;
    let seqno = pipeline.send(2048, &bytes(512)).await;
    assert_eq!(pipeline.ack().await, PipelineAck::new(seqno, vec![Status::Error]));
}

#[tokio::test]
async fn a_disk_that_fails_is_told_as_this_nodes_error() {
    let cluster = Cluster::start(2).await;
    let nodes = cluster.pipeline(&[0, 1]);
    for (op, last) in [
        (DiskOp::Write, false),
        (DiskOp::SyncData, true),
        (DiskOp::Rename, true),
    ] {
        let block = cluster.block(op as u64 + 10, 1);
        let mut pipeline = Pipeline::open(&block, &Setup::create(), &nodes).await;
        pipeline.write(&bytes(1024), 0).await;
        cluster.nodes[1]
            .faults()
            .add(Fault::once(op, 0, Effect::Fail(5)).on("chunk"));
        let seqno = if last {
            pipeline.send_last(1024).await
        } else {
            pipeline.send(1024, &bytes(512)).await
        };
        let ack = pipeline.ack().await;
        assert_eq!(
            ack,
            PipelineAck::new(seqno, vec![Status::Success, Status::Error]),
            "{op:?}"
        );
        cluster.nodes[1].faults().clear();
    }
    assert!(cluster.nodes[1].temporary_files().is_empty());
}

#[tokio::test]
async fn a_replica_whose_writer_is_gone_is_removed() {
    let cluster = Cluster::start_with(1, |config| {
        config.abandoned_write_timeout = Duration::from_millis(100);
    })
    .await;
    let block = cluster.block(1, 1);
    let nodes = cluster.pipeline(&[0]);
    let mut pipeline = Pipeline::open(&block, &Setup::create(), &nodes).await;
    pipeline.write(&bytes(1000), 0).await;
    let empty = Pipeline::open(&cluster.block(2, 1), &Setup::create(), &nodes).await;
    assert_eq!(cluster.nodes[0].temporary_files().len(), 4);
    drop(empty);
    until("the temporary files of the empty one to go", || {
        cluster.nodes[0].temporary_files().len() == 2
    })
    .await;
    until("the master to hear of the other", || {
        cluster.master.unfinished(nodes[0].id) == [(1, 1, 1000)]
    })
    .await;
    cluster.master.drop_unfinished(1, 1);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(cluster.nodes[0].temporary_files().len(), 2, "somebody writes it");
    drop(pipeline);
    until("the temporary files to go", || {
        cluster.nodes[0].temporary_files().is_empty()
    })
    .await;
    let setup = Setup::recovery(Stage::PipelineSetupStreamingRecovery, 2, 1000, 1000);
    let refused = Pipeline::try_open(&block, &setup, &nodes).await.err().unwrap();
    assert!(refused.message.contains("is not here"), "{refused}");
}

#[tokio::test]
async fn a_replica_that_is_being_written_is_not_abandoned_however_slow() {
    let cluster = Cluster::start_with(1, |config| config.abandoned_write_timeout = Duration::ZERO).await;
    let nodes = cluster.pipeline(&[0]);
    let block = cluster.block(1, 1);
    let mut pipeline = Pipeline::open(&block, &Setup::create(), &nodes).await;
    for part in 1..10 {
        // Gives the sweep, which runs every 10 ms, its chance.
        tokio::time::sleep(Duration::from_millis(5)).await;
        pipeline.write(&bytes(part * 512), (part - 1) * 512).await;
    }
    pipeline.finish(9 * 512).await;
    all_have(&cluster, &nodes, &block, 1, &bytes(9 * 512)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_slows_the_writer_and_memory_stays_bounded() {
    let cluster = Cluster::start(3).await;
    let block = cluster.block(1, 1);
    let nodes = cluster.pipeline(&[0, 1, 2]);
    let gate = Gate::new();
    let slow = Fault::always(DiskOp::Write, Effect::Hold(gate.clone())).on("chunk");
    let Pipeline { connection, .. } = Pipeline::open(&block, &Setup::create(), &nodes).await;
    cluster.nodes[2].faults().add(slow);
    let Connection {
        mut reader,
        mut writer,
    } = connection;

    // More than all sockets of the pipeline (at most 10 MiB each) and two packets a datanode hold.
    let total = 96usize << 20;
    let packet = 1usize << 20;
    let data = bytes(packet);
    let mut sums = Vec::new();
    transfer::checksum::append(&data, &mut sums);
    let (sent, mut progress) = tokio::sync::watch::channel(0usize);
    let sender = tokio::spawn(async move {
        for seqno in 0..total / packet {
            let header = PacketHeader {
                offset: (seqno * packet) as u64,
                seqno: seqno as i64,
                last: false,
                data_len: packet as u32,
                sync: false,
            };
            writer.write_packet(&header, &sums, &data).await.unwrap();
            sent.send_modify(|sent| *sent += packet);
        }
        writer
    });
    // The third disk hangs in its first write. Wait until nothing moves any more.
    let hanging = gate.clone();
    tokio::task::spawn_blocking(move || hanging.wait_for(1))
        .await
        .unwrap();
    while tokio::time::timeout(Duration::from_millis(300), progress.changed())
        .await
        .is_ok()
    {}
    let held = *progress.borrow();
    assert!(
        held < total / 2,
        "{held} bytes were taken by a pipeline whose disk hangs"
    );
    assert!(!sender.is_finished());
    assert_eq!(gate.waiting(), 1, "one write at a time");

    gate.open();
    for seqno in 0..total / packet {
        let ack = in_time("an ack", reader.read_ack()).await.unwrap();
        assert_eq!(ack, PipelineAck::new(seqno as i64, vec![Status::Success; 3]));
    }
    sender.await.unwrap();
}
