//! What the leader has done to replicas that are missing, bad, or too many.

use std::time::Duration;

use master::Config;
use proto::v1::command::Command;
use proto::v1::{self, ReplicaEvent};
use types::{ChunkExtent, Generation};

use crate::harness::{Harness, eventually, root};
use crate::node::Node;

/// Nodes are dead after a while, and what is short of copies is repaired at once.
fn hasty(config: &mut Config) {
    config.heartbeat_interval = Duration::from_millis(100);
    config.dead_after = Duration::from_millis(1_500);
}

async fn nodes(harness: &Harness, count: u8) -> Vec<Node> {
    let mut nodes = Vec::new();
    for n in 1..=count {
        nodes.push(harness.node(n).await);
    }
    nodes
}

/// Keeps nodes alive, and gathers what they are told, until `enough`.
async fn gather(nodes: &[&Node], enough: impl Fn(&[(u8, Command)]) -> bool) -> Vec<(u8, Command)> {
    let mut told = Vec::new();
    eventually(async || {
        for node in nodes {
            told.extend(
                node.heartbeat()
                    .await
                    .into_iter()
                    .map(|command| (node.n, command)),
            );
        }
        enough(&told).then_some(())
    })
    .await;
    told
}

/// Keeps nodes alive for a while, and gathers what they are told.
async fn gather_for(nodes: &[&Node], time: Duration) -> Vec<(u8, Command)> {
    let until = tokio::time::Instant::now() + time;
    let mut told = Vec::new();
    while tokio::time::Instant::now() < until {
        for node in nodes {
            told.extend(
                node.heartbeat()
                    .await
                    .into_iter()
                    .map(|command| (node.n, command)),
            );
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    told
}

fn copies(told: &[(u8, Command)]) -> Vec<(u8, u64, bytes::Bytes)> {
    let copy = |(node, command): &(u8, Command)| match command {
        Command::CopyReplica(copy) => {
            let target = copy.target.as_ref().unwrap().id.clone();
            Some((*node, copy.extent.as_ref().unwrap().chunk, target))
        }
        _ => None,
    };
    told.iter().filter_map(copy).collect()
}

fn deleted(told: &[(u8, Command)]) -> Vec<(u8, v1::ReplicaVersion)> {
    let of = |(node, command): &(u8, Command)| match command {
        Command::DeleteReplicas(delete) => delete.replicas.iter().map(|r| (*node, *r)).collect(),
        _ => Vec::new(),
    };
    told.iter().flat_map(of).collect()
}

fn verified(told: &[(u8, Command)]) -> Vec<(u8, u64)> {
    let of = |(node, command): &(u8, Command)| match command {
        Command::VerifyReplicas(verify) => verify.replicas.iter().map(|r| (*node, r.chunk)).collect(),
        _ => Vec::new(),
    };
    told.iter().flat_map(of).collect()
}

async fn set_replication(harness: &Harness, call: u64, path: &str, replication: u32) {
    let request = v1::SetReplicationRequest {
        caller: Some(root(call)),
        path: path.into(),
        replication,
    };
    harness.fs.clone().set_replication(request).await.unwrap();
}

#[tokio::test]
async fn the_last_copy_is_copied_at_once() {
    let harness = Harness::start_with(hasty).await;
    let nodes = nodes(&harness, 3).await;
    // Of one file two copies die, of the other one: that one waits for its node to come back.
    let last = harness.file("/last", 1, 9, &[&nodes[0], &nodes[1]]).await;
    nodes[1].change(ReplicaEvent::Deleted, last).await.unwrap();
    let told = gather(&[&nodes[0], &nodes[1], &nodes[2]], |told| {
        !copies(told).is_empty()
    })
    .await;
    let copy = &copies(&told)[0];
    assert_eq!((copy.0, copy.1), (1, last.chunk.as_u64()));
    assert!(copy.2 == nodes[1].id() || copy.2 == nodes[2].id());
    assert_eq!(deleted(&told), [], "nothing goes for it");
}

#[tokio::test]
async fn a_dead_nodes_last_copies_come_first_and_a_node_that_comes_back_soon_costs_nothing() {
    let harness = Harness::start_with(hasty).await;
    let nodes = nodes(&harness, 4).await;
    let three = harness
        .file("/three", 1, 9, &[&nodes[0], &nodes[1], &nodes[3]])
        .await;
    let two = harness.file("/two", 11, 9, &[&nodes[0], &nodes[3]]).await;
    set_replication(&harness, 20, "/two", 2).await;
    // The fourth falls silent. Of one of its chunks one copy is left, of the other two.
    let alive = [&nodes[0], &nodes[1], &nodes[2]];
    let told = gather(&alive, |told| !copies(told).is_empty()).await;
    assert!(
        copies(&told).iter().all(|copy| copy.1 == two.chunk.as_u64()),
        "{told:?}"
    );
    // It comes back before the settle time is over: what it has counts again, and nothing more is copied.
    nodes[3].register().await.unwrap();
    nodes[3].report(&[three, two]).await.unwrap();
    let all = [&nodes[0], &nodes[1], &nodes[2], &nodes[3]];
    let told = gather_for(&all, Duration::from_millis(800)).await;
    assert_eq!(copies(&told), [], "{told:?}");
}

#[tokio::test]
async fn a_corrupt_replica_is_replaced_then_removed() {
    let harness = Harness::start_with(hasty).await;
    let nodes = nodes(&harness, 3).await;
    let all = [&nodes[0], &nodes[1], &nodes[2]];
    let chunk = harness.file("/f", 1, 9, &[&nodes[0], &nodes[1]]).await;
    set_replication(&harness, 8, "/f", 2).await;
    nodes[0].change(ReplicaEvent::Corrupt, chunk).await.unwrap();
    let told = gather(&all, |told| !copies(told).is_empty()).await;
    assert_eq!(
        copies(&told),
        [(2, chunk.chunk.as_u64(), nodes[2].id())],
        "elsewhere"
    );
    assert_eq!(deleted(&told), [], "it is not removed before it is replaced");
    nodes[2].received(chunk).await;
    // Before anything is destroyed, those that stay are read again.
    let told = gather(&all, |told| verified(told).len() >= 2).await;
    assert_eq!(deleted(&told), []);
    for (node, _) in verified(&told) {
        nodes[usize::from(node) - 1]
            .change(ReplicaEvent::Verified, chunk)
            .await
            .unwrap();
    }
    let told = gather(&all, |told| !deleted(told).is_empty()).await;
    let (node, version) = deleted(&told)[0];
    assert_eq!(
        (node, version.chunk, version.only_corrupt),
        (1, chunk.chunk.as_u64(), true)
    );
}

#[tokio::test]
async fn what_is_too_much_goes_only_when_what_stays_was_verified() {
    let harness = Harness::start_with(hasty).await;
    let nodes = nodes(&harness, 3).await;
    let all = [&nodes[0], &nodes[1], &nodes[2]];
    let chunk = harness.file("/f", 1, 9, &all).await;
    set_replication(&harness, 8, "/f", 2).await;
    let told = gather(&all, |told| verified(told).len() >= 2).await;
    assert_eq!(deleted(&told), []);
    // One of those that were to stay turns out to be bad: then there is nothing too much.
    let asked = verified(&told);
    let bad = usize::from(asked[0].0) - 1;
    nodes[bad].change(ReplicaEvent::Corrupt, chunk).await.unwrap();
    for (node, _) in &asked[1..] {
        nodes[usize::from(*node) - 1]
            .change(ReplicaEvent::Verified, chunk)
            .await
            .unwrap();
    }
    let told = gather_for(&all, Duration::from_millis(500)).await;
    assert!(
        deleted(&told)
            .iter()
            .all(|(node, version)| usize::from(*node) - 1 == bad && version.only_corrupt),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_stale_replica_goes_when_the_good_ones_were_verified() {
    let harness = Harness::start_with(hasty).await;
    let nodes = nodes(&harness, 3).await;
    let all = [&nodes[0], &nodes[1], &nodes[2]];
    let inode = harness.create(root(1), "/f").await.unwrap();
    let (chunk, _) = harness.add_chunk(root(2), inode, &[]).await.unwrap();
    let old = ChunkExtent { len: 4, ..chunk };
    let new = ChunkExtent {
        generation: Generation(2),
        len: 9,
        ..chunk
    };
    nodes[0].received(old).await;
    let request = v1::BumpGenerationRequest {
        caller: Some(root(3)),
        inode,
        chunk: chunk.chunk.as_u64(),
    };
    harness.fs.clone().bump_generation(request).await.unwrap();
    for node in &nodes[1..] {
        node.received(new).await;
    }
    harness.complete(root(4), inode, &[new]).await.unwrap();
    set_replication(&harness, 8, "/f", 2).await;
    let told = gather(&all, |told| verified(told).len() >= 2).await;
    assert_eq!(deleted(&told), []);
    for node in &nodes[1..] {
        node.change(ReplicaEvent::Verified, new).await.unwrap();
    }
    let told = gather(&all, |told| !deleted(told).is_empty()).await;
    let (node, version) = deleted(&told)[0];
    assert_eq!((node, version.generation), (1, 1), "only the stale one");
}

async fn safe_mode(harness: &Harness, call: u64, on: bool) {
    let request = v1::SetSafeModeRequest {
        caller: Some(root(call)),
        on,
    };
    harness.admin.clone().set_safe_mode(request).await.unwrap();
}

#[tokio::test]
async fn in_safe_mode_nothing_is_ordered() {
    let harness = Harness::start_with(hasty).await;
    let nodes = nodes(&harness, 3).await;
    let all = [&nodes[0], &nodes[1], &nodes[2]];
    let chunk = harness.file("/f", 1, 9, &[&nodes[0], &nodes[1]]).await;
    safe_mode(&harness, 10, true).await;
    nodes[1].change(ReplicaEvent::Deleted, chunk).await.unwrap();
    let told = gather_for(&all, Duration::from_millis(800)).await;
    assert_eq!(told, [], "one copy is left, and nothing is done");
    safe_mode(&harness, 11, false).await;
    let told = gather(&all, |told| !copies(told).is_empty()).await;
    assert_eq!(copies(&told)[0].1, chunk.chunk.as_u64());
}

#[tokio::test]
async fn a_chunk_that_nobody_has_is_looked_for_in_quarantines() {
    let harness = Harness::start_with(hasty).await;
    let nodes = nodes(&harness, 2).await;
    let all = [&nodes[0], &nodes[1]];
    let chunk = harness.file("/f", 1, 9, &all).await;
    for node in &nodes {
        node.change(ReplicaEvent::Deleted, chunk).await.unwrap();
    }
    let asked = |told: &[(u8, Command)]| -> Vec<(u8, u64)> {
        let of = |(node, command): &(u8, Command)| match command {
            Command::RestoreReplicas(restore) => restore.replicas.iter().map(|r| (*node, r.chunk)).collect(),
            _ => Vec::new(),
        };
        told.iter().flat_map(of).collect()
    };
    let told = gather(&all, |told| asked(told).len() >= 2).await;
    let number = chunk.chunk.as_u64();
    // Who hears of it first is whose heartbeat comes first.
    let mut asked = asked(&told);
    asked.sort_unstable();
    assert_eq!(asked, [(1, number), (2, number)], "everybody");
}

#[tokio::test]
async fn a_patient_heartbeat_is_answered_when_there_is_something_to_do() {
    let harness = Harness::start_with(|config| {
        config.heartbeat_interval = Duration::from_secs(20);
        config.dead_after = Duration::from_secs(100);
    })
    .await;
    let nodes = nodes(&harness, 3).await;
    let chunk = harness.file("/f", 1, 9, &[&nodes[0], &nodes[1]]).await;
    let begun = tokio::time::Instant::now();
    let waits = nodes[0].wait(Duration::from_secs(15));
    let loses = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        nodes[1].change(ReplicaEvent::Deleted, chunk).await.unwrap();
    };
    let (answer, ()) = tokio::join!(waits, loses);
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_millis(300) && took < Duration::from_secs(10),
        "{took:?}"
    );
    assert!(matches!(answer[..], [Command::CopyReplica(_)]), "{answer:?}");
    let begun = tokio::time::Instant::now();
    assert_eq!(nodes[2].wait(Duration::from_millis(200)).await, []);
    assert!(
        begun.elapsed() >= Duration::from_millis(200),
        "until its patience is over"
    );
}
