//! What a datanode has to do with its masters.

mod common;

use std::sync::Arc;

use common::client::{get, put};
use common::master::{FakeMaster, Reported};
use common::{Cluster, TestNode, bytes, in_time, until};
use datanode::{Datanode, Failure, StartError};
use env::Env;
use proto::v1::command::Command;
use proto::v1::{DeleteReplicas, RegisterAgain, ReplicaEvent, ReplicaVersion, SendBlockReport};
use types::ClusterId;

fn delete(chunk: u64, generation: u64) -> Command {
    Command::DeleteReplicas(DeleteReplicas {
        replicas: vec![ReplicaVersion {
            chunk,
            generation,
            only_corrupt: false,
        }],
    })
}

async fn start(node: &TestNode, master: &FakeMaster) -> Result<Datanode, StartError> {
    let env = Env {
        disk: Arc::new(node.disk.clone()),
        ..Env::real()
    };
    Datanode::start(env, node.config(master)).await
}

#[tokio::test]
async fn an_empty_directory_is_formatted_and_the_identity_is_kept() {
    let master = FakeMaster::start(1).await;
    let mut node = TestNode::new();
    node.start(&master).await;
    let id = node.running().id();
    let seen = master.seen();
    let registration = &seen.registrations[0];
    assert_eq!(registration.cluster_id, master.cluster().to_string());
    let told = registration.datanode.as_ref().unwrap();
    assert_eq!(
        (told.host.as_str(), told.data_port),
        ("127.0.0.1", node.running().data_addr().port().into())
    );
    assert_eq!(proto::datanode_id(&told.id).unwrap(), id);
    let storage = registration.storages[0].id.clone();

    node.stop().await;
    node.start(&master).await;
    assert_eq!(node.running().id(), id);
    assert_eq!(master.seen().registrations[1].storages[0].id, storage);
}

#[tokio::test]
async fn a_directory_of_another_cluster_is_refused_with_both_ids() {
    let mut node = TestNode::new();
    let first = FakeMaster::start(1).await;
    node.start(&first).await;
    node.stop().await;
    let other = FakeMaster::start(2).await;
    let datanode = start(&node, &other).await.unwrap();
    let failure = in_time("the failure", datanode.failed()).await;
    let text = failure.to_string();
    assert!(matches!(failure, Failure::WrongCluster { .. }));
    for id in [first.cluster(), other.cluster()] {
        assert!(text.contains(&id.to_string()), "{text}");
    }
    in_time("shutdown", datanode.shutdown()).await;
    assert!(other.seen().registrations.is_empty());
}

#[tokio::test]
async fn two_masters_of_different_clusters_can_not_both_have_it() {
    let (one, two) = (FakeMaster::start(1).await, FakeMaster::start(2).await);
    let node = TestNode::new();
    let mut config = node.config(&one);
    config.masters.push(two.address());
    let datanode = Datanode::start(Env::real(), config).await.unwrap();
    let text = in_time("the failure", datanode.failed()).await.to_string();
    for seed in [1, 2] {
        assert!(
            text.contains(&ClusterId::from_random_bytes([seed; 16]).to_string()),
            "{text}"
        );
    }
    in_time("shutdown", datanode.shutdown()).await;
}

#[tokio::test]
async fn a_second_process_on_the_directory_is_refused() {
    let master = FakeMaster::start(1).await;
    let mut node = TestNode::new();
    node.start(&master).await;
    let refused = start(&node, &master).await.err().unwrap().to_string();
    assert!(
        refused.contains(&format!("in use by process {}", std::process::id())),
        "{refused}"
    );
    node.stop().await;
    node.start(&master).await;
}

#[tokio::test]
async fn a_master_that_comes_back_is_told_everything_again() {
    let Cluster { master, nodes } = Cluster::start(1).await;
    let cluster = Cluster { master, nodes };
    let node = cluster.nodes[0].node();
    put(&cluster.block(3, 7), std::slice::from_ref(&node), &bytes(1000)).await;
    let port = cluster.master.kill();
    let block = transfer::Block {
        pool: types::PoolId::of(ClusterId::from_random_bytes([1; 16])),
        chunk: types::ChunkId::new(4).unwrap(),
        generation: types::Generation(1),
        len: 0,
    };
    // While it is away, data still goes in and out.
    put(&block, std::slice::from_ref(&node), &bytes(10)).await;
    assert_eq!(get(&node, &block, 10).await, bytes(10));
    let again = FakeMaster::start_again(1, port).await;
    let seen = again.wait("a full report", |seen| !seen.reports.is_empty()).await;
    assert_eq!(seen.registrations.len(), 1);
    assert_eq!(seen.reports[0].replicas, [(3, 7, 1000), (4, 1, 10)]);
}

