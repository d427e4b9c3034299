//! The recovery of a file whose writer is gone, at the datanodes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod common;

use common::client::{Connection, PACKET, Pipeline, Setup, get, put, read_op};
use common::master::Reported;
use common::{Cluster, bytes, in_time, until};
use env::disk::{Effect, Fault, Op as DiskOp};
use proto::v1;
use transfer::pb::{BlockConstructionStage as Stage, Status};
use transfer::{Block, PacketHeader, PipelineAck};

const fn order(recovery: u64, length: Option<u64>) -> v1::RecoverReplica {
    v1::RecoverReplica {
        chunk: 1,
        generation: 1,
        recovery,
        length,
    }
}

fn found(recovery: u64, length: usize, finished: bool) -> v1::RecoveryAnswer {
    v1::RecoveryAnswer {
        chunk: 1,
        recovery,
        length: Some(length as u64),
        finished,
        failure: String::new(),
        restarted: false,
    }
}

#[tokio::test]
async fn a_writer_is_stopped_and_what_is_there_is_finished_under_the_new_generation() {
    let cluster = Cluster::start(2).await;
    let nodes = cluster.pipeline(&[0, 1]);
    let block = cluster.block(1, 1);
    let data = bytes(PACKET + 700);
    let mut pipeline = Pipeline::open(&block, &Setup::create(), &nodes).await;
    pipeline.write(&data, 0).await;
    for _ in 0..2 {
        // Twice: an order may come again.
        for node in &nodes {
            let answer = cluster.master.recover(node.id, order(2, None)).await;
            assert_eq!(answer, found(2, data.len(), false));
        }
    }
    let ended = in_time("the end of the stream", pipeline.connection.reader.read_ack()).await;
    assert!(ended.is_err(), "the old writer is closed out: {ended:?}");
    let setup = Setup::recovery(Stage::PipelineSetupStreamingRecovery, 2, 0, 1 << 20);
    let zombie = Block {
        generation: types::Generation(1),
        ..block.clone()
    };
    // It was given generation 2 before, and has not heard that somebody else has it.
    let resumed = Pipeline::try_open(&zombie, &setup, &nodes).await;
    drop(resumed);
    // The shortest one has a little less.
    let len = PACKET + 100;
    for node in &nodes {
        let answer = cluster.master.recover(node.id, order(3, None)).await;
        assert_eq!(answer, found(3, data.len(), false));
        for _ in 0..2 {
            let answer = cluster.master.recover(node.id, order(3, Some(len as u64))).await;
            assert_eq!(answer, found(3, len, true));
        }
        assert_eq!(get(node, &cluster.block(1, 3), len).await, data[..len]);
        let late = cluster.master.recover(node.id, order(2, None)).await;
        assert!(late.failure.contains("comes too late"), "{late:?}");
    }
    let refused = Pipeline::try_open(&zombie, &setup, &nodes).await.err().unwrap();
    assert!(refused.message.contains("generation 3"), "{refused}");
}

#[tokio::test]
async fn what_is_finished_or_stale_or_not_there_is_told_as_such() {
    let cluster = Cluster::start(1).await;
    let nodes = cluster.pipeline(&[0]);
    let nothing = v1::RecoveryAnswer {
        chunk: 1,
        recovery: 5,
        ..Default::default()
    };
    assert_eq!(cluster.master.recover(nodes[0].id, order(5, None)).await, nothing);
    put(&cluster.block(1, 1), &nodes, &bytes(300)).await;
    let stale = v1::RecoverReplica {
        generation: 2,
        ..order(5, None)
    };
    assert_eq!(cluster.master.recover(nodes[0].id, stale).await, nothing);
    let answer = cluster.master.recover(nodes[0].id, order(5, None)).await;
    assert_eq!(answer, found(5, 300, true));
    assert_eq!(get(&nodes[0], &cluster.block(1, 5), 300).await, bytes(300));
    let longer = cluster.master.recover(nodes[0].id, order(5, Some(301))).await;
    assert!(
        longer.failure.contains("finished here with 300 bytes"),
        "{longer:?}"
    );
    let same = cluster.master.recover(nodes[0].id, order(5, Some(300))).await;
    assert_eq!(same, found(5, 300, true));
}

