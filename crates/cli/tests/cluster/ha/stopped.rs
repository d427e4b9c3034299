//! The leader is stopped where it is, as if its machine hung, and wakes up when another one leads.

use std::process::Stdio;

use crate::scale::MIB;
use crate::support::{Content, Group, PipePut};

#[test]
fn a_put_goes_on_and_the_old_leader_comes_back_as_a_follower() {
    let group = Group::start(3, 3);
    let content = Content::new(70, 32 * MIB);
    let options = ["--chunk-size", "4MiB"];
    let mut put = PipePut::start(&group.client, group.dir(), content, "/stopped", &options);
    put.feed_to(12 * MIB);
    let leader = group.leader();
    group.masters[leader].freeze();
    put.finish();
    group.assert_has("/stopped", content);
    group.masters[leader].thaw();
    group.wait_for_members(&[0, 1, 2]);
    group.assert_has("/stopped", content);
}

#[test]
fn a_leader_that_wakes_up_serves_nothing_stale() {
    let group = Group::start(3, 1);
    group.client.ok(&["mkdir", "/old"]);
    let old = group.leader();
    group.masters[old].freeze();
    // Questions that lie in its sockets while it sleeps, from clients that know nobody else.
    let asked: Vec<_> = (0..8)
        .map(|number| {
            let mut command =
                group
                    .client_of(old)
                    .command(&["test", "-e", if number % 2 == 0 { "/old" } else { "/new" }]);
            let child = command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            (number, child.unwrap())
        })
        .collect();
    group.client.ok(&["rm", "-r", "/old"]);
    group.client.ok(&["mkdir", "/new"]);
    group.masters[old].thaw();
    for (number, mut child) in asked {
        let code = child.wait().unwrap().code();
        // 0: it is there, 1: it is not.
        let expected = if number % 2 == 0 { 1 } else { 0 };
        assert_eq!(
            code,
            Some(expected),
            "question {number} got an answer of the past"
        );
    }
    group.wait_for_members(&[0, 1, 2]);
}

#[test]
fn a_leader_that_wakes_up_orders_no_datanode_about() {
    let group = Group::start(3, 3);
    let content = Content::new(71, MIB);
    group.put("/kept", content);
    let old = group.leader();
    // It has a deletion to order, and is stopped; then the name is given to the bytes of another writer.
    group.put("/doomed", Content::new(72, MIB));
    group.client.ok(&["rm", "/doomed"]);
    group.masters[old].freeze();
    group.put("/doomed", Content::new(73, MIB));
    group.masters[old].thaw();
    group.wait_for_members(&[0, 1, 2]);
    group.assert_has("/kept", content);
    group.assert_has("/doomed", Content::new(73, MIB));
}