#[tokio::test]
async fn every_master_is_told() {
    let (one, two) = (FakeMaster::start(1).await, FakeMaster::start(1).await);
    let mut node = TestNode::new();
    let mut config = node.config(&one);
    config.masters.push(two.address());
    node.start_with(config).await;
    for master in [&one, &two] {
        master
            .wait("a full report", |seen| !seen.reports.is_empty())
            .await;
    }
    let cluster = Cluster {
        master: one,
        nodes: vec![node],
    };
    put(&cluster.block(1, 1), &cluster.pipeline(&[0]), &bytes(10)).await;
    for master in [&cluster.master, &two] {
        master
            .wait("the replica", |seen| {
                seen.changes.iter().any(|change| change.chunk == 1)
            })
            .await;
    }
}

#[tokio::test]
async fn replicas_are_deleted_at_exactly_their_generation_and_by_no_old_leader() {
    let cluster = Cluster::start(1).await;
    let node = cluster.nodes[0].node();
    for id in [1, 2] {
        put(&cluster.block(id, 5), std::slice::from_ref(&node), &bytes(100)).await;
    }
    let deleted = |chunk| Reported {
        datanode: node.id,
        event: ReplicaEvent::Deleted,
        chunk,
        generation: 5,
        length: 100,
    };
    // Another generation, and a leader of the past: neither deletes.
    cluster.master.command(delete(1, 4));
    cluster.master.set_term(4);
    cluster.master.command(delete(1, 5));
    cluster.master.some_heartbeats().await;
    assert_eq!(get(&node, &cluster.block(1, 5), 100).await, bytes(100));
    cluster.master.set_term(6);
    cluster.master.command(delete(2, 5));
    cluster.master.reported(deleted(2)).await;
    assert!(!cluster.nodes[0].data_file(&cluster.block(2, 5)).exists());
    assert!(!cluster.master.seen().changes.contains(&deleted(1)));
    assert!(cluster.nodes[0].data_file(&cluster.block(1, 5)).exists());
}

#[tokio::test]
async fn a_master_can_ask_for_a_full_report_and_for_a_new_registration() {
    let cluster = Cluster::start(1).await;
    let node = cluster.nodes[0].node();
    put(&cluster.block(1, 1), std::slice::from_ref(&node), &bytes(10)).await;
    cluster
        .master
        .command(Command::SendBlockReport(SendBlockReport {}));
    let seen = cluster
        .master
        .wait("a second report", |seen| seen.reports.len() == 2)
        .await;
    assert_eq!(seen.reports[1].replicas, [(1, 1, 10)]);
    cluster.master.command(Command::RegisterAgain(RegisterAgain {}));
    let seen = cluster
        .master
        .wait("a third report", |seen| seen.reports.len() == 3)
        .await;
    assert_eq!(seen.registrations.len(), 2);
}

#[tokio::test]
async fn heartbeats_tell_space_and_streams() {
    let cluster = Cluster::start(1).await;
    let node = cluster.nodes[0].node();
    put(&cluster.block(1, 1), std::slice::from_ref(&node), &bytes(1024)).await;
    let mut pipeline = common::client::Pipeline::open(
        &cluster.block(2, 1),
        &common::client::Setup::create(),
        std::slice::from_ref(&node),
    )
    .await;
    let seen = cluster
        .master
        .wait("a heartbeat with the stream and the chunk", |seen| {
            let heartbeat = seen.last_heartbeat.as_ref();
            heartbeat.is_some_and(|h| h.streams == 1 && h.storages[0].chunks == 1)
        })
        .await;
    let storage = &seen.last_heartbeat.unwrap().storages[0];
    assert_eq!(storage.used, 1024 + 64 + 8);
    assert!(storage.capacity >= storage.available && storage.available > 0);
    assert_eq!(storage.failed, "");
    pipeline.finish(0).await;
}

#[tokio::test]
async fn corrupt_replicas_are_reported_as_such_after_a_restart() {
    let mut cluster = Cluster::start(1).await;
    let node = cluster.nodes[0].node();
    let block = cluster.block(1, 1);
    put(&block, std::slice::from_ref(&node), &bytes(1000)).await;
    cluster.nodes[0].stop().await;
    let path = cluster.nodes[0].data_file(&block);
    std::fs::write(&path, bytes(999)).unwrap();
    cluster.nodes[0].start(&cluster.master).await;
    let corrupt = Reported {
        datanode: node.id,
        event: ReplicaEvent::Corrupt,
        chunk: 1,
        generation: 1,
        length: 1000,
    };
    cluster.master.reported(corrupt).await;
    assert_eq!(cluster.master.seen().reports.last().unwrap().replicas, []);
}