#[tokio::test]
async fn what_is_finished_is_cut_and_the_old_generation_is_not_served_as_the_new() {
    let cluster = Cluster::start(1).await;
    let nodes = cluster.pipeline(&[0]);
    let data = bytes(PACKET + 300);
    put(&cluster.block(1, 1), &nodes, &data).await;
    let len = PACKET + 77;
    for recovery in [2, 2, 3] {
        let answer = cluster
            .master
            .recover(nodes[0].id, order(recovery, Some(len as u64)))
            .await;
        assert_eq!(answer, found(recovery, len, true));
        assert_eq!(
            get(&nodes[0], &cluster.block(1, recovery), len).await,
            data[..len]
        );
    }
    let beyond = common::client::read_op(&cluster.block(1, 3), len, 1);
    let mut connection = common::client::Connection::to(&nodes[0]).await;
    assert!(connection.ask(beyond).await.accepted().is_err());
    assert_eq!(
        std::fs::metadata(cluster.nodes[0].data_file(&cluster.block(1, 1)))
            .unwrap()
            .len(),
        len as u64
    );
}

#[tokio::test]
async fn what_is_finished_is_cut_once_the_recovery_knows_the_length() {
    for packed_max in [0, 64 << 10] {
        let cluster = Cluster::start_with(1, |config| config.packed_max = packed_max).await;
        let nodes = cluster.pipeline(&[0]);
        let data = bytes(PACKET);
        put(&cluster.block(1, 1), &nodes, &data).await;
        let len = 700;
        let (order, master) = (|len| order(2, len), &cluster.master);
        for _ in 0..2 {
            let answer = master.recover(nodes[0].id, order(None)).await;
            assert_eq!(answer, found(2, data.len(), true));
        }
        for _ in 0..2 {
            let answer = master.recover(nodes[0].id, order(Some(len as u64))).await;
            assert_eq!(answer, found(2, len, true));
        }
        assert_eq!(get(&nodes[0], &cluster.block(1, 2), len).await, data[..len]);
        let reported = Reported {
            datanode: nodes[0].id,
            event: v1::ReplicaEvent::Received,
            chunk: 1,
            generation: 2,
            length: len as u64,
        };
        master.reported(reported).await;
    }
}

#[tokio::test]
async fn what_was_synced_outlives_a_write_that_failed() {
    for (op, last) in [(DiskOp::Write, false), (DiskOp::SyncData, true)] {
        let cluster = Cluster::start(1).await;
        let nodes = cluster.pipeline(&[0]);
        let (data, synced) = (bytes(2 * PACKET), PACKET + 700);
        let mut pipeline = Pipeline::open(&cluster.block(1, 1), &Setup::create(), &nodes).await;
        pipeline.write(&data[..synced], 0).await;
        pipeline.sync(synced).await;
        pipeline.write(&data[..synced + 512], synced).await;
        let faults = cluster.nodes[0].faults();
        faults.add(Fault::once(op, 0, Effect::Fail(28)).on("chunk"));
        let seqno = match last {
            true => pipeline.send_last(synced + 512).await,
            false => {
                let from = synced - synced % 512 + 512;
                pipeline.send(from, &data[from..]).await
            }
        };
        let ack = pipeline.ack().await;
        assert_eq!(ack, PipelineAck::new(seqno, vec![Status::Error]), "{op:?}");
        let (master, node) = (&cluster.master, nodes[0].id);
        until("word of what is left", || {
            master.unfinished(node) == [(1, 1, synced as u64)]
        })
        .await;
        let left = v1::RecoveryAnswer {
            restarted: true,
            ..found(2, synced, false)
        };
        assert_eq!(master.recover(node, order(2, None)).await, left, "{op:?}");
        let answer = master.recover(node, order(2, Some(synced as u64))).await;
        assert_eq!(answer, found(2, synced, true));
        assert_eq!(get(&nodes[0], &cluster.block(1, 2), synced).await, data[..synced]);
    }
}

