//! Calls to masters that are down, not ready, or not the leader.

use std::time::Duration;

use client::{CreateOptions, Error, ErrorKind, FileSystem};
use env::Env;
use env::net::ReservedPort;

use crate::fake::{Cluster, Master, Refuse, config, path};

#[tokio::test]
async fn a_retry_keeps_its_call_id_and_another_call_has_another() {
    let cluster = Cluster::start(0).await;
    cluster
        .master
        .refuse("mkdir", [Refuse::NotReady, Refuse::LoseAnswer, Refuse::NotReady]);
    cluster.fs.mkdir(&path("/d"), 0o755, false).await.unwrap();
    cluster.fs.mkdir(&path("/e"), 0o755, false).await.unwrap();
    let calls = cluster.master.calls("mkdir");
    let [first, again, third, done, other] = calls[..] else {
        panic!("{calls:?}")
    };
    assert!(
        first == again && again == third && third == done && done != other,
        "{calls:?}"
    );
}

#[tokio::test]
async fn the_next_master_is_asked_when_one_is_down_or_names_another() {
    let leader = Master::start(&[]).await;
    let follower = Master::start(&[]).await;
    follower.refuse("mkdir", [Refuse::NotLeader(leader.address())]);
    let mut config = config(&follower);
    // Nobody listens at the first address.
    let closed = ReservedPort::on("127.0.0.1").unwrap();
    config.masters = vec![
        closed.address().to_string(),
        format!("http://{}/", follower.address()),
    ];
    let fs = FileSystem::connect(Env::real(), config).unwrap();
    fs.mkdir(&path("/d"), 0o755, false).await.unwrap();
    fs.mkdir(&path("/e"), 0o755, false).await.unwrap();
    assert_eq!(follower.calls("mkdir").len(), 1);
    assert_eq!(leader.calls("mkdir").len(), 2);
}

#[tokio::test]
async fn when_no_master_answers_the_error_names_them_and_says_why() {
    let port = ReservedPort::on("127.0.0.1").unwrap();
    let closed = port.address().to_string();
    let mut config = client::Config::new(vec![closed.clone()], "tester");
    config.timeouts.call_total = Duration::from_millis(200);
    let fs = FileSystem::connect(Env::real(), config).unwrap();
    let error = fs.stat(&path("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains(&closed) && text.contains("refused"), "{text}");
}

#[tokio::test]
async fn a_refusal_is_final() {
    let cluster = Cluster::start(0).await;
    assert!(matches!(
        cluster.fs.stat(&path("/no")).await,
        Err(Error::NotFound(_))
    ));
    assert_eq!(cluster.master.calls("stat").len(), 1);
    assert!(!cluster.fs.exists(&path("/no")).await.unwrap());
}

#[tokio::test]
async fn closing_waits_for_replicas_to_be_confirmed() {
    let cluster = Cluster::start(3).await;
    cluster
        .master
        .refuse("complete", [Refuse::NotReplicated, Refuse::NotReplicated]);
    cluster.put("/f", b"data").await.unwrap();
    let calls = cluster.master.calls("complete");
    assert!(
        calls.len() == 3 && calls.iter().all(|call| *call == calls[0]),
        "{calls:?}"
    );

    let cluster = Cluster::with(3, |config| config.timeouts.close = Duration::from_secs(1)).await;
    cluster
        .master
        .refuse("complete", vec![Refuse::NotReplicated; 100]);
    let mut file = cluster
        .fs
        .create(&path("/f"), CreateOptions::default())
        .await
        .unwrap();
    file.write(b"data").await.unwrap();
    assert!(matches!(file.close().await, Err(Error::NotReplicated(_))));
}

#[tokio::test]
async fn a_directory_is_listed_page_by_page() {
    let cluster = Cluster::start(0).await;
    for name in ["/c", "/a", "/e", "/b", "/d"] {
        cluster.master.add_file(name, &[]);
    }
    let mut pages = cluster.fs.list(&path("/"));
    let mut sizes = Vec::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        sizes.push(page.len());
    }
    assert_eq!(sizes, [2, 2, 1]);
    let names: Vec<_> = cluster
        .fs
        .list_all(&path("/"))
        .await
        .unwrap()
        .into_iter()
        .map(|e| e.name)
        .collect();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}
