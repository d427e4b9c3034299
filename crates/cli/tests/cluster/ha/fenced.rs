//! An order that an old leader gave, and that arrives when another one leads.

use std::thread;
use std::time::{Duration, Instant};

use crate::scale::MIB;
use crate::support::{Content, Group, Relay};

/// How often it is tried: on a busy machine a connection may be given up before the order arrives.
const TRIES: usize = 4;

#[test]
fn an_order_that_was_on_its_way_while_its_leader_was_replaced_is_refused() {
    assert!(
        (0..TRIES).any(|_| is_refused()),
        "no datanode refused an old order"
    );
}

fn is_refused() -> bool {
    let mut group = Group::start(3, 0);
    let old = group.leader();
    let relay = Relay::to(&group.addresses[old]);
    for _ in 0..3 {
        // Knows the leader as the relay; the others it hears of.
        group.add_datanode_at(&relay.address);
    }
    group.ready();
    group.put("/doomed", Content::new(80, MIB));
    // While they sleep, the leader comes to have an order for them; it leaves, and does not arrive.
    for datanode in &group.datanodes {
        datanode.freeze();
    }
    relay.hold();
    group.client.ok(&["rm", "/doomed"]);
    for datanode in &group.datanodes {
        datanode.thaw();
    }
    thread::sleep(Duration::from_millis(700));
    group.masters[old].freeze();
    group.leader_other_than(old);
    // Some heartbeats: the datanodes know of the new leader.
    thread::sleep(Duration::from_millis(700));
    relay.release();
    let refused = || {
        let refusal = "refused a command of an old leader";
        group.datanodes.iter().any(|node| node.log().contains(refusal))
    };
    let begun = Instant::now();
    while !refused() && begun.elapsed() < Duration::from_secs(3) {
        thread::sleep(Duration::from_millis(20));
    }
    let refused = refused();
    group.masters[old].thaw();
    group.wait_for_members(&[0, 1, 2]);
    let content = Content::new(81, MIB);
    group.put("/doomed", content);
    group.assert_has("/doomed", content);
    refused
}
