//! Reports by fingerprints: what differs is listed, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::collections::BTreeSet;

use common::client::put;
use common::master::{FakeMaster, Options, Reported};
use common::{Cluster, bytes};
use proto::v1::ReplicaEvent;
use types::ChunkId;
use types::fingerprint::bucket_of;

fn bucket(chunk: u64) -> u32 {
    bucket_of(ChunkId::new(chunk).unwrap()) as u32
}

async fn start(options: Options) -> Cluster {
    let master = FakeMaster::start_as(1, options).await;
    Cluster::start_under(master, 1, |_, _| {}).await
}

const OFTEN: Options = Options {
    heartbeat_ms: 20,
    report_ms: 30,
    sums: true,
    holds: false,
};

async fn some_comparisons(cluster: &Cluster) {
    let before = cluster.master.seen().comparisons;
    let what = "comparisons";
    cluster
        .master
        .wait(what, |seen| seen.comparisons > before + 2)
        .await;
}

#[tokio::test]
async fn only_what_the_master_does_not_know_is_listed() {
    let cluster = start(OFTEN).await;
    let node = cluster.pipeline(&[0]);
    for chunk in 1..=20 {
        put(&cluster.block(chunk, 1), &node, &bytes(100)).await;
    }
    some_comparisons(&cluster).await;
    let reports = cluster.master.seen().reports.len();
    assert_eq!(reports, 1, "both sides agree: the first report was the only one");

    // It has missed one, believes in one that is not there, and has another generation of a third.
    let right = cluster.master.seen().picture;
    cluster.master.imagine(|picture| {
        let has = picture.values_mut().next().unwrap();
        has.remove(&3);
        has.insert(1_000, (1, 5));
        has.insert(7, (2, 100));
    });
    let seen = cluster
        .master
        .wait("the right picture", |seen| {
            seen.picture == right && seen.reports.len() > reports
        })
        .await;
    let wrong = BTreeSet::from([3, 7, 1_000].map(bucket));
    let listed = &seen.reports[1];
    assert_eq!(listed.buckets.iter().copied().collect::<BTreeSet<_>>(), wrong);
    let expected = (1..=20).filter(|chunk| wrong.contains(&bucket(*chunk)));
    assert_eq!(
        listed.replicas,
        expected.map(|chunk| (chunk, 1, 100)).collect::<Vec<_>>()
    );
    some_comparisons(&cluster).await;
    assert_eq!(cluster.master.seen().reports.len(), 2, "once");
}

#[tokio::test]
async fn a_corrupt_replica_is_no_part_of_the_sums_and_is_told_again_with_its_bucket() {
    let cluster = start(OFTEN).await;
    let node = cluster.pipeline(&[0]);
    let block = cluster.block(1, 1);
    put(&block, &node, &bytes(100)).await;
    std::fs::write(cluster.nodes[0].data_file(&block), bytes(99)).unwrap();
    let op = common::client::read_op(&block, 0, 100);
    let mut connection = common::client::Connection::to(&node[0]).await;
    connection.ask(op).await.accepted().unwrap_err();
    let corrupt = Reported {
        datanode: node[0].id,
        event: ReplicaEvent::Corrupt,
        chunk: 1,
        generation: 1,
        length: 100,
    };
    cluster.master.reported(corrupt).await;
    some_comparisons(&cluster).await;
    assert_eq!(
        cluster.master.seen().reports.len(),
        1,
        "both know that it is corrupt"
    );
    // A master that has missed it.
    cluster.master.imagine(|picture| {
        picture.values_mut().next().unwrap().insert(1, (1, 100));
    });
    let again =
        |seen: &common::master::Seen| seen.changes.iter().filter(|change| **change == corrupt).count() == 2;
    let seen = cluster.master.wait("the corruption again", again).await;
    assert_eq!(seen.reports[1].buckets, [bucket(1)]);
    assert_eq!(seen.reports[1].replicas, []);
}

#[tokio::test]
async fn a_master_that_does_not_know_of_sums_gets_lists_of_everything() {
    let cluster = start(Options { sums: false, ..OFTEN }).await;
    put(&cluster.block(5, 1), &cluster.pipeline(&[0]), &bytes(10)).await;
    let seen = cluster
        .master
        .wait("several lists", |seen| seen.reports.len() > 4)
        .await;
    let last = seen.reports.last().unwrap();
    assert_eq!(
        (&last.buckets[..], &last.replicas[..]),
        (&[][..], &[(5, 1, 10)][..])
    );
    assert_eq!(cluster.master.seen().registrations.len(), 1, "in one session");
}
