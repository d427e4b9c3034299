use std::time::Duration;

use proto::v1::{self, ErrorCode, ReplicaEvent};
use types::{ChunkExtent, Generation};

use crate::harness::{Harness, code, detail, eventually, root, user};
use crate::node::Node;

async fn three(harness: &Harness) -> [Node; 3] {
    [
        harness.node(1).await,
        harness.node(2).await,
        harness.node(3).await,
    ]
}

#[tokio::test]
async fn complete_waits_for_the_datanodes_word() {
    let harness = Harness::start().await;
    let nodes = three(&harness).await;
    let inode = harness.create(root(1), "/f").await.unwrap();
    let (chunk, targets) = harness.add_chunk(root(2), inode, &[]).await.unwrap();
    assert_eq!((chunk.generation, targets.len()), (Generation(1), 3));
    let written = ChunkExtent { len: 1_000, ..chunk };

    let completing = async { harness.complete(root(3), inode, &[written]).await };
    let reporting = async {
        nodes[0].received(written).await;
        nodes[1].received(ChunkExtent { len: 999, ..chunk }).await;
        assert_eq!(
            code(harness.stat("/f").await),
            ErrorCode::NotFound,
            "one, and one too short"
        );
        nodes[2].received(written).await;
    };
    let (completed, ()) = tokio::join!(completing, reporting);
    let status = completed.unwrap();
    assert_eq!((status.length, status.being_written), (1_000, false));
    assert_eq!(harness.stat("/f").await.unwrap().length, 1_000);
    let again = harness.complete(root(3), inode, &[written]).await.unwrap();
    assert_eq!(again.inode, status.inode, "a retry gets the first answer");
}

#[tokio::test]
async fn complete_gives_up_with_an_explanation() {
    let harness = Harness::start_with(|config| config.complete_timeout = Duration::from_millis(50)).await;
    let nodes = three(&harness).await;
    let inode = harness.create(root(1), "/f").await.unwrap();
    let (chunk, _) = harness.add_chunk(root(2), inode, &[]).await.unwrap();
    let written = ChunkExtent { len: 10, ..chunk };
    nodes[0].received(written).await;
    let refusal = detail(harness.complete(root(3), inode, &[written]).await);
    assert_eq!(refusal.code(), ErrorCode::NotReplicated);
    for part in ["/f", "on disk on 1 of 2", "node-1:9866 has it", "10 bytes"] {
        assert!(refusal.message.contains(part), "{part}: {}", refusal.message);
    }
    nodes[1].received(written).await;
    harness
        .complete(root(3), inode, &[written])
        .await
        .expect("it may be tried again");
}

#[tokio::test]
async fn an_empty_file_waits_for_nothing() {
    let harness = Harness::start().await;
    let inode = harness.create(root(1), "/f").await.unwrap();
    assert_eq!(harness.complete(root(2), inode, &[]).await.unwrap().length, 0);
    assert_eq!(harness.locate("/f", "").await.unwrap(), []);
}

#[tokio::test]
async fn a_retried_add_chunk_gets_the_same_chunk_and_pipeline() {
    let harness = Harness::start().await;
    let _nodes = three(&harness).await;
    let inode = harness.create(root(1), "/f").await.unwrap();
    let first = harness.add_chunk(root(2), inode, &[]).await.unwrap();
    for _ in 0..5 {
        assert_eq!(harness.add_chunk(root(2), inode, &[]).await.unwrap(), first);
    }
    let other = harness.add_chunk(root(3), inode, &[]).await.unwrap();
    assert_ne!(other.0, first.0);
}