#[tokio::test]
async fn half_a_copy_is_told_to_nobody_and_takes_no_part() {
    for stage in [Stage::TransferRbw, Stage::TransferFinalized] {
        let cluster = Cluster::start(1).await;
        let (nodes, node) = (cluster.pipeline(&[0]), &cluster.nodes[0]);
        let data = bytes(3 * PACKET);
        let block = Block {
            len: data.len() as u64,
            ..cluster.block(1, 1)
        };
        let setup = Setup::recovery(stage, 1, data.len(), data.len());
        let mut copy = Pipeline::open(&block, &setup, &nodes).await;
        copy.send(0, &data[..PACKET]).await;
        let sync = PacketHeader {
            offset: PACKET as u64,
            seqno: 1,
            last: false,
            data_len: 0,
            sync: true,
        };
        let written = copy.connection.writer.write_packet(&sync, &[], &[]).await;
        written.unwrap();
        copy.send(PACKET, &data[PACKET..2 * PACKET]).await;
        let arrived = || {
            let mut files = node.temporary_files().into_iter();
            files.any(|file| std::fs::metadata(file).is_ok_and(|file| file.len() == 2 * PACKET as u64))
        };
        until("half of the copy", arrived).await;
        let files = node.temporary_files();
        assert_eq!(
            files.len(),
            2,
            "data and sums, and no record to adopt them by: {files:?}"
        );
        let mut reader = Connection::to(&nodes[0]).await;
        let shown = reader.ask(read_op(&block, 0, 0)).await.accepted();
        assert!(shown.is_err(), "it is no measure for what there is: {shown:?}");

        // What was begun later is told of; the copy is not.
        let mut other = Pipeline::open(&cluster.block(2, 1), &Setup::create(), &nodes).await;
        other.write(&data, 0).await;
        let master = &cluster.master;
        until("word of the other one", || {
            !master.unfinished(nodes[0].id).is_empty()
        })
        .await;
        assert_eq!(master.unfinished(nodes[0].id), [(2, 1, data.len() as u64)]);

        let nothing = v1::RecoveryAnswer {
            chunk: 1,
            recovery: 2,
            ..Default::default()
        };
        assert_eq!(master.recover(nodes[0].id, order(2, None)).await, nothing);
        let ended = in_time("the end of the stream", copy.connection.reader.read_response()).await;
        assert!(ended.is_err(), "{ended:?}");
    }
}

#[tokio::test]
async fn a_whole_copy_takes_part_and_one_that_ends_early_does_not() {
    let cluster = Cluster::start(1).await;
    let nodes = cluster.pipeline(&[0]);
    let data = bytes(2 * PACKET);
    let block = Block {
        len: data.len() as u64,
        ..cluster.block(1, 1)
    };
    let setup = Setup::recovery(Stage::TransferRbw, 1, data.len(), data.len());
    for whole in [false, true] {
        let mut copy = Pipeline::open(&block, &setup, &nodes).await;
        let len = if whole { data.len() } else { PACKET };
        for at in (0..len).step_by(PACKET) {
            copy.send(at, &data[at..at + PACKET]).await;
        }
        copy.send_last(len).await;
        let answer = in_time("an answer", copy.connection.reader.read_response()).await;
        assert_eq!(answer.unwrap().accepted().is_ok(), whole);
        let found = match whole {
            true => found(2, data.len(), false),
            false => v1::RecoveryAnswer {
                chunk: 1,
                recovery: 2,
                ..Default::default()
            },
        };
        assert_eq!(cluster.master.recover(nodes[0].id, order(2, None)).await, found);
    }
}

#[tokio::test]
async fn a_rotten_replica_is_not_cut_but_reported() {
    let cluster = Cluster::start(1).await;
    let nodes = cluster.pipeline(&[0]);
    let block = cluster.block(1, 1);
    put(&block, &nodes, &bytes(1000)).await;
    let path = cluster.nodes[0].data_file(&block);
    let mut content = std::fs::read(&path).unwrap();
    content[600] ^= 4;
    std::fs::write(&path, content).unwrap();
    let answer = cluster.master.recover(nodes[0].id, order(2, Some(700))).await;
    assert!(answer.failure.contains("corrupt"), "{answer:?}");
    let again = cluster.master.recover(nodes[0].id, order(2, Some(700))).await;
    assert_eq!(
        (again.length, again.failure.as_str()),
        (None, ""),
        "it takes no part any more"
    );
}
