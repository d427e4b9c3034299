//! A datanode in maintenance may be away: nothing is copied for it. When the maintenance is over, it is missed.

use std::thread;
use std::time::Duration;

use super::disks::{admin_state, copies, liveness, store, told};
use crate::support::{Cluster, until};

#[test]
fn what_is_on_a_datanode_in_maintenance_is_not_copied_until_that_is_over() {
    let mut cluster = Cluster::start(4);
    let client = cluster.client.clone();
    client.ok(&["admin", "jobs", "set", "repair.settle_ms", "0"]);
    let stored = store(&cluster, "/some", 12);
    let address = cluster.datanodes[0].ready().datanodes[0].clone();
    client.fails(&["nodes", "maintenance", &address, "--for", "365d"]);
    client.ok(&["nodes", "maintenance", &address, "--for", "1h"]);
    assert_eq!(admin_state(&client, &address), "maintenance");

    let before = copies(&cluster.datanodes[1..]);
    cluster.datanodes[0].kill();
    until("it is known to be away", || {
        (liveness(&client, &address)? == "dead").then_some(())
    });
    until("it is counted anew", || told(&client, 3));
    let done = client.run(&["health"]);
    assert_eq!(
        done.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&done.stdout)
    );
    // Longer than it takes to begin with repair, were it to be done.
    thread::sleep(Duration::from_secs(4));
    assert_eq!(copies(&cluster.datanodes[1..]), before, "nothing was copied");

    client.ok(&["nodes", "recommission", &address]);
    until("all that was on it is elsewhere", || {
        let now = copies(&cluster.datanodes[1..]);
        stored
            .values()
            .all(|chunk| now.get(chunk) == Some(&3))
            .then_some(())
    });
    until("all is well", || {
        client.run(&["health"]).status.success().then_some(())
    });
}

#[test]
fn a_maintenance_ends_by_itself() {
    let mut cluster = Cluster::start(4);
    let client = cluster.client.clone();
    let address = cluster.datanodes[0].ready().datanodes[0].clone();
    client.ok(&["nodes", "maintenance", &address, "--for", "2s"]);
    until("its time is over", || {
        (admin_state(&client, &address) == "in-service").then_some(())
    });
}
