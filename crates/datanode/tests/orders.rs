//! What the leader orders: copies from datanode to datanode, replicas read again, deletions of corrupt ones.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::client::{Pipeline, Setup, get, put};
use common::master::{FakeMaster, Options, Reported};
use common::{Cluster, TestNode, bytes, in_time};
use env::net::Network;
use proto::v1::command::Command;
use proto::v1::{self, ReplicaEvent};
use transfer::{Block, Node};
use types::Generation;

fn copy_to(target: &Node, block: &Block, len: usize, bytes_per_s: u64) -> Command {
    Command::CopyReplica(v1::CopyReplica {
        extent: Some(v1::Extent {
            chunk: block.chunk.as_u64(),
            generation: block.generation.as_u64(),
            length: len as u64,
        }),
        target: Some(v1::Datanode {
            id: target.id.0.as_bytes().to_vec().into(),
            host: target.host.clone(),
            data_port: target.port.into(),
            rack: String::new(),
        }),
        target_storage_id: Vec::new().into(),
        bytes_per_s,
    })
}

fn version(block: &Block, only_corrupt: bool) -> v1::ReplicaVersion {
    v1::ReplicaVersion {
        chunk: block.chunk.as_u64(),
        generation: block.generation.as_u64(),
        only_corrupt,
    }
}

fn verify(block: &Block) -> Command {
    Command::VerifyReplicas(v1::VerifyReplicas {
        replicas: vec![version(block, false)],
    })
}

fn delete_corrupt(block: &Block) -> Command {
    Command::DeleteReplicas(v1::DeleteReplicas {
        replicas: vec![version(block, true)],
    })
}

fn reported(node: &Node, event: ReplicaEvent, block: &Block, len: usize) -> Reported {
    Reported {
        datanode: node.id,
        event,
        chunk: block.chunk.as_u64(),
        generation: block.generation.as_u64(),
        length: len as u64,
    }
}

fn flip(node: &TestNode, block: &Block, offset: usize) {
    let path = node.data_file(block);
    let mut content = std::fs::read(&path).unwrap();
    content[offset] ^= 0x10;
    std::fs::write(&path, content).unwrap();
}

fn count(cluster: &Cluster, what: Reported) -> usize {
    let changes = cluster.master.seen().changes;
    changes.iter().filter(|change| **change == what).count()
}

async fn reported_times(cluster: &Cluster, what: Reported, times: usize) {
    let text = format!("{what:?}, {times} times");
    cluster
        .master
        .wait(&text, |seen| {
            seen.changes.iter().filter(|change| **change == what).count() >= times
        })
        .await;
}

/// Nothing is being written there, and the chunk is not there either.
fn has_nothing(node: &TestNode, block: &Block) {
    assert!(node.temporary_files().is_empty());
    assert!(!node.data_file(block).exists());
}

#[tokio::test]
async fn a_copy_is_a_replica_like_any_other() {
    for packed_max in [0, 64 << 10] {
        let cluster = Cluster::start_with(2, |config| config.packed_max = packed_max).await;
        let nodes = cluster.pipeline(&[0, 1]);
        for (id, len) in [(1, 0), (2, 1), (3, 512), (4, 70_000), (5, (3 << 20) + 700)] {
            let (block, data) = (cluster.block(id, 7), bytes(len));
            put(&block, &nodes[..1], &data).await;
            cluster
                .master
                .order(nodes[0].id, copy_to(&nodes[1], &block, len, 0));
            let received = reported(&nodes[1], ReplicaEvent::Received, &block, len);
            cluster.master.reported(received).await;
            assert!(get(&nodes[1], &block, len).await == data, "{len} bytes");
        }
        assert_eq!(cluster.master.seen().failures, []);
        assert!(cluster.nodes[1].temporary_files().is_empty());
        cluster
            .master
            .wait("the end of all copies", |seen| {
                seen.last_heartbeat.as_ref().is_some_and(|h| h.transfers == 0)
            })
            .await;
    }
}

