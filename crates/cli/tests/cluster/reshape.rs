//! Files that are cut and joined while processes die.

use std::process::Stdio;

use crate::support::{Client, Cluster, Content, until};

fn bytes(seed: u64, len: usize) -> Vec<u8> {
    Content::new(seed, len as u64).bytes(0..len as u64)
}

fn put(cluster: &Cluster, path: &str, data: &[u8]) {
    let source = cluster.dir().join("source");
    std::fs::write(&source, data).unwrap();
    let source = source.to_str().unwrap();
    cluster.client.ok(&["put", source, path, "--chunk-size", "1MiB"]);
}

fn stat(client: &Client, path: &str) -> (u64, bool) {
    let status = client.ok(&["stat", "--json", path]);
    let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
    let open = status["being_written"].as_bool().unwrap();
    (status["length"].as_u64().unwrap(), open)
}

#[test]
fn every_kind_of_cut_and_a_join() {
    let cluster = Cluster::start(3);
    let client = &cluster.client;
    // Packed, in files, and over several chunks.
    for (len, cuts) in [
        (5_000usize, &[4_999usize, 4_608, 700, 0][..]),
        (300_000, &[299_999, 70_000, 60_000, 1]),
        (3_000_000, &[2_999_999, 2 << 20, (1 << 20) + 5, 1 << 20, 17]),
    ] {
        let data = bytes(len as u64, len);
        put(&cluster, "/file", &data);
        for cut in cuts {
            client.ok(&["truncate", "/file", &cut.to_string()]);
            assert_eq!(stat(client, "/file"), (*cut as u64, false));
            assert!(client.ok(&["cat", "/file"]) == data[..*cut], "{len} cut to {cut}");
        }
        let refused = client.fails(&["truncate", "/file", "5000000"]);
        assert!(refused.contains("can not be cut to 5000000"), "{refused}");
        client.ok(&["rm", "/file"]);
    }
    let parts = [bytes(1, 2_000_000), bytes(2, 700), bytes(3, 1 << 20)];
    for (number, part) in parts.iter().enumerate() {
        put(&cluster, &format!("/part-{number}"), part);
    }
    client.ok(&["concat", "/part-0", "/part-1", "/part-2"]);
    assert!(client.ok(&["cat", "/part-0"]) == parts.concat());
    assert!(!client.exists("/part-1") && !client.exists("/part-2"));
    // A chunk in the middle is short: the cut is found all the same.
    let whole = parts.concat();
    client.ok(&["truncate", "/part-0", "2000300"]);
    assert!(client.ok(&["cat", "/part-0"]) == whole[..2_000_300]);
    cluster.wait_for_datanodes(3);
}

#[test]
fn a_replica_that_was_away_is_stale_and_never_shows_what_was_cut_off() {
    let mut cluster = Cluster::start(3);
    let data = bytes(7, 400_000);
    put(&cluster, "/file", &data);
    cluster.datanodes[1].kill();
    cluster.client.ok(&["truncate", "/file", "123456"]);
    assert_eq!(stat(&cluster.client, "/file"), (123_456, false));
    cluster.datanodes[1].start();
    cluster.wait_for_datanodes(3);
    for other in [0, 2] {
        cluster.datanodes[other].kill();
        cluster.datanodes[other].start();
        cluster.wait_for_datanodes(3);
        assert!(cluster.client.ok(&["cat", "/file"]) == data[..123_456]);
    }
}

#[test]
fn a_cut_is_finished_after_the_master_and_all_datanodes_died_in_the_middle() {
    let mut cluster = Cluster::start(3);
    let data = bytes(8, 400_000);
    put(&cluster, "/file", &data);
    for datanode in &cluster.datanodes {
        datanode.freeze();
    }
    let mut cutting = cluster
        .client
        .command(&["truncate", "/file", "100001"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("it is decided", || {
        (stat(&cluster.client, "/file") == (100_001, true)).then_some(())
    });
    cluster.kill_all();
    cutting.kill().unwrap();
    cutting.wait().unwrap();
    cluster.start_all();
    until("it is carried out", || {
        (stat(&cluster.client, "/file") == (100_001, false)).then_some(())
    });
    assert!(cluster.client.ok(&["cat", "/file"]) == data[..100_001]);
}
