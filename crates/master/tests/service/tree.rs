use proto::v1::{self, ErrorCode};

use crate::harness::{Harness, code, eventually, root, user};

fn delete(caller: v1::Caller, path: &str) -> v1::DeleteRequest {
    v1::DeleteRequest {
        caller: Some(caller),
        path: path.into(),
        recursive: true,
    }
}

async fn space(harness: &Harness) -> v1::ClusterSpaceResponse {
    let request = v1::ClusterSpaceRequest {
        caller: Some(root(0)),
    };
    harness
        .fs
        .clone()
        .cluster_space(request)
        .await
        .unwrap()
        .into_inner()
}

/// Directories `path/0` to `path/<count - 1>`, made by batches. Uses root's calls from `call` on.
async fn fill(harness: &Harness, path: &str, call: u64, count: u64) {
    let mut made = 0;
    while made < count {
        let now = (count - made).min(1_000);
        let operations = (made..made + now).map(|n| v1::Operation {
            call_id: call + n,
            kind: Some(v1::operation::Kind::Mkdir(v1::MkdirRequest {
                path: format!("{path}/{n}"),
                mode: 0o755,
                ..v1::MkdirRequest::default()
            })),
        });
        let request = v1::BatchRequest {
            caller: Some(root(0)),
            operations: operations.collect(),
        };
        let answer = harness.fs.clone().batch(request).await.unwrap().into_inner();
        for result in answer.results {
            assert!(
                matches!(result.result, Some(v1::operation_result::Result::Done(_))),
                "{result:?}"
            );
        }
        made += now;
    }
}

/// Entries of the large tree: two hundred thousand when `DISTRIFS_TREE` is `full`. To make them takes a minute in a build
/// that is not optimised.
fn entries() -> u64 {
    match std::env::var("DISTRIFS_TREE") {
        Ok(size) if size == "full" => 200_000,
        _ => 20_000,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_tree_goes_while_others_are_answered() {
    let harness = Harness::start().await;
    harness.mkdir(root(1), "/tree", 0o755).await.unwrap();
    for n in 0..20 {
        let path = format!("/tree/{n}");
        harness.mkdir(root(2 + n), &path, 0o755).await.unwrap();
        fill(&harness, &path, 100 + n * 10_000, entries() / 20).await;
    }
    assert_eq!(space(&harness).await.directories, entries() + 22);

    let mut fs = harness.fs.clone();
    let deleting = tokio::spawn(async move { fs.delete(delete(root(900_000), "/tree")).await });
    // Others are answered all the while: questions, and changes, until it is gone.
    let mut answered = 0u64;
    while !deleting.is_finished() {
        harness.stat("/").await.unwrap();
        harness
            .mkdir(root(1_000_000 + answered), &format!("/other/{answered}"), 0o755)
            .await
            .unwrap();
        answered += 1;
    }
    deleting.await.unwrap().unwrap();
    assert!(answered > 0);
    // Gone at once, for everybody, whatever is still to be freed.
    assert_eq!(code(harness.stat("/tree/7/123").await), ErrorCode::NotFound);
    harness.mkdir(root(900_001), "/tree", 0o755).await.unwrap();
    let directories = space(&harness).await.directories;
    assert_eq!(
        directories,
        3 + answered,
        "root, /other and what is in it, the new /tree"
    );
    harness
        .fs
        .clone()
        .delete(delete(root(900_000), "/tree"))
        .await
        .unwrap();
    harness.stat("/tree").await.unwrap();
}

#[tokio::test]
async fn a_tree_that_the_caller_may_not_empty_stays_whole() {
    let harness = Harness::start().await;
    harness.mkdir(root(1), "/open", 0o777).await.unwrap();
    harness.mkdir(user("ann", 1), "/open/ann", 0o755).await.unwrap();
    harness
        .mkdir(user("ann", 2), "/open/ann/deep", 0o755)
        .await
        .unwrap();
    let mut fs = harness.fs.clone();
    let refused = fs.delete(delete(user("bob", 1), "/open/ann")).await;
    assert_eq!(code(refused), ErrorCode::PermissionDenied);
    harness.stat("/open/ann/deep").await.unwrap();
    fs.delete(delete(user("ann", 3), "/open/ann")).await.unwrap();
    // The same call once more has the same answer.
    fs.delete(delete(user("ann", 3), "/open/ann")).await.unwrap();
    let gone = fs.delete(delete(user("ann", 4), "/open/ann")).await;
    assert_eq!(code(gone), ErrorCode::NotFound);
}

#[tokio::test]
async fn what_was_in_a_tree_is_deleted_everywhere() {
    let harness = Harness::start().await;
    let nodes = [harness.node(1).await, harness.node(2).await];
    harness.mkdir(root(1), "/tree/deep", 0o755).await.unwrap();
    let mut chunks = Vec::new();
    for n in 0..3 {
        let path = format!("/tree/deep/f{n}");
        let chunk = harness.file(&path, 10 + n * 10, 9, &[&nodes[0], &nodes[1]]).await;
        chunks.push((chunk.chunk.as_u64(), chunk.generation.as_u64()));
    }
    harness
        .fs
        .clone()
        .delete(delete(root(90), "/tree"))
        .await
        .unwrap();
    let mut ordered = Vec::new();
    eventually(async || {
        ordered.extend(nodes[0].ordered_to_delete().await);
        (ordered.len() == 3).then_some(())
    })
    .await;
    ordered.sort_unstable();
    chunks.sort_unstable();
    assert_eq!(ordered, chunks);
}
