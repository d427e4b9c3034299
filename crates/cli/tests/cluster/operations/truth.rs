//! `health` says what is on the disks, at each step.

use super::disks::{health, seen, store, told};
use crate::support::{Cluster, until};

const REPLICAS: usize = 3;

#[test]
fn health_counts_what_is_on_the_disks() {
    let mut cluster = Cluster::start(5);
    // What has two copies is left as it is, so that there is something to count.
    let client = cluster.client.clone();
    client.ok(&["admin", "jobs", "set", "repair.settle_ms", "3600000"]);
    let stored = store(&cluster, "/some", 20);
    let agrees = |cluster: &Cluster, running: &[usize]| {
        let datanodes = running.iter().map(|&nth| &cluster.datanodes[nth]);
        let (told, seen) = (told(&client, REPLICAS)?, seen(&stored, datanodes, REPLICAS));
        (told == seen).then_some(seen)
    };
    let all = until("everything is healthy", || agrees(&cluster, &[0, 1, 2, 3, 4]));
    assert_eq!(all.into_iter().collect::<Vec<_>>(), [(REPLICAS, 20)]);
    let healthy = client.run(&["health"]);
    assert_eq!(healthy.status.code(), Some(0), "{}", healthy.stderr);

    cluster.datanodes[0].kill();
    cluster.wait_for_datanodes(4);
    let one_less = until("the first loss is counted", || agrees(&cluster, &[1, 2, 3, 4]));
    if one_less.keys().any(|copies| *copies < REPLICAS) {
        assert_eq!(
            client.run(&["health"]).status.code(),
            Some(7),
            "at risk: {one_less:?}"
        );
        let why = health(&client).unwrap();
        assert_eq!(why["level"], "at-risk");
        assert!(!why["problems"].as_array().unwrap().is_empty(), "{why}");
    }

    // A last copy is not left alone: the counts agree while that is mended, and after it.
    cluster.datanodes[1].kill();
    cluster.wait_for_datanodes(3);
    until("no chunk has a single copy", || {
        let counts = agrees(&cluster, &[2, 3, 4])?;
        counts.keys().all(|copies| *copies >= 2).then_some(())
    });

    client.ok(&["admin", "jobs", "set", "repair.settle_ms", "0"]);
    until("everything has all its copies again", || {
        let counts = agrees(&cluster, &[2, 3, 4])?;
        (counts.into_iter().collect::<Vec<_>>() == [(REPLICAS, 20)]).then_some(())
    });
    let mended = client.run(&["health", "--wait", "--limit", "60s"]);
    assert_eq!(
        mended.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&mended.stdout)
    );
}
