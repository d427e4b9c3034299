use std::time::Duration;

use proto::v1::{self, ErrorCode};

use crate::harness::{Harness, code, detail, eventually, root};

#[tokio::test]
async fn a_denied_write_says_why() {
    let harness = Harness::start().await;
    let (good, full, shunned) = (
        harness.node(1).await,
        harness.node(2).await,
        harness.node(3).await,
    );
    full.heartbeat_with(3 << 19).await;
    let inode = harness.create(root(1), "/f").await.unwrap();
    harness
        .add_chunk(root(2), inode, &[])
        .await
        .expect("two can take it");
    full.heartbeat_with(1 << 19).await;
    let request = v1::AddChunkRequest {
        caller: Some(root(3)),
        inode,
        exclude: vec![shunned.id()],
        ..v1::AddChunkRequest::default()
    };
    let denied = detail(harness.fs.clone().add_chunk(request).await);
    assert_eq!(denied.code(), ErrorCode::WriteDenied);
    let facts = denied.write_denied.unwrap();
    assert_eq!((facts.wanted, facts.required, facts.available), (3, 2, 1));
    let reasons: Vec<_> = facts
        .refusals
        .iter()
        .map(|r| (r.datanode.as_str(), r.reason.as_str()))
        .collect();
    assert_eq!(reasons.len(), 2);
    assert_eq!(reasons[0].0, "node-2:9866");
    assert!(reasons[0].1.starts_with("full: "), "{}", reasons[0].1);
    assert_eq!(
        reasons[1],
        (
            "node-3:9866",
            "excluded by the client, which could not write to it"
        )
    );
    assert!(
        denied.message.contains("node-2:9866") && denied.message.contains("at least 2"),
        "{}",
        denied.message
    );
    drop(good);
}

#[tokio::test]
async fn fewer_than_wanted_are_taken_when_enough() {
    let harness = Harness::start().await;
    let _nodes = [harness.node(1).await, harness.node(2).await];
    let inode = harness.create(root(1), "/f").await.unwrap();
    let (_, targets) = harness.add_chunk(root(2), inode, &[]).await.unwrap();
    assert_eq!(targets.len(), 2, "of three wanted");
}

#[tokio::test]
async fn the_clients_own_host_is_first() {
    let harness = Harness::start().await;
    let nodes = [
        harness.node(1).await,
        harness.node(2).await,
        harness.node(3).await,
    ];
    let inode = harness.create(root(1), "/f").await.unwrap();
    let request = v1::AddChunkRequest {
        caller: Some(root(2)),
        inode,
        host: nodes[1].host(),
        ..v1::AddChunkRequest::default()
    };
    let added = harness.fs.clone().add_chunk(request).await.unwrap().into_inner();
    assert_eq!(added.targets[0].datanode.as_ref().unwrap().host, nodes[1].host());

    let chunk = harness
        .file("/g", 10, 5, &[&nodes[0], &nodes[1], &nodes[2]])
        .await;
    for node in &nodes {
        let located = harness.locate("/g", &node.host()).await.unwrap();
        assert_eq!(located[0].extent, Some(proto::wire_extent(chunk)));
        assert_eq!(
            located[0].replicas[0].datanode.as_ref().unwrap().host,
            node.host()
        );
    }
}

#[tokio::test]
async fn right_after_a_start_nothing_is_denied() {
    let harness = Harness::start().await;
    let inode = harness.create(root(1), "/f").await.unwrap();
    assert_eq!(
        code(harness.add_chunk(root(2), inode, &[]).await),
        ErrorCode::NotReady,
        "nobody came yet"
    );
    let _nodes = [
        harness.node(1).await,
        harness.node(2).await,
        harness.node(3).await,
    ];
    harness.add_chunk(root(3), inode, &[]).await.unwrap();

    let harness = harness.restart().await;
    let _first = harness.node(1).await;
    let _second = harness.node(2).await;
    let early = detail(harness.add_chunk(root(4), inode, &[]).await);
    assert_eq!(
        early.code(),
        ErrorCode::NotReady,
        "the third may still come: {}",
        early.message
    );
    let _third = harness.node(3).await;
    let (_, targets) = harness.add_chunk(root(5), inode, &[]).await.unwrap();
    assert_eq!(targets.len(), 3);
}

#[tokio::test]
async fn some_time_after_a_start_it_is() {
    let harness = Harness::start_with(|config| {
        config.heartbeat_interval = Duration::from_millis(10);
        config.dead_after = Duration::from_millis(20);
    })
    .await;
    let inode = harness.create(root(1), "/f").await.unwrap();
    let mut call = 1;
    let denied = eventually(async || {
        call += 1;
        let refusal = detail(harness.add_chunk(root(call), inode, &[]).await);
        (refusal.code() != ErrorCode::NotReady).then_some(refusal)
    })
    .await;
    assert_eq!(denied.code(), ErrorCode::WriteDenied);
    assert!(
        denied.message.contains("no datanode has registered"),
        "{}",
        denied.message
    );
}

#[tokio::test]
async fn the_dead_are_named_with_their_silence() {
    let harness = Harness::start_with(|config| {
        config.heartbeat_interval = Duration::from_millis(20);
        config.dead_after = Duration::from_millis(500);
    })
    .await;
    let (living, _silent) = (
        [harness.node(1).await, harness.node(2).await],
        harness.node(3).await,
    );
    let inode = harness.create(root(1), "/f").await.unwrap();
    let mut call = 1;
    let refusal = eventually(async || {
        for node in &living {
            node.heartbeat().await;
        }
        call += 1;
        let request = v1::AddChunkRequest {
            caller: Some(root(call)),
            inode,
            exclude: vec![living[0].id()],
            ..v1::AddChunkRequest::default()
        };
        match harness.fs.clone().add_chunk(request).await {
            Ok(added) => {
                let chunk = added.into_inner().extent.unwrap().chunk;
                call += 1;
                let request = v1::AbandonChunkRequest {
                    caller: Some(root(call)),
                    inode,
                    chunk,
                };
                harness.fs.clone().abandon_chunk(request).await.unwrap();
                None
            }
            refused => Some(detail(refused)),
        }
    })
    .await;
    let reasons = &refusal.write_denied.unwrap().refusals;
    assert!(
        reasons
            .iter()
            .any(|r| r.datanode == "node-3:9866" && r.reason.starts_with("dead: no heartbeat for")),
        "{reasons:?}"
    );
}
