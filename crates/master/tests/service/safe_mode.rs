use proto::v1::{self, ErrorCode};

use crate::group::Masters;
use crate::harness::{Calls, Harness, code, detail, eventually, root, user};

async fn status(calls: &Calls) -> v1::SafeModeStatusResponse {
    let request = v1::SafeModeStatusRequest {};
    calls
        .admin
        .clone()
        .safe_mode_status(request)
        .await
        .unwrap()
        .into_inner()
}

fn set(caller: v1::Caller, on: bool) -> v1::SetSafeModeRequest {
    v1::SetSafeModeRequest {
        caller: Some(caller),
        on,
    }
}

fn delete(call: u64, path: &str) -> v1::DeleteRequest {
    v1::DeleteRequest {
        caller: Some(root(call)),
        path: path.into(),
        recursive: false,
    }
}

#[tokio::test]
async fn a_new_cluster_has_nothing_to_wait_for() {
    let harness = Harness::start().await;
    let mode = status(&harness).await;
    assert!(!mode.on && !mode.manual, "{mode:?}");
    harness.mkdir(root(1), "/a", 0o755).await.unwrap();
}

#[tokio::test]
async fn a_cold_start_takes_changes_when_enough_is_confirmed() {
    let harness = Harness::start_with(|config| config.safe_mode_share = 0.75).await;
    let nodes = [harness.node(1).await, harness.node(2).await];
    let mut chunks = Vec::new();
    for n in 0..4 {
        let path = format!("/f{n}");
        chunks.push(harness.file(&path, n * 10 + 1, 9, &[&nodes[0], &nodes[1]]).await);
    }
    harness.fs.clone().delete(delete(90, "/f3")).await.unwrap();
    // One more that is being written, and that nobody will ever show.
    let inode = harness.create(root(91), "/open").await.unwrap();
    harness.add_chunk(root(92), inode, &[]).await.unwrap();

    let harness = harness.restart().await;
    let mode = status(&harness).await;
    assert!(mode.on && !mode.manual, "{mode:?}");
    assert_eq!((mode.chunks, mode.confirmed), (3, 0), "{mode:?}");
    assert!(mode.reason.contains("0 of 3"), "{}", mode.reason);
    let refusal = detail(harness.mkdir(root(100), "/d", 0o755).await);
    assert_eq!(refusal.code(), ErrorCode::NotReady);
    assert!(refusal.message.contains("0 of 3 chunks"), "{}", refusal.message);
    assert_eq!(code(harness.create(root(101), "/g").await), ErrorCode::NotReady);
    harness.stat("/f0").await.unwrap();

    // What is known can be read; what nobody needs is not deleted yet.
    let node = harness.stranger(1);
    node.register().await.unwrap();
    node.report(&chunks[..2]).await.unwrap();
    let located = harness.locate("/f1", "").await.unwrap();
    assert_eq!(located[0].replicas.len(), 1);
    assert_eq!(status(&harness).await.confirmed, 2);
    node.change(v1::ReplicaEvent::Received, chunks[2]).await.unwrap();
    assert!(!status(&harness).await.on);
    harness.mkdir(root(102), "/d", 0o755).await.unwrap();

    // It was a start: what goes away later is no reason to begin again.
    node.change(v1::ReplicaEvent::Deleted, chunks[0]).await.unwrap();
    node.change(v1::ReplicaEvent::Deleted, chunks[1]).await.unwrap();
    harness.mkdir(root(103), "/e", 0o755).await.unwrap();
}

#[tokio::test]
async fn nothing_is_deleted_while_the_cluster_starts() {
    let harness = Harness::start().await;
    let nodes = [harness.node(1).await, harness.node(2).await];
    let doomed = harness.file("/doomed", 1, 9, &[&nodes[0], &nodes[1]]).await;
    let kept = harness.file("/kept", 11, 9, &[&nodes[0], &nodes[1]]).await;
    let other = harness.file("/other", 21, 9, &[&nodes[1], &nodes[0]]).await;
    harness.fs.clone().delete(delete(90, "/doomed")).await.unwrap();

    let harness = harness.restart_with(|config| config.safe_mode_share = 1.0).await;
    let node = harness.stranger(1);
    node.register().await.unwrap();
    node.report(&[kept]).await.unwrap();
    assert!(status(&harness).await.on);
    node.change(v1::ReplicaEvent::Received, doomed).await.unwrap();
    if status(&harness).await.on {
        assert_eq!(node.ordered_to_delete().await, []);
    }
    node.report(&[kept, other, doomed]).await.unwrap();
    assert!(!status(&harness).await.on);
    assert_eq!(
        node.ordered_to_delete().await,
        [(doomed.chunk.as_u64(), doomed.generation.as_u64())]
    );
}

#[tokio::test]
async fn an_operator_ends_the_wait() {
    let harness = Harness::start().await;
    let nodes = [harness.node(1).await, harness.node(2).await];
    harness.file("/f", 1, 9, &[&nodes[0], &nodes[1]]).await;
    let harness = harness.restart().await;
    assert!(status(&harness).await.on);
    let mut admin = harness.admin.clone();
    let refused = admin.set_safe_mode(set(user("eve", 1), false)).await;
    assert_eq!(code(refused), ErrorCode::PermissionDenied);
    admin.set_safe_mode(set(root(50), false)).await.unwrap();
    assert!(!status(&harness).await.on);
    harness.mkdir(root(51), "/d", 0o755).await.unwrap();

    // The order was for this start, and not for all that come.
    let harness = harness.restart().await;
    assert!(status(&harness).await.on);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_safe_mode_holds_for_every_leader() {
    let mut masters = Masters::start().await;
    masters.mkdir(1, "/a").await;
    let switch = async |masters: &Masters, call, on| {
        masters
            .call(async |calls| calls.admin.clone().set_safe_mode(set(root(call), on)).await)
            .await
            .unwrap();
    };
    switch(&masters, 2, true).await;
    let leader = masters.leader().await;
    masters.kill(leader);
    let refused = masters
        .call(async |calls| calls.mkdir(root(3), "/b", 0o755).await)
        .await;
    assert_eq!(code(refused), ErrorCode::SafeMode);
    masters.call(async |calls| calls.stat("/a").await).await.unwrap();
    let mode = eventually(async || {
        let leader = masters.leader().await;
        Some(status(masters.at(leader)).await)
    })
    .await;
    assert!(mode.on && mode.manual, "{mode:?}");
    switch(&masters, 4, false).await;
    masters.mkdir(5, "/b").await;
}
