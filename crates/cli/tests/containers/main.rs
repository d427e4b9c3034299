//! The cluster of `deploy/docker`, as containers on a network of their own.
//!
//! Skipped, and says so, where no container engine answers. The image is made of the binary that is tested, by the script that
//! makes the real one; `DISTRIFS_TEST_IMAGE` names another one, of a static binary perhaps.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod compose;

use compose::{Compose, Setup};

/// So many bytes that repeat nowhere soon.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

#[test]
fn three_masters_and_six_datanodes_lose_a_container_and_a_network() {
    let Some(cluster) = Compose::up(Setup::Three) else {
        return;
    };
    let (one, two) = (noise(1, 9_000_000), noise(2, 5_000_000));

    cluster.put(&one, "/one", &["--chunk-size", "1MiB"]);
    assert_eq!(cluster.cat("/one"), one);

    // One datanode is killed, and the leading master is cut off the network: what is there can be read, and written to.
    cluster.kill("datanode2");
    let leader = cluster.leader();
    cluster.cut_off(&leader);
    assert_eq!(
        cluster.cat("/one"),
        one,
        "a datanode is dead, and {leader} is cut off"
    );
    cluster.put(&two, "/two", &["--chunk-size", "1MiB"]);
    assert_eq!(cluster.cat("/two"), two);
    let next = cluster.leader();
    assert_ne!(next, leader, "another master leads");

    // A datanode that is cut off is missed, and what it had is copied.
    cluster.cut_off("datanode5");
    cluster.until("two datanodes are missed", |cluster| {
        cluster.health()["datanodes_live"] == 4
    });
    assert_eq!(cluster.cat("/two"), two);

    for name in [&leader, "datanode5"] {
        cluster.connect(name);
    }
    cluster.start("datanode2");
    cluster.until("all is well again", |cluster| {
        let health = cluster.health();
        health["level"] == "healthy" && health["datanodes_live"] == 6 && health["exact"] == true
    });
    cluster.until("all servers call themselves well", |cluster| {
        cluster.unhealthy().is_empty()
    });
    assert_eq!(cluster.cat("/one"), one);
    assert_eq!(cluster.cat("/two"), two);
}

#[test]
fn one_master_and_six_datanodes_come_back_after_all_were_killed() {
    let Some(cluster) = Compose::up(Setup::Single) else {
        return;
    };
    let content = noise(3, 3_000_000);
    cluster.put(&content, "/f", &["--chunk-size", "1MiB"]);
    let names = [
        "master",
        "datanode1",
        "datanode2",
        "datanode3",
        "datanode4",
        "datanode5",
        "datanode6",
    ];
    for name in names {
        cluster.kill(name);
    }
    for name in names {
        cluster.start(name);
    }
    cluster.until("all is well again", |cluster| {
        cluster.health()["level"] == "healthy"
    });
    assert_eq!(cluster.cat("/f"), content);
}
