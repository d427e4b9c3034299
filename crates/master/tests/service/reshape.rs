//! Files that are cut, and joined.

use std::time::Duration;

use proto::v1::{self, ErrorCode};
use types::{ChunkExtent, Generation};

use crate::harness::{Harness, code, detail, extent, root, user};
use crate::node::Node;

async fn truncate(harness: &Harness, call: u64, len: u64) -> Result<v1::TruncateResponse, tonic::Status> {
    let request = v1::TruncateRequest {
        caller: Some(root(call)),
        path: "/f".into(),
        length: len,
    };
    let answer = harness.fs.clone().truncate(request).await;
    answer.map(tonic::Response::into_inner)
}

fn done() -> v1::TruncateResponse {
    v1::TruncateResponse {
        done: true,
        waits_for: String::new(),
    }
}

async fn located(harness: &Harness) -> Vec<(ChunkExtent, bool, usize)> {
    let located = harness.locate("/f", "").await.unwrap();
    let told = |chunk: v1::LocatedChunk| {
        let extent = proto::extent(&chunk.extent.unwrap()).unwrap();
        (extent, chunk.open, chunk.replicas.len())
    };
    located.into_iter().map(told).collect()
}

#[tokio::test]
async fn readers_see_the_cut_at_once_and_replicas_are_cut_by_a_recovery() {
    let harness = Harness::start().await;
    let nodes = [
        harness.node(1).await,
        harness.node(2).await,
        harness.node(3).await,
    ];
    let old = harness
        .file("/f", 1, 700, &[&nodes[0], &nodes[1], &nodes[2]])
        .await;
    let id = old.chunk.as_u64();
    let cutting = tokio::spawn({
        let mut fs = harness.fs.clone();
        let request = v1::TruncateRequest {
            caller: Some(root(10)),
            path: "/f".into(),
            length: 300,
        };
        async move { fs.truncate(request).await.unwrap().into_inner() }
    });
    let orders = nodes[0].unfinished(&[], Vec::new()).await;
    assert_eq!(orders.len(), 1);
    assert_eq!(
        (orders[0].chunk, orders[0].length, orders[0].generation),
        (id, Some(300), 1)
    );
    let status = harness.stat("/f").await.unwrap();
    assert_eq!((status.length, status.being_written), (300, true));
    assert_eq!(
        located(&harness).await,
        [(ChunkExtent { len: 300, ..old }, false, 3)]
    );
    let append = v1::AppendRequest {
        caller: Some(user("ann", 1)),
        path: "/f".into(),
    };
    let refused = tokio::time::timeout(Duration::from_millis(200), harness.fs.clone().append(append)).await;
    assert!(!matches!(refused, Ok(Ok(_))), "nobody writes it meanwhile");

    let answered = tokio::select! {
        answered = cutting => answered.unwrap(),
        never = nodes[0].obey(orders) => match never {},
        never = nodes[1].obey(Vec::new()) => match never {},
        never = nodes[2].obey(Vec::new()) => match never {},
    };
    assert_eq!(answered, done());
    let status = harness.stat("/f").await.unwrap();
    assert_eq!((status.length, status.being_written), (300, false));
    let now = located(&harness).await;
    let [(new, false, replicas)] = now[..] else {
        panic!("{now:?}")
    };
    assert!(
        new.generation > Generation(1) && new.len == 300 && replicas >= 2,
        "{now:?}"
    );
    assert_eq!(
        truncate(&harness, 10, 300).await.unwrap(),
        done(),
        "a retry gets the same answer"
    );
}

#[tokio::test]
async fn those_who_have_nothing_to_cut_hold_up_nobody() {
    let harness = Harness::start().await;
    let nodes = [
        harness.node(1).await,
        harness.node(2).await,
        harness.node(3).await,
    ];
    harness
        .file("/f", 1, 700, &[&nodes[0], &nodes[1], &nodes[2]])
        .await;
    // What they had was found to be corrupt.
    let has_nothing = async |node: &Node| -> std::convert::Infallible {
        let mut orders = node.unfinished(&[], Vec::new()).await;
        loop {
            let answers = orders.iter().map(|order| v1::RecoveryAnswer {
                chunk: order.chunk,
                recovery: order.recovery,
                ..v1::RecoveryAnswer::default()
            });
            orders = node.unfinished(&[], answers.collect()).await;
        }
    };
    let answered = tokio::select! {
        answered = truncate(&harness, 10, 300) => answered.unwrap(),
        never = nodes[0].obey(Vec::new()) => match never {},
        never = has_nothing(&nodes[1]) => match never {},
        never = has_nothing(&nodes[2]) => match never {},
    };
    assert_eq!(answered, done());
    assert_eq!(harness.stat("/f").await.unwrap().length, 300);
}

#[tokio::test]
async fn at_the_edge_of_a_chunk_it_is_done_at_once() {
    let harness = Harness::start().await;
    let nodes = [harness.node(1).await, harness.node(2).await];
    let chunk = harness.file("/f", 1, 700, &[&nodes[0], &nodes[1]]).await;
    assert_eq!(truncate(&harness, 10, 700).await.unwrap(), done());
    let longer = detail(truncate(&harness, 11, 701).await);
    assert_eq!(longer.code(), ErrorCode::Invalid);
    assert!(longer.message.contains("700 bytes"), "{}", longer.message);
    assert_eq!(truncate(&harness, 12, 0).await.unwrap(), done());
    assert_eq!(harness.stat("/f").await.unwrap().length, 0);
    assert_eq!(nodes[0].ordered_to_delete().await, [(chunk.chunk.as_u64(), 1)]);
    let open = harness.create(root(20), "/open").await.unwrap();
    harness.complete(root(21), open, &[]).await.unwrap();
}

#[tokio::test]
async fn files_become_one() {
    let harness = Harness::start().await;
    let nodes = [harness.node(1).await, harness.node(2).await];
    let both = [&nodes[0], &nodes[1]];
    let first = harness.file("/f", 1, 700, &both).await;
    let second = harness.file("/g", 10, 50, &both).await;
    let request = |call, sources: &[&str]| v1::ConcatRequest {
        caller: Some(root(call)),
        target: "/f".into(),
        sources: sources.iter().map(|&source| source.to_owned()).collect(),
    };
    let mut fs = harness.fs.clone();
    assert_eq!(code(fs.concat(request(20, &[])).await), ErrorCode::Invalid);
    for _ in 0..2 {
        fs.concat(request(21, &["/g"]))
            .await
            .expect("also again, as the same call");
    }
    assert_eq!(code(harness.stat("/g").await), ErrorCode::NotFound);
    assert_eq!(located(&harness).await, [(first, false, 2), (second, false, 2)]);
    assert_eq!(extent(second.chunk.as_u64(), 1, 50), second);
    assert_eq!(nodes[0].ordered_to_delete().await, []);
}