#[tokio::test]
async fn an_old_leader_that_wakes_up_orders_in_vain_also_after_a_restart() {
    let (old, new) = (FakeMaster::start(1).await, FakeMaster::start(1).await);
    let mut node = TestNode::new();
    let mut config = node.config(&old);
    config.masters.push(new.address());
    node.start_with(config.clone()).await;
    for master in [&old, &new] {
        master.wait("registration", |seen| seen.heartbeats > 0).await;
    }
    let mut cluster = Cluster {
        master: old,
        nodes: vec![node],
    };
    let at = cluster.nodes[0].node();
    for id in [1, 2] {
        put(&cluster.block(id, 5), std::slice::from_ref(&at), &bytes(100)).await;
    }
    new.set_term(6);
    new.some_heartbeats().await;
    // It was stopped, and does not know that it was replaced.
    cluster.master.command(delete(1, 5));
    cluster.master.some_heartbeats().await;
    assert!(cluster.nodes[0].data_file(&cluster.block(1, 5)).exists());
    // A restart, after which only the old one can be reached: what was known is not forgotten.
    cluster.nodes[0].stop().await;
    let port = new.kill();
    cluster.nodes[0].start_with(config).await;
    let registered = cluster.nodes[0].running().registered();
    in_time("registration", registered).await;
    cluster.master.command(delete(1, 5));
    cluster.master.some_heartbeats().await;
    assert!(cluster.nodes[0].data_file(&cluster.block(1, 5)).exists());
    // The leader of the later term is obeyed.
    let new = FakeMaster::start_again(1, port).await;
    new.set_term(6);
    new.wait("registration", |seen| seen.heartbeats > 0).await;
    new.command(delete(2, 5));
    until("the replica is deleted", || {
        !cluster.nodes[0].data_file(&cluster.block(2, 5)).exists()
    })
    .await;
    assert!(cluster.nodes[0].data_file(&cluster.block(1, 5)).exists());
}

#[tokio::test]
async fn a_master_that_does_not_lead_orders_nothing() {
    let cluster = Cluster::start(1).await;
    let node = cluster.nodes[0].node();
    put(&cluster.block(1, 5), std::slice::from_ref(&node), &bytes(100)).await;
    cluster.master.stand_by();
    cluster.master.set_term(9);
    cluster.master.command(delete(1, 5));
    cluster.master.some_heartbeats().await;
    assert!(cluster.nodes[0].data_file(&cluster.block(1, 5)).exists());
    // But it can ask for what it has missed.
    cluster
        .master
        .command(Command::SendBlockReport(SendBlockReport {}));
    cluster
        .master
        .wait("a second report", |seen| seen.reports.len() == 2)
        .await;
}

#[tokio::test]
async fn masters_are_learned_and_left_and_a_silent_one_holds_up_nobody() {
    let (first, second) = (FakeMaster::start(1).await, FakeMaster::start(1).await);
    // It accepts connections, and never says anything.
    let silent = env::net::Network::real().listen("127.0.0.1:0").await.unwrap();
    let mut node = TestNode::new();
    let mut config = node.config(&first);
    config.masters.insert(0, silent.local_addr().unwrap().to_string());
    node.start_with(config).await;
    first.wait("a report", |seen| !seen.reports.is_empty()).await;
    first.name_masters(&[&first, &second]);
    second.wait("a report", |seen| !seen.reports.is_empty()).await;
    let cluster = Cluster {
        master: first,
        nodes: vec![node],
    };
    put(&cluster.block(1, 1), &cluster.pipeline(&[0]), &bytes(10)).await;
    for master in [&cluster.master, &second] {
        master
            .wait("the replica", |seen| {
                seen.changes.iter().any(|change| change.chunk == 1)
            })
            .await;
    }
    // The leader no longer names it: nothing more is said to it.
    cluster.master.name_masters(&[&cluster.master]);
    cluster.master.some_heartbeats().await;
    let heartbeats = second.seen().heartbeats;
    cluster.master.some_heartbeats().await;
    assert!(second.seen().heartbeats <= heartbeats + 1);
}

#[tokio::test]
async fn a_master_with_two_names_is_told_once() {
    let master = FakeMaster::start(1).await;
    let port = master.address().rsplit_once(':').unwrap().1.to_owned();
    let mut node = TestNode::new();
    let mut config = node.config(&master);
    config.masters.push(format!("localhost:{port}"));
    node.start_with(config).await;
    in_time("registration", node.running().registered()).await;
    master.some_heartbeats().await;
    assert_eq!(master.seen().registrations.len(), 1);
}
