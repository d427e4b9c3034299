use proto::v1::{self, ReplicaEvent};
use types::{ChunkExtent, Generation};

use crate::harness::{Harness, extent, root};

fn delete(call: u64, path: &str) -> v1::DeleteRequest {
    v1::DeleteRequest {
        caller: Some(root(call)),
        path: path.into(),
        recursive: false,
    }
}

#[tokio::test]
async fn a_deleted_files_replicas_go_in_exactly_their_version() {
    let harness = Harness::start().await;
    let nodes = [harness.node(1).await, harness.node(2).await];
    let chunk = harness.file("/f", 1, 9, &[&nodes[0], &nodes[1]]).await;
    assert_eq!(nodes[0].ordered_to_delete().await, []);
    harness.fs.clone().delete(delete(9, "/f")).await.unwrap();
    for node in &nodes {
        assert_eq!(node.ordered_to_delete().await, [(chunk.chunk.as_u64(), 1)]);
        assert_eq!(node.ordered_to_delete().await, [], "once");
    }
    nodes[0].change(ReplicaEvent::Deleted, chunk).await.unwrap();
    nodes[1].report(&[chunk]).await.unwrap();
    assert_eq!(
        nodes[1].ordered_to_delete().await,
        [(chunk.chunk.as_u64(), 1)],
        "it still has it"
    );
}

#[tokio::test]
async fn a_node_that_was_away_is_told_when_it_reports() {
    let harness = Harness::start().await;
    let nodes = [harness.node(1).await, harness.node(2).await];
    let chunk = harness.file("/f", 1, 9, &[&nodes[0], &nodes[1]]).await;
    // With nobody's word of its chunks the cluster would take no changes.
    let harness = harness.restart_with(|config| config.safe_mode_share = 0.0).await;
    harness.fs.clone().delete(delete(9, "/f")).await.unwrap();
    let harness = harness.restart().await;
    let node = harness.stranger(1);
    node.register().await.unwrap();
    node.report(&[chunk]).await.unwrap();
    assert_eq!(node.ordered_to_delete().await, [(chunk.chunk.as_u64(), 1)]);
}

#[tokio::test]
async fn a_stale_replica_goes_only_when_enough_good_ones_are_confirmed() {
    let harness = Harness::start().await;
    let (bad, good, better) = (
        harness.node(1).await,
        harness.node(2).await,
        harness.node(3).await,
    );
    let inode = harness.create(root(1), "/f").await.unwrap();
    let (chunk, _) = harness.add_chunk(root(2), inode, &[]).await.unwrap();
    let old = ChunkExtent { len: 4, ..chunk };
    let new = ChunkExtent {
        generation: Generation(2),
        len: 9,
        ..chunk
    };
    bad.received(old).await;
    let request = v1::BumpGenerationRequest {
        caller: Some(root(3)),
        inode,
        chunk: chunk.chunk.as_u64(),
    };
    harness.fs.clone().bump_generation(request).await.unwrap();
    good.received(new).await;
    better.received(new).await;
    assert_eq!(
        bad.ordered_to_delete().await,
        [],
        "the file is still being written"
    );
    harness.complete(root(4), inode, &[new]).await.unwrap();
    assert_eq!(
        bad.ordered_to_delete().await,
        [],
        "nobody has read the good ones again"
    );
    assert_eq!(good.ordered_to_delete().await, []);
}

#[tokio::test]
async fn chunks_from_the_future_are_kept() {
    let harness = Harness::start().await;
    let node = harness.node(1).await;
    node.report(&[extent(1 << 40, 1, 5)]).await.unwrap();
    node.received(extent(1 << 41, 1, 5)).await;
    assert_eq!(node.ordered_to_delete().await, []);
}

#[tokio::test]
async fn an_abandoned_chunk_is_deleted_when_it_turns_up() {
    let harness = Harness::start().await;
    let nodes = [harness.node(1).await, harness.node(2).await];
    let inode = harness.create(root(1), "/f").await.unwrap();
    let (chunk, _) = harness.add_chunk(root(2), inode, &[]).await.unwrap();
    let request = v1::AbandonChunkRequest {
        caller: Some(root(3)),
        inode,
        chunk: chunk.chunk.as_u64(),
    };
    harness.fs.clone().abandon_chunk(request).await.unwrap();
    nodes[0].received(ChunkExtent { len: 3, ..chunk }).await;
    assert_eq!(nodes[0].ordered_to_delete().await, [(chunk.chunk.as_u64(), 1)]);
}
