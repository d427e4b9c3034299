//! What was acknowledged is there after any crash.

use crate::scale::MIB;
use crate::support::{Client, Cluster, Content, Options, PipePut, digest_of, digest_of_file};

/// Stores a few files of several sizes and directories; answers what must be there from now on.
fn store_some(cluster: &Cluster, prefix: &str) -> Vec<(String, Content)> {
    let source = cluster.dir().join("source");
    let mut stored = Vec::new();
    for (number, size) in [0, 1, 4096, 3 * MIB + 17].into_iter().enumerate() {
        let content = Content::new(size + number as u64, size);
        content.write_file(&source);
        let path = format!("/{prefix}/a/b/{number}");
        cluster.client.ok(&["mkdir", "-p", &format!("/{prefix}/a/b")]);
        cluster
            .client
            .ok(&["put", source.to_str().unwrap(), &path, "--chunk-size", "1MiB"]);
        stored.push((path, content));
    }
    stored
}

fn assert_all_there(client: &Client, stored: &[(String, Content)]) {
    for (path, content) in stored {
        let read = client.ok(&["cat", path]);
        assert_eq!(digest_of(read.as_slice()), content.digest(), "{path}");
    }
}

#[test]
fn a_master_killed_right_after_an_acknowledgement_has_it_when_it_comes_back() {
    let mut cluster = Cluster::start(3);
    let mut stored = Vec::new();
    for round in 0..3 {
        stored.extend(store_some(&cluster, &format!("round-{round}")));
        cluster
            .client
            .ok(&["mv", &stored[stored.len() - 1].0, &format!("/moved-{round}")]);
        let moved = stored.len() - 1;
        stored[moved].0 = format!("/moved-{round}");
        cluster.client.ok(&["rm", &stored[0].0]);
        let removed = stored.remove(0).0;
        // Nothing lies between the last acknowledgement and this.
        cluster.master.kill();
        cluster.master.start();
        cluster.wait_for_datanodes(3);
        assert_all_there(&cluster.client, &stored);
        assert!(!cluster.client.exists(&removed), "{removed} came back");
    }
}

#[test]
fn everything_killed_at_once_comes_back_with_everything() {
    let mut cluster = Cluster::start(3);
    let mut stored = Vec::new();
    for round in 0..2 {
        stored.extend(store_some(&cluster, &format!("round-{round}")));
        cluster.kill_all();
        cluster.start_all();
        assert_all_there(&cluster.client, &stored);
    }
}

#[test]
fn servers_end_cleanly_when_asked_to() {
    let mut cluster = Cluster::start(3);
    let stored = store_some(&cluster, "kept");
    for datanode in &mut cluster.datanodes {
        let status = datanode.terminate();
        assert!(status.success(), "{status}");
    }
    let status = cluster.master.terminate();
    assert!(status.success(), "{status}");
    cluster.start_all();
    assert_all_there(&cluster.client, &stored);
}

#[test]
fn a_put_outlives_a_restart_of_the_master() {
    // For two heartbeats a new master waits for its datanodes to come back; busy machines need more than the usual ones.
    let options = Options {
        master: ["--heartbeat-interval", "2s"].map(str::to_owned).to_vec(),
        ..Options::default()
    };
    let mut cluster = Cluster::with(options);
    let content = Content::new(50, 48 * MIB);
    let mut put = PipePut::start(
        &cluster.client,
        cluster.dir(),
        content,
        "/through",
        &["--chunk-size", "8MiB"],
    );
    put.feed_to(20 * MIB);
    cluster.master.kill();
    cluster.master.start();
    put.finish();
    let target = cluster.dir().join("target");
    cluster.client.ok(&["get", "/through", target.to_str().unwrap()]);
    assert_eq!(digest_of_file(&target), content.digest());
}