#[tokio::test]
async fn a_good_replica_is_not_replaced_but_told_again() {
    let cluster = Cluster::start(2).await;
    let nodes = cluster.pipeline(&[0, 1]);
    let (block, data) = (cluster.block(1, 1), bytes(100_000));
    put(&block, &nodes, &data).await;
    let received = reported(&nodes[1], ReplicaEvent::Received, &block, data.len());
    cluster.master.reported(received).await;
    cluster
        .master
        .order(nodes[0].id, copy_to(&nodes[1], &block, data.len(), 0));
    let why = cluster.master.failed(nodes[0].id, 1).await;
    assert!(why.contains("is here already, at generation 1"), "{why}");
    reported_times(&cluster, received, 2).await;
    assert!(get(&nodes[1], &block, data.len()).await == data);
}

#[tokio::test]
async fn a_corrupt_replica_is_replaced_in_place() {
    let cluster = Cluster::start(2).await;
    let nodes = cluster.pipeline(&[0, 1]);
    let (block, data) = (cluster.block(1, 1), bytes(100_000));
    put(&block, &nodes, &data).await;
    flip(&cluster.nodes[1], &block, 70_000);
    cluster.master.order(nodes[1].id, verify(&block));
    let corrupt = reported(&nodes[1], ReplicaEvent::Corrupt, &block, data.len());
    cluster.master.reported(corrupt).await;
    cluster
        .master
        .order(nodes[0].id, copy_to(&nodes[1], &block, data.len(), 0));
    let received = reported(&nodes[1], ReplicaEvent::Received, &block, data.len());
    reported_times(&cluster, received, 2).await;
    assert!(get(&nodes[1], &block, data.len()).await == data);
    // The order to delete what was corrupt comes late: nothing is.
    cluster.master.order(nodes[1].id, delete_corrupt(&block));
    cluster.master.order(nodes[1].id, verify(&block));
    let verified = reported(&nodes[1], ReplicaEvent::Verified, &block, data.len());
    cluster.master.reported(verified).await;
    assert!(get(&nodes[1], &block, data.len()).await == data);
}

#[tokio::test]
async fn only_a_corrupt_replica_is_deleted_as_such() {
    let cluster = Cluster::start(1).await;
    let nodes = cluster.pipeline(&[0]);
    for (id, rots) in [(1, false), (2, true)] {
        let block = cluster.block(id, 1);
        put(&block, &nodes, &bytes(1_000)).await;
        let event = if rots {
            flip(&cluster.nodes[0], &block, 5);
            ReplicaEvent::Corrupt
        } else {
            ReplicaEvent::Verified
        };
        cluster.master.order(nodes[0].id, verify(&block));
        let judged = reported(&nodes[0], event, &block, 1_000);
        cluster.master.reported(judged).await;
        cluster.master.order(nodes[0].id, delete_corrupt(&block));
    }
    let gone = reported(&nodes[0], ReplicaEvent::Deleted, &cluster.block(2, 1), 1_000);
    cluster.master.reported(gone).await;
    assert!(cluster.nodes[0].data_file(&cluster.block(1, 1)).exists());
    assert!(!cluster.nodes[0].data_file(&cluster.block(2, 1)).exists());
}

#[tokio::test]
async fn a_source_that_has_rotted_is_told_and_nothing_is_left_at_the_target() {
    let cluster = Cluster::start(2).await;
    let nodes = cluster.pipeline(&[0, 1]);
    let (block, len) = (cluster.block(1, 1), 3 << 20);
    put(&block, &nodes[..1], &bytes(len)).await;
    flip(&cluster.nodes[0], &block, len - 5);
    cluster
        .master
        .order(nodes[0].id, copy_to(&nodes[1], &block, len, 0));
    let corrupt = reported(&nodes[0], ReplicaEvent::Corrupt, &block, len);
    cluster.master.reported(corrupt).await;
    let why = cluster.master.failed(nodes[0].id, 1).await;
    assert!(why.contains("does not match its checksum"), "{why}");
    common::until("the rest to go", || cluster.nodes[1].temporary_files().is_empty()).await;
    has_nothing(&cluster.nodes[1], &block);
    // From now on it is no source at all.
    cluster
        .master
        .order(nodes[0].id, copy_to(&nodes[1], &block, len, 0));
    cluster
        .master
        .wait("a second failure", |seen| {
            seen.failures.len() == 2 && seen.failures[1].2.contains("is corrupt")
        })
        .await;
}

