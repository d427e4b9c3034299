//! Files that are read while they are written.

use crate::support::{Appending, Cluster, Options, bytes, until};

fn length(cluster: &Cluster, path: &str) -> u64 {
    let status = cluster.client.ok(&["stat", "--json", path]);
    let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
    status["length"].as_u64().unwrap()
}

#[test]
fn readers_see_every_byte_that_was_flushed_whoever_dies() {
    let mut cluster = Cluster::start(3);
    let data = bytes(40, 200_000);
    let mut appending = Appending::start(&cluster.client, "/log", &["--flush"]);
    let mut written = 0;
    for end in [1, 600, 100_000] {
        appending.feed(&data[written..end], end);
        written = end;
        assert!(
            cluster.client.ok(&["cat", "/log"]) == data[..end],
            "{end} bytes were flushed"
        );
    }
    cluster.datanodes[1].kill();
    appending.feed(&data[written..150_000], 150_000);
    assert!(cluster.client.ok(&["cat", "/log"]) == data[..150_000]);
    cluster.datanodes[1].start();
    cluster.wait_for_datanodes(3);
    assert!(cluster.client.ok(&["cat", "/log"]) == data[..150_000]);
    appending.feed(&data[150_000..], data.len());
    appending.finish();
    assert!(cluster.client.ok(&["cat", "/log"]) == data);
}

#[test]
fn what_was_synced_counts_for_the_length() {
    let cluster = Cluster::start(3);
    let data = bytes(41, 5000);
    let mut appending = Appending::start(&cluster.client, "/log", &["--sync"]);
    for (from, to) in [(0, 700), (700, 5000)] {
        appending.feed(&data[from..to], to);
        assert_eq!(length(&cluster, "/log"), to as u64);
        assert!(cluster.client.ok(&["cat", "/log"]) == data[..to]);
    }
    appending.finish();
    until("it is closed", || {
        (length(&cluster, "/log") == 5000).then_some(())
    });
}

#[test]
fn a_file_whose_writer_died_is_closed_with_all_that_was_flushed() {
    let mut cluster = Cluster::start(3);
    for (round, victim) in [None, Some(0), Some(2)].into_iter().enumerate() {
        let path = format!("/log-{round}");
        let data = bytes(50 + round as u64, 150_000);
        let mut appending = Appending::start(&cluster.client, &path, &["--flush"]);
        appending.feed(&data[..700], 700);
        appending.feed(&data[700..], data.len());
        appending.kill();
        if let Some(victim) = victim {
            cluster.datanodes[victim].kill();
        }
        cluster.client.ok(&["admin", "recover-lease", &path]);
        assert_eq!(length(&cluster, &path), data.len() as u64);
        assert!(cluster.client.ok(&["cat", &path]) == data, "with {victim:?} dead");
        // It is free for the next one.
        let mut appending = Appending::start(&cluster.client, &path, &["--flush"]);
        appending.feed(b"more", data.len() + 4);
        appending.finish();
        if let Some(victim) = victim {
            cluster.datanodes[victim].start();
            cluster.wait_for_datanodes(3);
        }
        assert_eq!(length(&cluster, &path), data.len() as u64 + 4);
    }
}

#[test]
fn a_master_that_is_restarted_recovers_what_was_left_open() {
    let mut options = Options::default();
    options
        .master
        .extend(["--lease-hard-limit", "2s"].map(str::to_owned));
    let mut cluster = Cluster::with(options);
    let data = bytes(60, 90_000);
    let mut appending = Appending::start(&cluster.client, "/log", &["--flush"]);
    appending.feed(&data, data.len());
    appending.kill();
    cluster.master.kill();
    cluster.master.start();
    cluster.wait_for_datanodes(3);
    until("the file is closed", || {
        (length(&cluster, "/log") == data.len() as u64).then_some(())
    });
    assert!(cluster.client.ok(&["cat", "/log"]) == data);
}

