//! Whose directory is whose, and in which order things may start.

use serde_json::Value;

use crate::support::{Cluster, Options, until};

#[test]
fn a_second_process_on_a_directory_is_refused() {
    let cluster = Cluster::start(1);
    for role in [&cluster.master, &cluster.datanodes[0]] {
        let mut rival = role.rival();
        rival.spawn();
        let status = rival.wait();
        assert!(!status.success(), "two on one directory: {role}");
        let log = rival.log();
        let dir = role.dir().to_str().unwrap();
        assert!(log.contains(dir), "the directory is not named: {log}");
    }
    // The first ones were not disturbed.
    cluster.client.ok(&["mkdir", "/still-works"]);
    assert_eq!(cluster.client.live_datanodes(), Some(1));
}

/// The cluster id, wherever a server wrote it down below `dir`.
fn ids_in(text: &str) -> Vec<String> {
    let is_id_character = |c: char| c == '-' || c.is_ascii_hexdigit();
    text.split(|c| !is_id_character(c))
        .map(|word| word.trim_matches('-'))
        .filter(|word| word.len() == 36 && word.matches('-').count() == 4)
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_directory_of_another_cluster_is_refused_and_both_are_named() {
    let mut ours = Cluster::start(1);
    let theirs = Cluster::start(1);
    let their_dir = theirs.datanodes[0].dir().to_owned();
    let their_identity = std::fs::read_dir(&their_dir)
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
        .find_map(|text| {
            let value: Value = serde_json::from_str(&text).ok()?;
            Some(value.get("cluster")?.as_str()?.to_owned())
        });
    // Take their datanode away from them, and point its directory at our master.
    drop(theirs.datanodes);
    let name = ours.dir().join("moved");
    copy_dir(&their_dir, &name);
    let mut intruder = ours.new_datanode("moved");
    intruder.spawn();
    let status = intruder.wait();
    assert!(!status.success());
    let log = intruder.log();
    let mut named = ids_in(&log);
    named.sort();
    named.dedup();
    assert!(named.len() >= 2, "two clusters are to be named: {log}");
    if let Some(their_identity) = their_identity {
        assert!(
            log.contains(&their_identity),
            "{their_identity} is not named: {log}"
        );
    }
    assert_eq!(ours.client.live_datanodes(), Some(1));
    ours.kill_all();
}

/// Copies files and directories; not the socket that a datanode left.
fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else if entry.path().is_file() {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn the_start_order_does_not_matter() {
    let mut cluster = Cluster::start(2);
    cluster.kill_all();
    // Datanodes first, with nobody to report to.
    for datanode in &mut cluster.datanodes {
        datanode.spawn();
    }
    cluster.master.start();
    for datanode in &mut cluster.datanodes {
        datanode.ready();
    }
    cluster.wait_for_datanodes(2);
    // The master alone goes and comes back; the datanodes find it again.
    cluster.master.kill();
    cluster.master.start();
    cluster.wait_for_datanodes(2);
}

#[test]
fn a_fresh_datanode_may_wait_for_its_master() {
    let mut cluster = Cluster::with(Options {
        datanodes: 0,
        ..Options::default()
    });
    cluster.master.kill();
    // A directory that was never formatted, and no master to say whose it is.
    cluster.add_datanode();
    cluster.master.start();
    until("the newcomer is there", || {
        (cluster.client.live_datanodes() == Some(1)).then_some(())
    });
}