#[tokio::test]
async fn orders_that_make_no_sense_here_come_back_with_the_reason() {
    let cluster = Cluster::start(2).await;
    let nodes = cluster.pipeline(&[0, 1]);
    let block = cluster.block(1, 5);
    put(&block, &nodes[..1], &bytes(100)).await;
    let older = cluster.block(1, 4);
    let absent = cluster.block(2, 1);
    let [source, target] = [&nodes[0], &nodes[1]];
    for (order, chunk, reason) in [
        (copy_to(target, &absent, 1, 0), 2, "chunk 2 is not here"),
        (copy_to(target, &older, 100, 0), 1, "at generation 5"),
        (copy_to(target, &block, 99, 0), 1, "with 100 bytes"),
        (copy_to(source, &block, 100, 0), 1, "to the datanode that has it"),
        (verify(&absent), 2, "chunk 2 is not here"),
        (verify(&older), 1, "at generation 5, not 4"),
    ] {
        let before = cluster.master.seen().failures.len();
        cluster.master.order(source.id, order);
        let seen = cluster
            .master
            .wait(reason, |seen| seen.failures.len() > before)
            .await;
        let (at, of, why) = &seen.failures[before];
        assert_eq!((*at, *of), (source.id, chunk));
        assert!(why.contains(reason), "{why}");
    }
    has_nothing(&cluster.nodes[1], &block);
    assert_eq!(
        count(&cluster, reported(source, ReplicaEvent::Verified, &block, 100)),
        0
    );
}

#[tokio::test]
async fn a_full_target_refuses_and_one_that_is_gone_is_named() {
    let master = FakeMaster::start(1).await;
    let mut cluster = Cluster::start_under(master, 3, |at, config| {
        if at == 1 {
            config.reserve = datanode::Reserve::Bytes(u64::MAX);
        }
    })
    .await;
    let nodes = cluster.pipeline(&[0, 1, 2]);
    cluster.nodes[2].stop().await;
    for (id, target, reason) in [(1, 1, "no volume can take chunk 1"), (2, 2, "can not connect")] {
        let block = cluster.block(id, 1);
        put(&block, &nodes[..1], &bytes(100)).await;
        cluster
            .master
            .order(nodes[0].id, copy_to(&nodes[target], &block, 100, 0));
        let why = cluster.master.failed(nodes[0].id, id).await;
        assert!(why.contains(reason), "{why}");
        assert!(why.contains(&nodes[target].address()), "{why}");
    }
    has_nothing(&cluster.nodes[1], &cluster.block(1, 1));
}

#[tokio::test]
async fn a_target_that_dies_in_the_middle_is_named_and_nothing_hangs() {
    let mut cluster = Cluster::start(3).await;
    let nodes = cluster.pipeline(&[0, 1, 2]);
    let (block, len) = (cluster.block(1, 1), 2 << 20);
    put(&block, &nodes[..1], &bytes(len)).await;
    // For half a minute.
    cluster
        .master
        .order(nodes[0].id, copy_to(&nodes[1], &block, len, 64 << 10));
    cluster
        .master
        .wait("a copy under way", |seen| {
            seen.last_heartbeat.as_ref().is_some_and(|h| h.transfers == 1)
        })
        .await;
    common::until("the first bytes", || {
        !cluster.nodes[1].temporary_files().is_empty()
    })
    .await;
    cluster.nodes[1].stop().await;
    let why = cluster.master.failed(nodes[0].id, 1).await;
    assert!(why.contains(&nodes[1].address()), "{why}");
    has_nothing(&cluster.nodes[1], &block);
    // The same to another one.
    cluster
        .master
        .order(nodes[0].id, copy_to(&nodes[2], &block, len, 0));
    let received = reported(&nodes[2], ReplicaEvent::Received, &block, len);
    cluster.master.reported(received).await;
    assert!(get(&nodes[2], &block, len).await == bytes(len));
}

