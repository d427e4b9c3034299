//! Many small files in few messages.

use std::time::Duration;

use proto::v1::operation::Kind;
use proto::v1::operation_result::Result as Answer;
use proto::v1::{self, ErrorCode};
use types::ChunkExtent;

use crate::harness::{Harness, code, root};
use crate::node::Node;

const CHUNK_SIZE: u64 = 1 << 20;

fn create(path: &str, replication: u32) -> v1::CreateRequest {
    v1::CreateRequest {
        path: path.to_owned(),
        mode: 0o644,
        chunk_size: CHUNK_SIZE,
        replication,
        publish: v1::Publish::AtComplete.into(),
        with_chunk: true,
        ..v1::CreateRequest::default()
    }
}

async fn batch(harness: &Harness, operations: Vec<(u64, Kind)>) -> Vec<Answer> {
    let operation = |(call_id, kind)| v1::Operation {
        call_id,
        kind: Some(kind),
    };
    let request = v1::BatchRequest {
        caller: Some(root(0)),
        operations: operations.into_iter().map(operation).collect(),
    };
    let answer = harness.fs.clone().batch(request).await.unwrap().into_inner();
    answer
        .results
        .into_iter()
        .map(|result| result.result.unwrap())
        .collect()
}

fn created(answer: &Answer) -> (u64, ChunkExtent, Vec<bytes::Bytes>) {
    let Answer::Create(answer) = answer else {
        panic!("{answer:?}");
    };
    let extent = proto::extent(answer.extent.as_ref().unwrap()).unwrap();
    let node = |target: &v1::Replica| target.datanode.as_ref().unwrap().id.clone();
    (answer.inode, extent, answer.targets.iter().map(node).collect())
}

fn complete(inode: u64, written: ChunkExtent) -> Kind {
    Kind::Complete(v1::CompleteRequest {
        inode,
        written: vec![proto::wire_extent(written)],
        ..Default::default()
    })
}

async fn nodes(harness: &Harness, count: u8) -> Vec<Node> {
    let mut nodes = Vec::new();
    for n in 1..=count {
        nodes.push(harness.node(n).await);
    }
    nodes
}

