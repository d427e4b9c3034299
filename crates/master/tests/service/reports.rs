//! What datanodes have, as sums and as lists of what differs.

use proto::v1::command::Command;
use proto::v1::{self, ErrorCode, ReplicaEvent};
use types::ChunkExtent;
use types::fingerprint::{Fingerprint, bucket_of};

use crate::harness::{Harness, code, extent, root};
use crate::node::Node;

fn sums(has: &[ChunkExtent]) -> Fingerprint {
    let mut sums = Fingerprint::default();
    for extent in has {
        sums.add(*extent);
    }
    sums
}

/// The buckets to be listed when this replica is on one side only: its own, and the one that shares a sum with it.
fn buckets(extent: ChunkExtent) -> Vec<u32> {
    let bucket = u32::try_from(bucket_of(extent.chunk)).unwrap();
    vec![bucket & !1, bucket | 1]
}

async fn replicas(harness: &Harness, path: &str) -> usize {
    harness.locate(path, "").await.unwrap()[0].replicas.len()
}

#[tokio::test]
async fn only_the_buckets_that_differ_are_to_be_listed() {
    let harness = Harness::start().await;
    let nodes = [harness.node(1).await, harness.node(2).await];
    let both = [&nodes[0], &nodes[1]];
    let one = harness.file("/one", 1, 9, &both).await;
    let two = harness.file("/two", 11, 9, &both).await;
    let differing = async |node: &Node, has: &[ChunkExtent]| node.fingerprints(&sums(has)).await.unwrap();
    assert!(differing(&nodes[0], &[one, two]).await.is_empty());
    // The second is gone, and nobody has said so.
    let named = differing(&nodes[0], &[one]).await;
    assert_eq!(named, [buckets(two)]);
    assert_eq!(replicas(&harness, "/two").await, 2, "a sum alone changes nothing");
    nodes[0].report_buckets(&buckets(two), &[]).await.unwrap();
    assert_eq!(
        replicas(&harness, "/two").await,
        2,
        "it came just now: the list may be older"
    );
    nodes[0].report_buckets(&buckets(two), &[]).await.unwrap();
    assert_eq!(replicas(&harness, "/two").await, 1);
    assert_eq!(replicas(&harness, "/one").await, 2, "of another bucket");
    assert!(differing(&nodes[0], &[one]).await.is_empty());
    // It has something that nobody knows of.
    nodes[0].report_buckets(&buckets(two), &[two]).await.unwrap();
    assert_eq!(replicas(&harness, "/two").await, 2);
}

#[tokio::test]
async fn who_owes_a_report_is_to_list_everything() {
    let harness = Harness::start().await;
    let node = harness.stranger(1);
    let early = node.fingerprints(&sums(&[])).await;
    assert_eq!(code(early), ErrorCode::UnknownDatanode);
    node.register().await.unwrap();
    let named = node.fingerprints(&sums(&[])).await.unwrap();
    assert_eq!(named, [Vec::<u32>::new()], "all of them");
    node.report(&[]).await.unwrap();
    assert!(node.fingerprints(&sums(&[])).await.unwrap().is_empty());
}

#[tokio::test]
async fn corrupt_replicas_are_in_no_sum() {
    let harness = Harness::start().await;
    let nodes = [harness.node(1).await, harness.node(2).await];
    let chunk = harness.file("/f", 1, 9, &[&nodes[0], &nodes[1]]).await;
    nodes[0].change(ReplicaEvent::Corrupt, chunk).await.unwrap();
    assert!(nodes[0].fingerprints(&sums(&[])).await.unwrap().is_empty());
    assert_eq!(nodes[0].fingerprints(&sums(&[chunk])).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_no_file_holds_is_deleted_when_it_is_listed() {
    let harness = Harness::start().await;
    let nodes = [harness.node(1).await, harness.node(2).await];
    let chunk = harness.file("/f", 1, 9, &[&nodes[0], &nodes[1]]).await;
    let request = v1::DeleteRequest {
        caller: Some(root(9)),
        path: "/f".into(),
        recursive: false,
    };
    harness.fs.clone().delete(request).await.unwrap();
    assert_eq!(nodes[0].ordered_to_delete().await.len(), 1);
    nodes[0].change(ReplicaEvent::Deleted, chunk).await.unwrap();
    // It was restored from a quarantine by hand.
    let buckets = self::buckets(chunk);
    let named = nodes[0].fingerprints(&sums(&[chunk])).await.unwrap();
    assert_eq!(named, std::slice::from_ref(&buckets));
    nodes[0].report_buckets(&buckets, &[chunk]).await.unwrap();
    assert_eq!(nodes[0].ordered_to_delete().await, [(chunk.chunk.as_u64(), 1)]);
    // What was never given out is not deleted.
    let future = extent(1 << 40, 1, 5);
    nodes[0]
        .report_buckets(&self::buckets(future), &[future])
        .await
        .unwrap();
    assert!(
        !nodes[0]
            .heartbeat()
            .await
            .iter()
            .any(|command| matches!(command, Command::DeleteReplicas(_)))
    );
}

#[tokio::test]
async fn broken_fingerprints_are_refused() {
    let harness = Harness::start().await;
    let node = harness.node(1).await;
    let request = v1::FingerprintsRequest {
        datanode_id: node.id(),
        storages: vec![v1::StorageFingerprint {
            storage_id: node.storage(),
            sums: vec![1, 2, 3].into(),
        }],
    };
    let refused = harness.members.clone().fingerprints(request).await;
    assert_eq!(code(refused), ErrorCode::Invalid);
}
