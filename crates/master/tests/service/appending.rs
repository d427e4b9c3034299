//! Files that get more bytes in their last chunk, and files whose datanodes have restarted.

use proto::v1;
use types::{ChunkExtent, Generation};

use crate::harness::{Harness, extent, root};
use crate::node::Node;

async fn append(harness: &Harness, call: u64) -> v1::AppendResponse {
    let request = v1::AppendRequest {
        caller: Some(root(call)),
        path: "/f".into(),
    };
    harness.fs.clone().append(request).await.unwrap().into_inner()
}

async fn append_chunk(harness: &Harness, call: u64, inode: u64) -> v1::AppendChunkResponse {
    let request = v1::AppendChunkRequest {
        caller: Some(root(call)),
        inode,
        exclude: Vec::new(),
        host: "node-2".into(),
    };
    harness
        .fs
        .clone()
        .append_chunk(request)
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test]
async fn the_last_chunk_gets_more_bytes_on_the_datanodes_that_have_it() {
    let harness = Harness::start().await;
    let nodes = [
        harness.node(1).await,
        harness.node(2).await,
        harness.node(3).await,
    ];
    let old = harness.file("/f", 1, 700, &[&nodes[0], &nodes[1]]).await;
    let opened = append(&harness, 10).await;
    assert_eq!((opened.length, opened.last_length), (700, 700));
    let reopened = append_chunk(&harness, 11, opened.inode).await;
    assert_eq!(proto::extent(&reopened.extent.unwrap()).unwrap(), old);
    assert_eq!(reopened.generation, 2);
    let hosts: Vec<_> = reopened
        .targets
        .iter()
        .map(|target| target.datanode.as_ref().unwrap().host.as_str())
        .collect();
    assert_eq!(
        hosts,
        ["node-2", "node-1"],
        "the near one first, and nobody who has not got it"
    );
    assert_eq!(
        append_chunk(&harness, 11, opened.inode).await,
        reopened,
        "a retry"
    );
    let again = append_chunk(&harness, 12, opened.inode).await;
    assert_eq!((again.generation, &again.targets), (3, &reopened.targets));
    let status = harness.stat("/f").await.unwrap();
    assert_eq!(
        (status.length, status.being_written),
        (700, true),
        "readers have what they had"
    );

    let update = v1::UpdatePipelineRequest {
        caller: Some(root(13)),
        inode: opened.inode,
        chunk: old.chunk.as_u64(),
        generation: 3,
        length: 700,
        datanodes: vec![nodes[0].id(), nodes[1].id()],
    };
    harness.fs.clone().update_pipeline(update).await.unwrap();
    let new = ChunkExtent {
        generation: Generation(3),
        len: 900,
        ..old
    };
    nodes[0].received(new).await;
    nodes[1].received(new).await;
    let status = harness.complete(root(14), opened.inode, &[new]).await.unwrap();
    assert_eq!(status.length, 900);
    let located = harness.locate("/f", "").await.unwrap();
    assert_eq!(located.len(), 1);
    assert_eq!(located[0].replicas.len(), 2);
}

#[tokio::test]
async fn a_new_chunk_is_better_where_too_few_have_the_last_one_or_it_is_full() {
    let harness = Harness::start().await;
    let nodes = [harness.node(1).await, harness.node(2).await];
    harness.file("/f", 1, 700, &[&nodes[0], &nodes[1]]).await;
    let located = harness.locate("/f", "").await.unwrap();
    let old = proto::extent(&located[0].extent.unwrap()).unwrap();
    nodes[1].change(v1::ReplicaEvent::Deleted, old).await.unwrap();
    let opened = append(&harness, 10).await;
    assert_eq!(
        append_chunk(&harness, 11, opened.inode).await,
        v1::AppendChunkResponse::default()
    );
    let (new, _) = harness.add_chunk(root(12), opened.inode, &[]).await.unwrap();
    assert_ne!(new.chunk, old.chunk);
}

/// Answers orders as `answer` says, for ever.
async fn serve(
    node: &Node,
    answer: impl Fn(&v1::RecoverReplica) -> v1::RecoveryAnswer,
) -> std::convert::Infallible {
    let mut answers = Vec::new();
    loop {
        let orders = node.unfinished(&[], answers).await;
        for order in &orders {
            if let Some(len) = order.length {
                node.received(extent(order.chunk, order.recovery, len)).await;
            }
        }
        answers = orders.iter().map(&answer).collect();
    }
}

/// One that has `received` bytes, and finishes with what is wanted.
fn having(received: u64, restarted: bool) -> impl Fn(&v1::RecoverReplica) -> v1::RecoveryAnswer {
    move |order| {
        assert!(
            !restarted || order.length.is_none_or(|len| len <= received),
            "{order:?}"
        );
        v1::RecoveryAnswer {
            chunk: order.chunk,
            recovery: order.recovery,
            length: order.length.or(Some(received)),
            finished: order.length.is_some(),
            failure: String::new(),
            restarted: restarted && order.length.is_none(),
        }
    }
}

#[tokio::test]
async fn what_a_restarted_datanode_has_counts_only_when_there_is_nothing_else() {
    for (lens, expected) in [
        ([(900, false), (800, false), (700, true)], 800),
        ([(900, true), (800, true), (700, true)], 700),
    ] {
        let harness = Harness::start().await;
        let nodes = [
            harness.node(1).await,
            harness.node(2).await,
            harness.node(3).await,
        ];
        let request = v1::CreateRequest {
            caller: Some(root(1)),
            path: "/f".into(),
            mode: 0o644,
            publish: v1::Publish::AtCreate.into(),
            ..v1::CreateRequest::default()
        };
        let inode = harness
            .fs
            .clone()
            .create(request)
            .await
            .unwrap()
            .into_inner()
            .inode;
        let (chunk, _) = harness.add_chunk(root(2), inode, &[]).await.unwrap();
        let sync = v1::SyncRequest {
            caller: Some(root(3)),
            inode,
            written: Vec::new(),
            open: Some(proto::wire_extent(ChunkExtent { len: 600, ..chunk })),
        };
        harness.fs.clone().sync(sync).await.unwrap();
        let mut fs = harness.fs.clone();
        let recovering = fs.recover_lease(v1::RecoverLeaseRequest {
            caller: Some(root(4)),
            path: "/f".into(),
        });
        let [one, two, three] = lens.map(|(len, restarted)| having(len, restarted));
        let answer = tokio::select! {
            answer = recovering => answer.unwrap().into_inner(),
            never = serve(&nodes[0], one) => match never {},
            never = serve(&nodes[1], two) => match never {},
            never = serve(&nodes[2], three) => match never {},
        };
        assert!(answer.closed);
        assert_eq!(harness.stat("/f").await.unwrap().length, expected);
    }
}