#[tokio::test]
async fn files_of_one_message_share_a_pipeline_and_each_is_answered_by_itself() {
    let harness = Harness::start().await;
    let nodes = nodes(&harness, 6).await;
    harness.mkdir(root(1), "/d", 0o755).await.unwrap();
    let count = 20;
    let mut operations: Vec<_> = (0..count)
        .map(|n| (100 + n, Kind::Create(create(&format!("/d/{n}"), 3))))
        .collect();
    operations.push((150, Kind::Create(create("/d", 3))));
    operations.push((151, Kind::Create(create("/none/f", 3))));
    operations.push((152, Kind::Create(create("/d/two", 2))));
    let answers = batch(&harness, operations.clone()).await;
    let files: Vec<_> = answers[..20].iter().map(created).collect();
    for (_, extent, targets) in &files {
        assert_eq!((extent.len, targets.len()), (0, 3));
        assert_eq!(*targets, files[0].2, "the same pipeline");
    }
    let refused = |answer: &Answer| match answer {
        Answer::Error(detail) => detail.code(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        [refused(&answers[20]), refused(&answers[21])],
        [ErrorCode::IsDirectory, ErrorCode::NotFound]
    );
    assert_eq!(created(&answers[22]).2.len(), 2);
    let again: Vec<_> = batch(&harness, operations).await[..20]
        .iter()
        .map(created)
        .collect();
    assert_eq!(again, files, "the same calls get the same answers");

    // All but one are on disk; that one is told of alone.
    let written: Vec<_> = files
        .iter()
        .map(|(inode, extent, _)| (*inode, ChunkExtent { len: 4096, ..*extent }))
        .collect();
    for (_, extent) in &written[1..] {
        for node in nodes.iter().filter(|node| files[0].2.contains(&node.id())) {
            node.received(*extent).await;
        }
    }
    let missing = written[0];
    let completes = (200..)
        .zip(&written[1..])
        .map(|(call, (inode, extent))| (call, complete(*inode, *extent)));
    for answer in batch(&harness, completes.collect()).await {
        assert!(matches!(answer, Answer::Complete(_)), "{answer:?}");
    }
    assert_eq!(harness.stat("/d/7").await.unwrap().length, 4096);
    assert_eq!(code(harness.stat("/d/0").await), ErrorCode::NotFound);
    let strange = batch(&harness, vec![(300, complete(missing.0 + 1_000, missing.1))]).await;
    assert_eq!(refused(&strange[0]), ErrorCode::LeaseLost);
}

#[tokio::test]
async fn one_that_is_not_on_disk_is_told_of_and_the_others_are_closed() {
    let harness = Harness::start_with(|config| config.complete_timeout = Duration::from_millis(50)).await;
    let nodes = nodes(&harness, 3).await;
    let answers = batch(
        &harness,
        vec![
            (1, Kind::Create(create("/a", 3))),
            (2, Kind::Create(create("/b", 3))),
        ],
    )
    .await;
    let [a, b] = [created(&answers[0]), created(&answers[1])];
    let full = |extent: ChunkExtent| ChunkExtent { len: 10, ..extent };
    for node in &nodes {
        node.received(full(b.1)).await;
    }
    let answers = batch(
        &harness,
        vec![(3, complete(a.0, full(a.1))), (4, complete(b.0, full(b.1)))],
    )
    .await;
    let Answer::Error(detail) = &answers[0] else {
        panic!("{:?}", answers[0]);
    };
    assert_eq!(detail.code(), ErrorCode::NotReplicated);
    assert!(matches!(answers[1], Answer::Complete(_)));
    assert_eq!(harness.stat("/b").await.unwrap().length, 10);
}

#[tokio::test]
async fn where_too_few_can_take_a_chunk_the_file_begins_without_them() {
    let harness = Harness::start().await;
    let node = nodes(&harness, 1).await;
    // The master no longer expects others.
    let answer = batch(&harness, vec![(1, Kind::Create(create("/f", 3)))]).await;
    let (inode, extent, targets) = created(&answer[0]);
    assert!(targets.is_empty());
    let id = extent.chunk.as_u64();
    let abandon = v1::AbandonChunkRequest {
        caller: Some(root(2)),
        inode,
        chunk: id,
    };
    harness.fs.clone().abandon_chunk(abandon).await.unwrap();
    assert_eq!(harness.complete(root(3), inode, &[]).await.unwrap().length, 0);
    drop(node);
}

#[tokio::test]
async fn a_file_that_stays_empty_is_closed_with_its_chunk() {
    let harness = Harness::start().await;
    let _nodes = nodes(&harness, 3).await;
    let answer = batch(&harness, vec![(1, Kind::Create(create("/f", 3)))]).await;
    let (inode, extent, _) = created(&answer[0]);
    assert_eq!(
        harness.complete(root(2), inode, &[extent]).await.unwrap().length,
        0
    );
    assert_eq!(harness.locate("/f", "").await.unwrap(), []);
}

#[tokio::test]
async fn where_there_is_no_room_for_all_in_one_place_each_finds_its_own() {
    let harness = Harness::start().await;
    let nodes = nodes(&harness, 6).await;
    // Room for eight chunks on each.
    for node in &nodes {
        node.heartbeat_with(8 * (CHUNK_SIZE + CHUNK_SIZE / 128)).await;
    }
    let operations = (0..9).map(|n| (10 + n, Kind::Create(create(&format!("/{n}"), 3))));
    let answers = batch(&harness, operations.collect()).await;
    let files: Vec<_> = answers.iter().map(created).collect();
    assert!(
        files.iter().all(|(_, _, targets)| targets.len() == 3),
        "{files:?}"
    );
}
