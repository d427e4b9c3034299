//! What a datanode does by itself: it reads everything again, leaves disks that fail, takes in and leaves directories.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::path::Path;
use std::time::Duration;

use common::client::{Pipeline, Setup, get, put};
use common::master::Reported;
use common::{Cluster, bytes, in_time};
use env::disk::{Effect, Fault, Op};
use proto::v1;
use proto::v1::ReplicaEvent;
use proto::v1::command::Command;
use tempfile::TempDir;
use transfer::Block;
use types::DatanodeId;

/// So short that a round begins every half second.
const PERIOD: Duration = Duration::from_secs(1);

const EIO: i32 = 5;

fn told(id: DatanodeId, event: ReplicaEvent, block: &Block, len: usize) -> Reported {
    Reported {
        datanode: id,
        event,
        chunk: block.chunk.as_u64(),
        generation: block.generation.as_u64(),
        length: len as u64,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scrubbing_finds_rot_of_every_kind_that_nobody_reads() {
    let cluster = Cluster::start_with(1, |config| config.scrub_period = PERIOD).await;
    let (node, data) = (&cluster.nodes[0], bytes(70_000));
    let blocks: Vec<Block> = (1..=6).map(|id| cluster.block(id, 1001)).collect();
    for block in &blocks {
        put(block, &cluster.pipeline(&[0]), &data).await;
    }
    let files: Vec<_> = blocks.iter().map(|block| node.data_file(block)).collect();
    let sidecar =
        |path: &Path| path.with_file_name(format!("{}.meta", path.file_name().unwrap().to_str().unwrap()));
    let flip = |path: &Path, at: usize| {
        let mut content = std::fs::read(path).unwrap();
        content[at] ^= 1;
        std::fs::write(path, content).unwrap();
    };
    let id = node.running().id();
    flip(&files[0], 69_999);
    flip(&sidecar(&files[1]), 70);
    std::fs::write(&files[2], &data[..69_999]).unwrap();
    std::fs::remove_file(sidecar(&files[3])).unwrap();
    std::fs::remove_file(&files[4]).unwrap();
    std::fs::remove_file(sidecar(&files[4])).unwrap();
    for block in &blocks[..4] {
        cluster
            .master
            .reported(told(id, ReplicaEvent::Corrupt, block, data.len()))
            .await;
    }
    cluster
        .master
        .reported(told(id, ReplicaEvent::Deleted, &blocks[4], data.len()))
        .await;
    // The one that is whole is left alone, and a round is shown as done.
    assert_eq!(
        get(&cluster.pipeline(&[0])[0], &blocks[5], data.len()).await,
        data
    );
    cluster
        .master
        .wait("a round that is done", |seen| {
            let last = seen.last_heartbeat.as_ref();
            last.is_some_and(|beat| {
                beat.storages
                    .iter()
                    .all(|s| s.scrub_begun_ms > 0 && s.scrub_done >= 1.0)
            })
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_is_restored_after_a_restart() {
    let mut cluster = Cluster::start(1).await;
    let (block, data) = (cluster.block(1, 1001), bytes(70_000));
    put(&block, &cluster.pipeline(&[0]), &data).await;
    let version = || v1::ReplicaVersion {
        chunk: 1,
        generation: 1001,
        only_corrupt: false,
    };
    let id = cluster.nodes[0].running().id();
    cluster
        .master
        .command(Command::DeleteReplicas(v1::DeleteReplicas {
            replicas: vec![version()],
        }));
    cluster
        .master
        .reported(told(id, ReplicaEvent::Deleted, &block, data.len()))
        .await;
    cluster.nodes[0].stop().await;
    let master = &cluster.master;
    cluster.nodes[0].start(master).await;
    master
        .wait("bytes in quarantine", |seen| {
            let last = seen.last_heartbeat.as_ref();
            last.is_some_and(|beat| beat.storages.iter().any(|s| s.quarantined > 70_000))
        })
        .await;
    let before = received(&cluster, id, &block, data.len());
    cluster
        .master
        .command(Command::RestoreReplicas(v1::RestoreReplicas {
            replicas: vec![version()],
        }));
    common::until("the replica to be back", || {
        received(&cluster, id, &block, data.len()) > before
    })
    .await;
    assert_eq!(get(&cluster.pipeline(&[0])[0], &block, data.len()).await, data);
}

fn received(cluster: &Cluster, id: DatanodeId, block: &Block, len: usize) -> usize {
    let what = told(id, ReplicaEvent::Received, block, len);
    cluster
        .master
        .seen()
        .changes
        .iter()
        .filter(|reported| **reported == what)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_is_left_and_the_others_go_on() {
    let second = TempDir::new().unwrap();
    let (marked, dir) = (second.path().join("bad"), second.path().join("bad"));
    let cluster = Cluster::start_with(1, move |config| config.dirs.push(dir.clone())).await;
    let (node, data) = (&cluster.nodes[0], bytes(70_000));
    for id in 1..=4 {
        put(&cluster.block(id, 1001), &cluster.pipeline(&[0]), &data).await;
    }
    // What is kept for this one on the first disk makes the other one the roomier.
    let open = Pipeline::open(
        &cluster.block(100, 1001),
        &Setup::create(),
        &cluster.pipeline(&[0]),
    )
    .await;
    for id in 5..=8 {
        put(&cluster.block(id, 1001), &cluster.pipeline(&[0]), &data).await;
    }
    drop(open);
    for op in [Op::Create, Op::Write, Op::SyncData, Op::Read] {
        node.faults()
            .add(Fault::always(op, Effect::Fail(EIO)).on("/bad/"));
    }
    let seen = cluster
        .master
        .wait(
            "a storage that failed, and a report without its replicas",
            |seen| {
                let last = seen.last_heartbeat.as_ref();
                let failed = last
                    .is_some_and(|beat| beat.storages.iter().filter(|s| !s.failed.is_empty()).count() == 1);
                // The first report is from before anything was written.
                failed
                    && seen.reports.len() > 1
                    && seen
                        .reports
                        .last()
                        .is_some_and(|report| report.replicas.len() < 8)
            },
        )
        .await;
    let left = seen.reports.last().unwrap().replicas.len();
    assert_eq!(left, 4, "the other disk has its replicas");
    put(&cluster.block(20, 1001), &cluster.pipeline(&[0]), &data).await;
    assert_eq!(
        get(&cluster.pipeline(&[0])[0], &cluster.block(20, 1001), data.len()).await,
        data
    );
    assert!(marked.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_are_taken_in_and_left_while_the_datanode_runs() {
    let cluster = Cluster::start(1).await;
    let (node, data) = (&cluster.nodes[0], bytes(70_000));
    let first = node.dir.path().to_owned();
    let second = TempDir::new().unwrap();
    let more = second.path().join("more");
    put(&cluster.block(1, 1001), &cluster.pipeline(&[0]), &data).await;
    let change = node
        .running()
        .set_dirs(vec![first.clone(), more.clone()])
        .await
        .unwrap();
    assert_eq!(
        (change.added, change.removed.len(), change.refused.len()),
        (vec![more.clone()], 0, 0)
    );
    cluster
        .master
        .wait("two storages", |seen| {
            seen.last_heartbeat
                .as_ref()
                .is_some_and(|beat| beat.storages.len() == 2)
        })
        .await;
    // A directory of another cluster is refused, and nothing changes.
    let stranger = Cluster::start(1).await;
    let theirs = stranger.nodes[0].dir.path().to_owned();
    let dirs = vec![first.clone(), more.clone(), theirs];
    assert_eq!(node.running().set_dirs(dirs).await.unwrap().refused.len(), 1);

    let change = node.running().set_dirs(vec![more.clone()]).await.unwrap();
    assert_eq!(change.removed, std::slice::from_ref(&first));
    cluster
        .master
        .wait("a report that is empty", |seen| {
            seen.reports
                .last()
                .is_some_and(|report| report.replicas.is_empty())
        })
        .await;
    put(&cluster.block(2, 1001), &cluster.pipeline(&[0]), &data).await;
    let change = node.running().set_dirs(vec![more, first]).await.unwrap();
    assert_eq!(change.added.len(), 1);
    for id in [1, 2] {
        let (node, block) = (cluster.pipeline(&[0]).remove(0), cluster.block(id, 1001));
        assert_eq!(in_time("the read", get(&node, &block, data.len())).await, data);
    }
    assert!(node.running().set_dirs(Vec::new()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn masters_are_told_what_a_datanode_does_by_itself() {
    let cluster = Cluster::start_with(1, |config| {
        // Four times as often as it looks through what rests.
        config.abandoned_write_timeout = Duration::from_millis(200);
    })
    .await;
    let job = |seen: &common::master::Seen| {
        let heartbeat = seen.last_heartbeat.as_ref()?;
        heartbeat
            .jobs
            .iter()
            .find(|job| job.name == "quarantine")
            .cloned()
    };
    let says = |what: &'static str| {
        move |seen: &common::master::Seen| job(seen).is_some_and(|job| job.detail.starts_with(what))
    };
    cluster.master.wait("nothing rests", says("nothing rests")).await;
    let block = cluster.block(1, 1001);
    put(&block, &cluster.pipeline(&[0]), &bytes(70_000)).await;
    let victim = v1::ReplicaVersion {
        chunk: 1,
        generation: 1001,
        ..Default::default()
    };
    cluster
        .master
        .command(Command::DeleteReplicas(v1::DeleteReplicas {
            replicas: vec![victim],
        }));
    let seen = cluster.master.wait("it rests", |seen| {
        job(seen).is_some_and(|job| job.state() == v1::JobState::Running)
    });
    let told = job(&seen.await).unwrap();
    assert!(told.detail.contains("0 replicas destroyed"), "{}", told.detail);
    assert!(told.host.is_empty(), "the master knows who says it");
}