#[test]
fn appends_go_into_the_last_chunk_whoever_dies() {
    let mut cluster = Cluster::start(3);
    let data = bytes(70, 600_000);
    let mut written = 0;
    // From a packed replica to one in files; each time somebody else is away for the append, or dies in it.
    for (round, end) in [100usize, 1_000, 60_000, 70_000, 200_000, 400_000, 600_000]
        .into_iter()
        .enumerate()
    {
        let mut appending = Appending::start(&cluster.client, "/log", &["--flush"]);
        let middle = written + (end - written) / 2;
        let victim = round % 3;
        if round % 2 == 1 {
            cluster.datanodes[victim].kill();
        }
        appending.feed(&data[written..middle], middle);
        assert!(cluster.client.ok(&["cat", "/log"]) == data[..middle]);
        if round % 2 == 0 && round > 0 {
            cluster.datanodes[victim].kill();
        }
        appending.feed(&data[middle..end], end);
        appending.finish();
        written = end;
        if round > 0 {
            cluster.datanodes[victim].start();
            cluster.wait_for_datanodes(3);
        }
        assert_eq!(length(&cluster, "/log"), end as u64);
        assert!(cluster.client.ok(&["cat", "/log"]) == data[..end]);
    }
}

#[test]
fn many_appends_fill_one_chunk() {
    let cluster = Cluster::start(3);
    let data = bytes(73, 90_000);
    let mut written = 0;
    for end in [1, 511, 512, 70_000, 90_000] {
        let mut appending = Appending::start(&cluster.client, "/log", &["--flush"]);
        appending.feed(&data[written..end], end);
        appending.finish();
        written = end;
        assert!(cluster.client.ok(&["cat", "/log"]) == data[..end]);
        let explained = String::from_utf8(cluster.client.ok(&["explain", "/log"])).unwrap();
        assert!(explained.contains("in 1 chunks, 3 replicas"), "{explained}");
    }
}

#[test]
fn what_was_synced_survives_a_crash_of_everything() {
    let mut cluster = Cluster::start(3);
    let data = bytes(71, 150_000);
    for (round, (closed, synced)) in [(0, 90_000), (700, 5_000), (70_000, 140_000)]
        .into_iter()
        .enumerate()
    {
        let path = format!("/log-{round}");
        if closed > 0 {
            let mut appending = Appending::start(&cluster.client, &path, &["--flush"]);
            appending.feed(&data[..closed], closed);
            appending.finish();
        }
        let mut appending = Appending::start(&cluster.client, &path, &["--sync"]);
        let middle = closed + (synced - closed) / 3;
        appending.feed(&data[closed..middle], middle);
        appending.feed(&data[middle..synced], synced);
        assert_eq!(length(&cluster, &path), synced as u64);
        cluster.kill_all();
        appending.kill();
        cluster.start_all();
        cluster.client.ok(&["admin", "recover-lease", &path]);
        assert_eq!(length(&cluster, &path), synced as u64);
        assert!(cluster.client.ok(&["cat", &path]) == data[..synced]);
        let mut appending = Appending::start(&cluster.client, &path, &["--flush"]);
        appending.feed(&data[synced..], data.len());
        appending.finish();
        assert!(cluster.client.ok(&["cat", &path]) == data);
    }
}

#[test]
fn the_checksum_of_a_file_that_is_being_written_is_that_of_what_was_flushed() {
    let cluster = Cluster::start(3);
    let data = bytes(72, 100_000);
    let mut appending = Appending::start(&cluster.client, "/log", &["--flush"]);
    appending.feed(&data[..70_001], 70_001);
    let open = cluster.client.ok(&["checksum", "/log"]);
    let source = cluster.dir().join("source");
    std::fs::write(&source, &data[..70_001]).unwrap();
    cluster.client.ok(&["put", source.to_str().unwrap(), "/copy"]);
    let copy = cluster.client.ok(&["checksum", "/copy"]);
    let sum = |told: Vec<u8>| String::from_utf8(told).unwrap().replace("/copy", "/log");
    assert_eq!(sum(open), sum(copy));
    appending.feed(&data[70_001..], data.len());
    appending.finish();
}
