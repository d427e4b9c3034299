//! Datanodes that drain, and chunks that move to emptier ones.

use std::time::Duration;

use proto::v1::command::Command;
use proto::v1::operations_client::OperationsClient;
use proto::v1::{self, AdminState, ErrorCode, RebalanceAction};
use tonic::Status;

use crate::harness::{Harness, channel, code, eventually, root, user};
use crate::node::Node;

async fn nodes(harness: &Harness, count: u8) -> Vec<Node> {
    let mut nodes = Vec::new();
    for n in 1..=count {
        nodes.push(harness.node(n).await);
    }
    nodes
}

async fn start() -> Harness {
    Harness::start_with(|config| {
        config.heartbeat_interval = Duration::from_millis(100);
        config.dead_after = Duration::from_secs(3_600);
    })
    .await
}

async fn set(harness: &Harness, call: u64, key: &str, value: &str) {
    let request = v1::SetSettingRequest {
        caller: Some(root(call)),
        key: key.into(),
        value: value.into(),
    };
    OperationsClient::new(channel(&harness.master))
        .set_setting(request)
        .await
        .unwrap();
}

async fn set_replication(harness: &Harness, call: u64, path: &str, replication: u32) {
    let request = v1::SetReplicationRequest {
        caller: Some(root(call)),
        path: path.into(),
        replication,
    };
    harness.fs.clone().set_replication(request).await.unwrap();
}

/// The copies that these nodes are told to make, until there is one: from where, of which chunk, to whom.
async fn copy(nodes: &[&Node]) -> (u8, u64, bytes::Bytes) {
    eventually(async || {
        for node in nodes {
            for command in node.heartbeat().await {
                if let Command::CopyReplica(copy) = command {
                    return Some((node.n, copy.extent.unwrap().chunk, copy.target.unwrap().id));
                }
            }
        }
        None
    })
    .await
}

async fn admin_state(harness: &Harness, node: &Node) -> AdminState {
    let request = v1::NodesRequest {
        caller: Some(root(1)),
    };
    let answer = OperationsClient::new(channel(&harness.master))
        .nodes(request)
        .await;
    let nodes = answer.unwrap().into_inner().nodes;
    let is_it = |detail: &&v1::NodeDetail| detail.datanode.as_ref().unwrap().id == node.id();
    nodes.iter().find(is_it).unwrap().admin()
}

#[tokio::test]
async fn a_datanode_is_drained_when_nothing_on_it_is_needed() {
    let harness = start().await;
    let nodes = nodes(&harness, 3).await;
    let all = [&nodes[0], &nodes[1], &nodes[2]];
    set(&harness, 30, "repair.settle_ms", "0").await;
    let chunk = harness.file("/f", 1, 9, &all[..2]).await;
    set_replication(&harness, 8, "/f", 2).await;
    let request = v1::SetNodeStateRequest {
        caller: Some(root(31)),
        node: "node-1:9866".into(),
        state: AdminState::Decommissioning.into(),
        maintenance_ms: 0,
    };
    let mut operations = OperationsClient::new(channel(&harness.master));
    operations.set_node_state(request).await.unwrap();
    let (_, number, target) = copy(&all).await;
    assert_eq!((number, target), (chunk.chunk.as_u64(), nodes[2].id()));
    nodes[0].unfinished(&[], Vec::new()).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(
        admin_state(&harness, &nodes[0]).await,
        AdminState::Decommissioning,
        "its replica is still needed"
    );
    nodes[2].received(chunk).await;
    eventually(async || (admin_state(&harness, &nodes[0]).await == AdminState::Decommissioned).then_some(()))
        .await;
}

#[tokio::test]
async fn more_copies_are_made_when_more_are_wanted() {
    let harness = start().await;
    let nodes = nodes(&harness, 3).await;
    let all = [&nodes[0], &nodes[1], &nodes[2]];
    set(&harness, 30, "repair.settle_ms", "0").await;
    let chunk = harness.file("/f", 1, 9, &all[..2]).await;
    let (_, number, target) = copy(&all).await;
    assert_eq!((number, target), (chunk.chunk.as_u64(), nodes[2].id()));
}

#[tokio::test]
async fn members_are_told_of_as_changes() {
    let harness = start().await;
    let nodes = nodes(&harness, 2).await;
    let seen = async |version| nodes[0].members(version).await;
    let all = seen(0).await.unwrap();
    assert!(all.full && all.members.len() == 2 && all.members.iter().all(|member| member.alive));
    assert_eq!(seen(all.version).await, None, "nothing is new");
    let _third = harness.node(3).await;
    let change = seen(all.version).await.unwrap();
    assert!(!change.full && change.members.len() == 1 && change.version > all.version);
    assert!(seen(u64::MAX).await.unwrap().full, "of another history");
}

async fn rebalance(
    harness: &Harness,
    caller: v1::Caller,
    action: RebalanceAction,
) -> Result<v1::RebalanceResponse, Status> {
    let request = v1::RebalanceRequest {
        caller: Some(caller),
        action: action.into(),
    };
    let answer = OperationsClient::new(channel(&harness.master))
        .rebalance(request)
        .await?;
    Ok(answer.into_inner())
}

#[tokio::test]
async fn chunks_move_from_the_fullest_while_an_operator_wants_it() {
    let harness = start().await;
    let nodes = nodes(&harness, 4).await;
    let all = [&nodes[0], &nodes[1], &nodes[2], &nodes[3]];
    let chunk = harness.file("/f", 1, 9, &all[..2]).await;
    set_replication(&harness, 8, "/f", 2).await;
    let full = async || {
        nodes[0].heartbeat_used(1 << 39).await;
        for node in &nodes[1..] {
            node.heartbeat_used(1 << 30).await;
        }
    };
    full().await;
    let plan = rebalance(&harness, root(1), RebalanceAction::Plan).await.unwrap();
    assert_eq!(
        plan.volumes[0].datanode.as_ref().unwrap().id,
        nodes[0].id(),
        "the fullest first"
    );
    assert!(
        plan.bytes > 0 && plan.explanation.len() >= 3,
        "{:?}",
        plan.explanation
    );
    let refused = rebalance(&harness, user("eve", 1), RebalanceAction::Start).await;
    assert_eq!(code(refused), ErrorCode::PermissionDenied);
    rebalance(&harness, root(2), RebalanceAction::Start)
        .await
        .unwrap();
    let (source, number, target) = eventually(async || {
        for node in &all {
            let used = if node.n == 1 { 1 << 39 } else { 1 << 30 };
            for command in node.heartbeat_used(used).await {
                if let Command::CopyReplica(copy) = command {
                    return Some((node.n, copy.extent.unwrap().chunk, copy.target.unwrap().id));
                }
            }
        }
        None
    })
    .await;
    assert_eq!((source, number), (1, chunk.chunk.as_u64()));
    assert!(target == nodes[2].id() || target == nodes[3].id());
    let stopped = rebalance(&harness, root(3), RebalanceAction::Stop).await.unwrap();
    assert_eq!(stopped.job.unwrap().state(), v1::JobState::Stopped);
}