#[tokio::test]
async fn a_pipeline_is_repaired_under_a_new_generation() {
    let harness = Harness::start().await;
    let nodes = three(&harness).await;
    let fourth = harness.node(4).await;
    let inode = harness.create(root(1), "/f").await.unwrap();
    let (chunk, targets) = harness.add_chunk(root(2), inode, &[]).await.unwrap();
    let (id, ids) = (
        chunk.chunk.as_u64(),
        |targets: &[v1::Replica]| -> Vec<bytes::Bytes> {
            targets
                .iter()
                .map(|target| target.datanode.as_ref().unwrap().id.clone())
                .collect()
        },
    );
    let pipeline = ids(&targets);
    let mut fs = harness.fs.clone();
    let request = v1::AdditionalDatanodesRequest {
        caller: Some(root(3)),
        inode,
        chunk: id,
        existing: pipeline[1..].to_vec(),
        exclude: vec![pipeline[0].clone()],
        count: 1,
    };
    let more = ids(&fs
        .additional_datanodes(request.clone())
        .await
        .unwrap()
        .into_inner()
        .targets);
    assert_eq!(more.len(), 1);
    assert!(!pipeline.contains(&more[0]), "a newcomer");
    let everybody = [1, 2, 3, 4].map(|n| harness.stranger(n).id()).to_vec();
    let request = v1::AdditionalDatanodesRequest {
        exclude: everybody,
        existing: vec![],
        ..request
    };
    assert_eq!(
        code(fs.additional_datanodes(request).await),
        ErrorCode::WriteDenied
    );

    let request = v1::BumpGenerationRequest {
        caller: Some(root(4)),
        inode,
        chunk: id,
    };
    let generation = fs.bump_generation(request).await.unwrap().into_inner().generation;
    assert_eq!(generation, 2);
    let request = v1::UpdatePipelineRequest {
        caller: Some(root(5)),
        inode,
        chunk: id,
        generation,
        length: 100,
        datanodes: vec![pipeline[1].clone(), more[0].clone()],
    };
    fs.update_pipeline(request).await.unwrap();

    let old = ChunkExtent { len: 500, ..chunk };
    let new = ChunkExtent {
        generation: Generation(2),
        ..old
    };
    let refusal = detail(
        harness
            .complete(root(6), inode, &[old])
            .await_or_report(&nodes, old)
            .await,
    );
    assert_eq!(
        refusal.code(),
        ErrorCode::Invalid,
        "the old generation: {}",
        refusal.message
    );
    nodes[0].received(new).await;
    fourth.received(new).await;
    assert_eq!(
        harness.complete(root(7), inode, &[new]).await.unwrap().length,
        500
    );
    let replicas = &harness.locate("/f", "").await.unwrap()[0].replicas;
    assert_eq!(replicas.len(), 2, "the stale ones are left out");
}

trait AwaitOrReport<T> {
    async fn await_or_report(self, nodes: &[Node], extent: ChunkExtent) -> T;
}

impl<T, F: Future<Output = T>> AwaitOrReport<T> for F {
    /// The datanodes report `extent` while the call runs.
    async fn await_or_report(self, nodes: &[Node], extent: ChunkExtent) -> T {
        let reporting = async {
            for node in nodes {
                node.received(extent).await;
            }
        };
        tokio::join!(self, reporting).0
    }
}

#[tokio::test]
async fn an_append_adds_chunks_and_does_not_wait_for_the_old_ones() {
    let harness = Harness::start().await;
    let nodes = three(&harness).await;
    let old = harness.file("/f", 1, 700, &[&nodes[0], &nodes[1]]).await;
    // All old replicas are lost.
    for node in &nodes[..2] {
        node.change(ReplicaEvent::Deleted, old).await.unwrap();
    }
    let request = v1::AppendRequest {
        caller: Some(root(10)),
        path: "/f".into(),
    };
    let opened = harness.fs.clone().append(request).await.unwrap().into_inner();
    assert_eq!((opened.length, opened.replication), (700, 3));
    let (chunk, _) = harness.add_chunk(root(11), opened.inode, &[]).await.unwrap();
    let new = ChunkExtent { len: 50, ..chunk };
    nodes[0].received(new).await;
    nodes[1].received(new).await;
    assert_eq!(
        harness
            .complete(root(12), opened.inode, &[new])
            .await
            .unwrap()
            .length,
        750
    );

    let located = harness.locate("/f", "").await.unwrap();
    let spans: Vec<_> = located
        .iter()
        .map(|chunk| (chunk.offset, chunk.extent.unwrap().length))
        .collect();
    assert_eq!(spans, [(0, 700), (700, 50)]);
    let request = v1::LocateRequest {
        caller: Some(root(0)),
        path: "/f".into(),
        offset: 699,
        length: 1,
        host: String::new(),
    };
    assert_eq!(
        harness
            .fs
            .clone()
            .locate(request)
            .await
            .unwrap()
            .into_inner()
            .chunks
            .len(),
        1
    );
}

