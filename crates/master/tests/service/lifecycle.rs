use std::time::Duration;

use env::Env;
use master::{Master, StartError};
use proto::v1::ErrorCode;
use proto::v1::namespace_client::NamespaceClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use types::ChunkExtent;

use crate::harness::{Harness, channel, code, extent, patient, root};

#[tokio::test]
async fn the_first_start_formats_and_later_ones_keep_everything() {
    let harness = Harness::start().await;
    let cluster = harness.master.cluster_id().unwrap();
    let nodes = [harness.node(1).await, harness.node(2).await];
    let chunk = harness.file("/f", 1, 1_000, &[&nodes[0], &nodes[1]]).await;
    harness.mkdir(root(9), "/a/b", 0o750).await.unwrap();
    let before = harness.stat("/f").await.unwrap();

    let harness = harness.restart().await;
    assert_eq!(harness.master.cluster_id().unwrap(), cluster);
    assert_eq!(harness.stat("/f").await.unwrap(), before);
    assert_eq!(harness.stat("/a/b").await.unwrap().mode, 0o750);
    let nodes = [harness.stranger(1), harness.stranger(2)];
    for node in &nodes {
        node.register().await.unwrap();
        node.report(&[chunk]).await.unwrap();
    }
    let located = harness.locate("/f", "").await.unwrap();
    assert_eq!(located[0].extent, Some(proto::wire_extent(chunk)));
    assert_eq!(located[0].replicas.len(), 2);
    harness.create(root(10), "/f").await.unwrap_err();
    harness.master.shutdown().await;
}

#[tokio::test]
async fn who_writes_a_chunk_is_known_again_when_the_datanodes_have_told() {
    let harness = Harness::start_with(|config| config.heartbeat_interval = Duration::from_millis(100)).await;
    let nodes = [harness.node(1).await, harness.node(2).await];
    let at_create = proto::v1::Publish::AtCreate;
    let inode = harness
        .create_published(root(1), "/log", at_create)
        .await
        .unwrap();
    let (first, _) = harness.add_chunk(root(2), inode, &[]).await.unwrap();
    let first = ChunkExtent { len: 9, ..first };
    for node in &nodes {
        node.received(first).await;
    }
    let (open, _) = harness.add_chunk(root(3), inode, &[first]).await.unwrap();

    let harness = harness.restart().await;
    let nodes = [harness.stranger(1), harness.stranger(2)];
    for node in &nodes {
        node.register().await.unwrap();
        node.report(&[first]).await.unwrap();
        node.unfinished(&[open], Vec::new()).await;
    }
    let located = harness.locate("/log", "").await.unwrap();
    assert_eq!(
        located.iter().map(|chunk| chunk.open).collect::<Vec<_>>(),
        [false, true]
    );
    let datanode = |replica: &proto::v1::Replica| replica.datanode.as_ref().unwrap().id.clone();
    let mut writers: Vec<_> = located[1].replicas.iter().map(datanode).collect();
    writers.sort();
    assert_eq!(writers, [nodes[0].id(), nodes[1].id()]);
}

#[tokio::test]
async fn a_term_is_never_used_twice() {
    let harness = Harness::start().await;
    let first = harness
        .members
        .clone()
        .identity(proto::v1::IdentityRequest {})
        .await
        .unwrap()
        .into_inner();
    let harness = harness.restart().await;
    let second = harness
        .members
        .clone()
        .identity(proto::v1::IdentityRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(second.term > first.term, "{} after {}", second.term, first.term);
    assert_eq!(second.cluster_id, first.cluster_id);
    assert_eq!(second.pool_id, format!("BP-{}", first.cluster_id));
}

#[tokio::test]
async fn a_second_master_on_the_directory_is_refused() {
    let harness = Harness::start().await;
    let second = Master::start(Env::real(), patient(&harness.dir))
        .await
        .err()
        .unwrap();
    assert!(matches!(second, StartError::InUse { .. }), "{second}");
    assert!(
        second.to_string().contains(&std::process::id().to_string()),
        "{second}"
    );
    let harness = harness.restart().await;
    harness.stat("/").await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let harness = Harness::start().await;
    let other = tempfile::tempdir().unwrap();
    let mut config = patient(&other);
    config.listen = harness.master.grpc_addr().to_string();
    let error = Master::start(Env::real(), config.clone()).await.err().unwrap();
    assert!(error.to_string().contains(&config.listen), "{error}");
    config.listen = "127.0.0.1:0".into();
    Master::start(Env::real(), config).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn after_a_shutdown_nothing_answers() {
    let harness = Harness::start().await;
    harness.stat("/").await.unwrap();
    let mut fs = NamespaceClient::new(channel(&harness.master));
    harness.master.shutdown().await;
    assert!(fs.server_info(proto::v1::ServerInfoRequest {}).await.is_err());
}

#[tokio::test]
async fn shutting_down_ends_those_who_wait() {
    let harness = Harness::start().await;
    let _nodes = [harness.node(1).await, harness.node(2).await];
    let inode = harness.create(root(1), "/f").await.unwrap();
    let (chunk, _) = harness.add_chunk(root(2), inode, &[]).await.unwrap();
    let mut fs = harness.fs.clone();
    let waiting = tokio::spawn(async move {
        let request = proto::v1::CompleteRequest {
            caller: Some(root(3)),
            inode,
            written: vec![proto::wire_extent(ChunkExtent { len: 10, ..chunk })],
        };
        fs.complete(request).await
    });
    harness.stat("/").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    harness.master.shutdown().await;
    assert_eq!(code(waiting.await.unwrap()), ErrorCode::NotReady);
}

#[tokio::test]
async fn health_is_told_over_grpc_and_http() {
    let harness = Harness::start().await;
    let mut health = HealthClient::new(channel(&harness.master));
    for service in ["", "distrifs.v1.Namespace", "distrifs.v1.Membership"] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        assert_eq!(
            health.check(request).await.unwrap().into_inner().status,
            1,
            "{service:?} serves"
        );
    }
    assert!(http(&harness, "/healthz").await.starts_with("HTTP/1.1 200"));
    let unready = http(&harness, "/readyz").await;
    assert!(
        unready.starts_with("HTTP/1.1 503") && unready.contains("\"ready\":false"),
        "{unready}"
    );
    let node = harness.node(1).await;
    node.report(&[extent(99, 1, 5)]).await.unwrap();
    let ready = http(&harness, "/readyz").await;
    assert!(
        ready.starts_with("HTTP/1.1 200") && ready.contains("\"usable_datanodes\":1"),
        "{ready}"
    );
}

async fn http(harness: &Harness, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(harness.master.http_addr())
        .await
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
