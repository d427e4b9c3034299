//! A datanode that is decommissioned is drained, says so, and is missed by nobody when it is switched off.

use super::disks::{admin_state, copies, liveness, store};
use crate::support::{Cluster, until};

#[test]
fn a_decommissioned_datanode_is_drained_and_may_go() {
    let mut cluster = Cluster::start(4);
    let client = cluster.client.clone();
    let stored = store(&cluster, "/some", 12);
    let address = cluster.datanodes[0].ready().datanodes[0].clone();

    let refused = client.fails(&["nodes", "remove", &address]);
    assert!(
        refused.contains("not dead") && refused.contains("decommission"),
        "{refused}"
    );

    client.ok(&["nodes", "decommission", &address, "--wait", "--limit", "60s"]);
    assert_eq!(admin_state(&client, &address), "decommissioned");
    // By then, not later: everything is three times on the others.
    let elsewhere = copies(&cluster.datanodes[1..]);
    for (path, chunk) in &stored {
        assert_eq!(elsewhere.get(chunk), Some(&3), "{path}");
    }
    // Nothing new goes there.
    let before = copies([&cluster.datanodes[0]]);
    store_more(&cluster);
    let after = copies([&cluster.datanodes[0]]);
    assert!(after.keys().all(|chunk| before.contains_key(chunk)));

    cluster.datanodes[0].kill();
    until("it is held to be dead", || {
        (liveness(&client, &address)? == "dead").then_some(())
    });
    let done = client.run(&["health"]);
    assert_eq!(
        done.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&done.stdout)
    );
    client.ok(&["nodes", "remove", &address]);
    assert_eq!(liveness(&client, &address), None);
    client.fails(&["explain", &address]);
}

fn store_more(cluster: &Cluster) {
    let source = cluster.dir().join("source");
    for number in 0..5 {
        let path = format!("/more-{number}");
        cluster.client.ok(&["put", source.to_str().unwrap(), &path]);
    }
}

#[test]
fn a_decommission_goes_on_after_a_restart_and_can_be_taken_back() {
    let mut cluster = Cluster::start(3);
    let client = cluster.client.clone();
    store(&cluster, "/some", 3);
    let address = cluster.datanodes[0].ready().datanodes[0].clone();
    // Two others can not have three copies.
    client.ok(&["nodes", "decommission", &address]);
    cluster.master.kill();
    cluster.master.start();
    cluster.wait_for_datanodes(3);
    assert_eq!(admin_state(&client, &address), "decommissioning");
    let late = client.run(&["nodes", "decommission", &address, "--wait", "--limit", "2s"]);
    assert_eq!(late.status.code(), Some(6), "{}", late.stderr);
    let why = String::from_utf8(client.ok(&["explain", &address])).unwrap();
    assert!(why.contains("drain") || why.contains("decommission"), "{why}");
    client.ok(&["nodes", "recommission", &address]);
    assert_eq!(admin_state(&client, &address), "in-service");
    until("all is well again", || {
        client.run(&["health"]).status.success().then_some(())
    });
}