#[tokio::test]
async fn copies_keep_to_their_limits() {
    let master = FakeMaster::start(1).await;
    let cluster = Cluster::start_under(master, 2, |_, config| config.copy_bytes_per_s = 4 << 20).await;
    let nodes = cluster.pipeline(&[0, 1]);
    let len = 2 << 20;
    for id in 1..=4 {
        put(&cluster.block(id, 1), &nodes[..1], &bytes(len)).await;
    }
    let copied = async |ids: std::ops::RangeInclusive<u64>, bytes_per_s| {
        let begun = Instant::now();
        for id in ids.clone() {
            let order = copy_to(&nodes[1], &cluster.block(id, 1), len, bytes_per_s);
            cluster.master.order(nodes[0].id, order);
        }
        for id in ids {
            let received = reported(&nodes[1], ReplicaEvent::Received, &cluster.block(id, 1), len);
            cluster.master.reported(received).await;
        }
        begun.elapsed()
    };
    // Four pieces of half a MiB: the first goes at once.
    let alone = copied(1..=1, 2 << 20).await;
    assert!(alone >= Duration::from_millis(740), "{alone:?}");
    // Together at most 4 MiB/s, and each piece of 1 MiB: five wait for a quarter of a second.
    let together = copied(2..=4, 0).await;
    assert!(together >= Duration::from_millis(1_240), "{together:?}");
}

#[tokio::test]
async fn an_old_leader_and_one_that_does_not_lead_order_in_vain() {
    let (old, new) = (FakeMaster::start(1).await, FakeMaster::start(1).await);
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let mut node = TestNode::new();
        let mut config = node.config(&old);
        config.masters.push(new.address());
        node.start_with(config).await;
        nodes.push(node);
    }
    for master in [&old, &new] {
        master
            .wait("registrations", |seen| seen.registrations.len() == 2)
            .await;
        master.wait("heartbeats", |seen| seen.heartbeats > 4).await;
    }
    let cluster = Cluster { master: old, nodes };
    let at = cluster.pipeline(&[0, 1]);
    let block = cluster.block(1, 1);
    put(&block, &at[..1], &bytes(100)).await;
    new.set_term(6);
    for _ in 0..3 {
        new.some_heartbeats().await;
    }
    cluster.master.order(at[0].id, copy_to(&at[1], &block, 100, 0));
    cluster.master.order(at[0].id, verify(&block));
    for _ in 0..3 {
        cluster.master.some_heartbeats().await;
    }
    new.stand_by();
    new.order(at[0].id, copy_to(&at[1], &block, 100, 0));
    for _ in 0..3 {
        new.some_heartbeats().await;
    }
    has_nothing(&cluster.nodes[1], &block);
    assert_eq!(
        count(&cluster, reported(&at[0], ReplicaEvent::Verified, &block, 100)),
        0
    );
}

#[tokio::test]
async fn a_copy_does_not_disturb_a_writer() {
    let cluster = Cluster::start(2).await;
    let nodes = cluster.pipeline(&[0, 1]);
    let (block, data) = (cluster.block(1, 1), bytes(5_000));
    put(&block, &nodes[..1], &data).await;
    let mut pipeline = Pipeline::open(&block, &Setup::create(), &nodes[1..]).await;
    pipeline.write(&data[..1024], 0).await;
    cluster
        .master
        .order(nodes[0].id, copy_to(&nodes[1], &block, data.len(), 0));
    let why = cluster.master.failed(nodes[0].id, 1).await;
    assert!(why.contains("being written"), "{why}");
    pipeline.write(&data, 1024).await;
    pipeline.finish(data.len()).await;
    assert!(get(&nodes[1], &block, data.len()).await == data);
}

#[tokio::test]
async fn an_older_replica_makes_room_for_a_newer_one() {
    let cluster = Cluster::start(2).await;
    let nodes = cluster.pipeline(&[0, 1]);
    put(&cluster.block(1, 1), &nodes[1..], &bytes(10)).await;
    let (block, data) = (cluster.block(1, 2), bytes(5_000));
    put(&block, &nodes[..1], &data).await;
    cluster
        .master
        .order(nodes[0].id, copy_to(&nodes[1], &block, data.len(), 0));
    let received = reported(&nodes[1], ReplicaEvent::Received, &block, data.len());
    cluster.master.reported(received).await;
    let newer = Block {
        generation: Generation(2),
        ..block
    };
    assert!(get(&nodes[1], &newer, data.len()).await == data);
}

