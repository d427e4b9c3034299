use std::time::Duration;

use proto::v1::command::Command;
use proto::v1::{self, ErrorCode, ReplicaEvent};

use crate::harness::{Harness, code, detail, eventually, extent, root};

#[tokio::test]
async fn a_datanode_of_another_cluster_is_refused_with_both_ids() {
    let harness = Harness::start().await;
    let mut node = harness.stranger(1);
    node.cluster = "11111111-2222-4333-8444-555555555555".into();
    let refusal = detail(node.register().await);
    assert_eq!(refusal.code(), ErrorCode::WrongCluster);
    let ours = harness.master.cluster_id().unwrap().to_string();
    assert!(
        refusal.message.contains(&ours) && refusal.message.contains(&node.cluster),
        "{}",
        refusal.message
    );
}

#[tokio::test]
async fn who_has_not_registered_has_to() {
    let harness = Harness::start().await;
    let node = harness.stranger(1);
    assert!(matches!(node.heartbeat().await[..], [Command::RegisterAgain(_)]));
    let early = node.change(ReplicaEvent::Received, extent(1, 1, 1)).await;
    assert_eq!(code(early), ErrorCode::UnknownDatanode);
    assert_eq!(code(node.report(&[]).await), ErrorCode::UnknownDatanode);
    let answer = node.register().await.unwrap();
    assert_eq!(answer.heartbeat_interval_ms, 3_600_000);
    assert_eq!(node.heartbeat().await, []);
    let harness = harness.restart().await;
    let node = harness.stranger(1);
    assert!(
        matches!(node.heartbeat().await[..], [Command::RegisterAgain(_)]),
        "the master forgot"
    );
}

#[tokio::test]
async fn who_owes_a_report_is_asked_for_it() {
    let harness = Harness::start_with(|config| config.heartbeat_interval = Duration::from_millis(20)).await;
    let node = harness.stranger(1);
    node.register().await.unwrap();
    let asked = eventually(async || node.heartbeat().await.into_iter().next()).await;
    assert!(matches!(asked, Command::SendBlockReport(_)), "{asked:?}");
    node.report(&[]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(node.heartbeat().await, []);
}

#[tokio::test]
async fn the_space_of_the_cluster_is_the_sum_of_the_living() {
    let harness = Harness::start().await;
    let _node = harness.node(1).await;
    let other = harness.node(2).await;
    other.heartbeat_with(1 << 30).await;
    let request = v1::ClusterSpaceRequest {
        caller: Some(root(1)),
    };
    let space = harness
        .fs
        .clone()
        .cluster_space(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (space.capacity, space.available),
        (2 << 40, (1 << 40) + (1 << 30))
    );
    assert_eq!((space.files, space.directories, space.datanodes.len()), (0, 1, 2));
    assert!(space.datanodes.iter().all(|node| node.live));
}

#[tokio::test]
async fn broken_reports_are_refused() {
    let harness = Harness::start().await;
    let node = harness.node(1).await;
    let part = v1::BlockReportPart {
        datanode_id: node.id(),
        storage_id: node.storage(),
        chunks: vec![1, 2],
        generations: vec![1],
        lengths: vec![5, 5],
        last_of_storage: true,
        buckets: Vec::new(),
    };
    let uneven = harness
        .members
        .clone()
        .block_report(tokio_stream::iter([part.clone()]))
        .await;
    assert_eq!(code(uneven), ErrorCode::Invalid);
    let part = v1::BlockReportPart {
        generations: vec![1, 1],
        chunks: vec![1, u64::MAX],
        ..part
    };
    let impossible = harness
        .members
        .clone()
        .block_report(tokio_stream::iter([part]))
        .await;
    assert_eq!(code(impossible), ErrorCode::Invalid);
}
