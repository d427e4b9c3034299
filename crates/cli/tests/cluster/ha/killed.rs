//! The leader dies by `kill -9`, with everything under way.

use crate::scale::MIB;
use crate::support::{Content, Group, PipeGet, PipePut};

#[test]
fn a_put_goes_on_when_the_leader_dies_again_and_again() {
    let mut group = Group::start(3, 3);
    let content = Content::new(60, 48 * MIB);
    let options = ["--chunk-size", "4MiB"];
    let mut put = PipePut::start(&group.client, group.dir(), content, "/through", &options);
    for round in 1..=3 {
        put.feed_to(round * 12 * MIB);
        let leader = group.leader();
        group.masters[leader].kill();
        put.feed_to(round * 12 * MIB + 6 * MIB);
        let next = group.leader_other_than(leader);
        assert_ne!(leader, next);
        group.masters[leader].start();
        group.wait_for_members(&[0, 1, 2]);
    }
    put.finish();
    group.assert_has("/through", content);
}

#[test]
fn a_get_goes_on_when_the_leader_dies() {
    let mut group = Group::start(3, 3);
    let content = Content::new(61, 40 * MIB);
    group.put("/file", content);
    let mut get = PipeGet::start(&group.client, group.dir(), content, "/file");
    get.take_to(3 * MIB);
    let leader = group.leader();
    group.masters[leader].kill();
    get.finish();
    // One that begins without the leader, at a client that knows only those that are left and the dead one.
    group.assert_has("/file", content);
}

#[test]
fn what_was_acknowledged_is_there_after_every_failover() {
    let mut group = Group::start(3, 1);
    let mut made = Vec::new();
    for round in 0..4 {
        for number in 0..5 {
            let path = format!("/{round}-{number}");
            group.client.ok(&["mkdir", &path]);
            made.push(path);
        }
        // Nothing lies between the last acknowledgement and this.
        let leader = group.leader();
        group.masters[leader].kill();
        group.client.ok(&["mkdir", &format!("/after-{round}")]);
        made.push(format!("/after-{round}"));
        group.masters[leader].start();
        group.wait_for_members(&[0, 1, 2]);
        for path in &made {
            assert!(group.client.exists(path), "{path} is lost");
        }
    }
}

#[test]
fn the_leader_and_a_datanode_die_at_once_under_a_put() {
    let mut group = Group::start(3, 4);
    let content = Content::new(62, 64 * MIB);
    let options = ["--chunk-size", "8MiB"];
    let mut put = PipePut::start(&group.client, group.dir(), content, "/both", &options);
    put.feed_to(30 * MIB);
    let leader = group.leader();
    group.masters[leader].kill();
    group.datanodes[0].kill();
    put.finish();
    group.assert_has("/both", content);
    // A standby knew where everything is: there was no safe mode.
    let mode = group.client.ok(&["admin", "safemode", "status", "--json"]);
    let mode: serde_json::Value = serde_json::from_slice(&mode).unwrap();
    assert_eq!(mode["on"], false, "{mode}");
}