#[tokio::test]
async fn many_small_copies_share_a_few_connections() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let master = FakeMaster::start(1).await;
    let mut target = TestNode::new();
    target.start(&master).await;
    let to_target = target.node().address();
    let mut source = TestNode::new();
    source.net = Network::translated(move |address| {
        counted.fetch_add(usize::from(address == to_target), Ordering::Relaxed);
        Ok(address.to_owned())
    });
    source.start(&master).await;
    let cluster = Cluster {
        master,
        nodes: vec![source, target],
    };
    let nodes = cluster.pipeline(&[0, 1]);
    for id in 1..=200 {
        put(&cluster.block(id, 1), &nodes[..1], &bytes(700)).await;
    }
    for id in 1..=200 {
        let order = copy_to(&nodes[1], &cluster.block(id, 1), 700, 0);
        cluster.master.order(nodes[0].id, order.clone());
        // A master that asks twice.
        cluster.master.order(nodes[0].id, order);
    }
    let all_received = |seen: &common::master::Seen| {
        let received = seen
            .changes
            .iter()
            .filter(|change| change.datanode == nodes[1].id);
        received.count() >= 200
    };
    cluster.master.wait("200 copies", all_received).await;
    let connections = connections.load(Ordering::Relaxed);
    assert!((1..=60).contains(&connections), "{connections} connections");
    for id in [1, 100, 200] {
        assert!(get(&nodes[1], &cluster.block(id, 1), 700).await == bytes(700));
    }
}

#[tokio::test]
async fn orders_do_not_wait_for_an_interval_and_neither_do_failures() {
    let patient = Options {
        heartbeat_ms: 20_000,
        holds: true,
        ..Options::default()
    };
    let master = FakeMaster::start_as(1, patient).await;
    let mut cluster = Cluster::start_under(master, 2, |_, _| {}).await;
    let nodes = cluster.pipeline(&[0, 1]);
    cluster.nodes[1].stop().await;
    let begun = Instant::now();
    for id in 1..=3 {
        let block = cluster.block(id, 1);
        put(&block, &nodes[..1], &bytes(100)).await;
        cluster
            .master
            .order(nodes[0].id, copy_to(&nodes[1], &block, 100, 0));
        cluster.master.failed(nodes[0].id, id).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn heartbeats_tell_how_fast_the_disk_is_and_who_is_known() {
    let cluster = Cluster::start(1).await;
    let nodes = cluster.pipeline(&[0]);
    let block = cluster.block(1, 1);
    put(&block, &nodes, &bytes(1_000)).await;
    get(&nodes[0], &block, 1_000).await;
    let other = types::DatanodeId::from_random_bytes([9; 16]);
    let member = |id: types::DatanodeId| v1::MemberState {
        datanode: Some(v1::Datanode {
            id: id.0.as_bytes().to_vec().into(),
            host: "elsewhere".into(),
            data_port: 1,
            rack: "/r".into(),
        }),
        admin: v1::AdminState::Decommissioning.into(),
        alive: true,
        maintenance_until_ms: 0,
    };
    cluster.master.tell_members(v1::MembersUpdate {
        version: 4,
        full: true,
        members: vec![member(nodes[0].id), member(other)],
        removed: Vec::new(),
    });
    cluster
        .master
        .wait("what was measured, and the version", |seen| {
            seen.last_heartbeat.as_ref().is_some_and(|h| {
                h.members_seen == 4 && h.storages[0].sync_us > 0 && h.storages[0].read_us > 0
            })
        })
        .await;
    let known = cluster.nodes[0].running().members();
    assert_eq!(known.len(), 2);
    assert!(known.iter().all(|m| m.admin == datanode::Admin::Decommissioning));
    cluster.master.tell_members(v1::MembersUpdate {
        version: 5,
        full: false,
        members: Vec::new(),
        removed: vec![other.0.as_bytes().to_vec().into()],
    });
    common::until("one to be gone", || {
        cluster.nodes[0].running().members().len() == 1
    })
    .await;
    in_time("a heartbeat", cluster.master.some_heartbeats()).await;
}
