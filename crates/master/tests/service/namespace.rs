use proto::v1::{self, ErrorCode};

use crate::harness::{Harness, code, detail, root, user};

#[tokio::test]
async fn permissions_are_those_of_the_caller() {
    let harness = Harness::start().await;
    harness.mkdir(root(9), "/home", 0o755).await.unwrap();
    harness.mkdir(root(1), "/home/ann", 0o700).await.unwrap();
    let request = v1::SetOwnerRequest {
        caller: Some(root(2)),
        path: "/home/ann".into(),
        owner: Some("ann".into()),
        group: Some("anns".into()),
    };
    harness.fs.clone().set_owner(request.clone()).await.unwrap();

    harness.mkdir(user("ann", 1), "/home/ann/d", 0o755).await.unwrap();
    let denied = detail(harness.mkdir(user("bob", 1), "/home/ann/e", 0o755).await);
    assert_eq!(denied.code(), ErrorCode::PermissionDenied);
    assert!(
        denied.message.contains("bob") && denied.message.contains("/home/ann"),
        "{}",
        denied.message
    );
    let request = v1::SetOwnerRequest {
        caller: Some(user("ann", 2)),
        ..request
    };
    let status = harness
        .fs
        .clone()
        .set_owner(v1::SetOwnerRequest {
            owner: Some("bob".into()),
            ..request
        })
        .await;
    assert_eq!(
        code(status),
        ErrorCode::PermissionDenied,
        "only the superuser gives files away"
    );
}

#[tokio::test]
async fn nobody_is_root_in_another_masters_eyes() {
    let harness = Harness::start_with(|config| config.superuser = "operator".into()).await;
    assert_eq!(
        code(harness.mkdir(root(1), "/d", 0o755).await),
        ErrorCode::PermissionDenied
    );
    harness.mkdir(user("operator", 1), "/d", 0o755).await.unwrap();
}

#[tokio::test]
async fn a_retried_change_gets_the_first_answer() {
    let harness = Harness::start().await;
    let inode = harness.create(root(1), "/f").await.unwrap();
    assert_eq!(
        harness.create(root(1), "/f").await.unwrap(),
        inode,
        "the same file, not another"
    );

    harness.mkdir(root(2), "/a", 0o755).await.unwrap();
    let rename = |call| v1::RenameRequest {
        caller: Some(root(call)),
        from: "/a".into(),
        to: "/b".into(),
        replace: false,
    };
    harness.fs.clone().rename(rename(3)).await.unwrap();
    harness.fs.clone().rename(rename(3)).await.unwrap();
    assert_eq!(
        code(harness.fs.clone().rename(rename(4)).await),
        ErrorCode::NotFound,
        "another call"
    );
    let harness = harness.restart().await;
    harness.fs.clone().rename(rename(3)).await.unwrap();
    assert_eq!(harness.create(root(1), "/f").await.unwrap(), inode);
}

#[tokio::test]
async fn a_directory_is_listed_page_by_page() {
    let harness = Harness::start().await;
    for n in 0..25u64 {
        harness
            .mkdir(root(n + 1), &format!("/d/{n:02}"), 0o755)
            .await
            .unwrap();
    }
    let mut names = Vec::new();
    let mut pages = 0;
    loop {
        let request = v1::ListRequest {
            caller: Some(root(0)),
            path: "/d".into(),
            start_after: names.last().cloned().unwrap_or_default(),
            limit: 10,
        };
        let page = harness.fs.clone().list(request).await.unwrap().into_inner();
        names.extend(page.entries.into_iter().map(|entry| entry.name));
        pages += 1;
        if !page.more {
            break;
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(names, (0..25).map(|n| format!("{n:02}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn every_refusal_has_its_code() {
    let harness = Harness::start().await;
    harness.mkdir(root(1), "/d/e", 0o755).await.unwrap();
    let delete = |call, path: &str, recursive| v1::DeleteRequest {
        caller: Some(root(call)),
        path: path.into(),
        recursive,
    };
    assert_eq!(code(harness.stat("/none").await), ErrorCode::NotFound);
    assert_eq!(code(harness.stat("d").await), ErrorCode::Invalid);
    assert_eq!(code(harness.stat("/d/../d").await), ErrorCode::Invalid);
    assert_eq!(
        code(harness.fs.clone().delete(delete(2, "/d", false)).await),
        ErrorCode::NotEmpty
    );
    assert_eq!(code(harness.create(root(3), "/d").await), ErrorCode::IsDirectory);
    assert_eq!(
        code(harness.add_chunk(root(4), 999, &[]).await),
        ErrorCode::LeaseLost
    );
    assert_eq!(
        code(harness.mkdir(root(5), "/x", 0o17_777).await),
        ErrorCode::Invalid
    );
    let nobody = v1::StatRequest {
        caller: None,
        path: "/".into(),
    };
    assert_eq!(code(harness.fs.clone().stat(nobody).await), ErrorCode::Invalid);
    harness.fs.clone().delete(delete(6, "/d", true)).await.unwrap();
    assert_eq!(code(harness.stat("/d/e").await), ErrorCode::NotFound);
}

#[tokio::test]
async fn attributes_are_set() {
    let harness = Harness::start().await;
    harness.mkdir(root(1), "/d", 0o755).await.unwrap();
    let mut fs = harness.fs.clone();
    let (caller, path) = (Some(root(2)), "/d".to_owned());
    fs.set_mode(v1::SetModeRequest {
        caller,
        path,
        mode: 0o1777,
    })
    .await
    .unwrap();
    let (caller, path) = (Some(root(3)), "/d".to_owned());
    fs.set_times(v1::SetTimesRequest {
        caller,
        path,
        mtime_ms: Some(5),
        atime_ms: None,
    })
    .await
    .unwrap();
    let status = harness.stat("/d").await.unwrap();
    assert_eq!((status.mode, status.mtime_ms), (0o1777, 5));
    let (caller, path) = (Some(root(4)), "/d".to_owned());
    let wrong = fs
        .set_replication(v1::SetReplicationRequest {
            caller,
            path,
            replication: 0,
        })
        .await;
    assert_eq!(code(wrong), ErrorCode::Invalid);
}

#[tokio::test]
async fn what_a_file_gets_that_asks_for_nothing() {
    let harness = Harness::start_with(|config| config.replication = 2).await;
    let info = harness
        .fs
        .clone()
        .server_info(v1::ServerInfoRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (info.replication, info.min_replicas, info.chunk_size),
        (2, 2, 64 << 20)
    );
    assert_eq!(info.cluster_id, harness.master.cluster_id().unwrap().to_string());
    let request = v1::CreateRequest {
        caller: Some(root(1)),
        path: "/f".into(),
        mode: 0o644,
        ..v1::CreateRequest::default()
    };
    let created = harness.fs.clone().create(request).await.unwrap().into_inner();
    assert_eq!((created.replication, created.chunk_size), (2, 64 << 20));
}