#[tokio::test]
async fn corrupt_replicas_are_left_out_until_there_is_nothing_else() {
    let harness = Harness::start().await;
    let nodes = three(&harness).await;
    let chunk = harness.file("/f", 1, 7, &[&nodes[0], &nodes[1]]).await;
    nodes[0].change(ReplicaEvent::Corrupt, chunk).await.unwrap();
    let hosts = async || -> Vec<(String, v1::ReplicaState)> {
        let located = harness.locate("/f", "node-1").await.unwrap();
        let named = |r: &v1::Replica| (r.datanode.as_ref().unwrap().host.clone(), r.state());
        located[0].replicas.iter().map(named).collect()
    };
    assert_eq!(
        hosts().await,
        [("node-2".to_owned(), v1::ReplicaState::Finalized)]
    );
    let request = v1::ReportCorruptRequest {
        caller: Some(user("ann", 1)),
        chunk: chunk.chunk.as_u64(),
        generation: 1,
        datanode_id: nodes[1].id(),
    };
    harness.fs.clone().report_corrupt(request).await.unwrap();
    assert_eq!(hosts().await.len(), 1, "a reader's word is not enough");
    assert_eq!(nodes[1].ordered_to_verify().await, [(chunk.chunk.as_u64(), 1)]);
    nodes[1].change(ReplicaEvent::Corrupt, chunk).await.unwrap();
    let all = hosts().await;
    assert_eq!(all.len(), 2, "better bad ones than none");
    assert!(all.iter().all(|(_, state)| *state == v1::ReplicaState::Corrupt));
    for node in &nodes {
        assert_eq!(node.ordered_to_delete().await, [], "nothing is deleted for it");
    }
}

#[tokio::test]
async fn after_a_restart_locate_waits_for_reports() {
    let harness = Harness::start().await;
    let nodes = three(&harness).await;
    let chunk = harness.file("/f", 1, 7, &[&nodes[0], &nodes[1]]).await;
    let harness = harness.restart().await;
    let node = harness.stranger(1);
    let (located, ()) = tokio::join!(harness.locate("/f", ""), async {
        node.register().await.unwrap();
        node.report(&[chunk]).await.unwrap();
    });
    assert_eq!(located.unwrap()[0].replicas.len(), 1);
}

#[tokio::test]
async fn a_silent_writers_file_goes_to_who_wants_it() {
    let harness = Harness::start_with(|config| config.lease_soft_limit = Duration::from_millis(100)).await;
    harness.mkdir(root(1), "/d", 0o777).await.unwrap();
    let request = |name: &str, call| v1::CreateRequest {
        caller: Some(user(name, call)),
        path: "/d/f".into(),
        mode: 0o666,
        overwrite: true,
        publish: v1::Publish::AtCreate.into(),
        ..v1::CreateRequest::default()
    };
    let mut fs = harness.fs.clone();
    let inode = fs.create(request("ann", 1)).await.unwrap().into_inner().inode;
    let append = |call| v1::AppendRequest {
        caller: Some(root(call)),
        path: "/d/f".into(),
    };
    let first = fs.append(append(2)).await;
    let mut call = 2;
    if first.is_err() {
        assert_eq!(code(first), ErrorCode::Busy);
        eventually(async || {
            call += 1;
            harness.fs.clone().append(append(call)).await.ok()
        })
        .await;
    }
    let lost = harness.complete(user("ann", 2), inode, &[]).await;
    assert_eq!(code(lost), ErrorCode::LeaseLost);
}

#[tokio::test]
async fn leases_end_at_the_hard_limit() {
    let harness = Harness::start_with(|config| {
        config.lease_soft_limit = Duration::from_millis(50);
        config.lease_hard_limit = Duration::from_millis(50);
    })
    .await;
    let nodes = three(&harness).await;
    let inode = harness.create(root(1), "/f").await.unwrap();
    let (chunk, _) = harness.add_chunk(root(2), inode, &[]).await.unwrap();
    nodes[0].received(ChunkExtent { len: 5, ..chunk }).await;
    let orders = eventually(async || {
        let orders = nodes[0].ordered_to_delete().await;
        (!orders.is_empty()).then_some(orders)
    })
    .await;
    assert_eq!(
        orders,
        [(chunk.chunk.as_u64(), 1)],
        "the file is gone, and its chunk with it"
    );
}
