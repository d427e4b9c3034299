//! The network of the leader is cut: it lives, and reaches nobody.

use crate::scale::MIB;
use crate::support::{Content, Group, PipePut};

#[test]
fn a_leader_that_is_cut_off_is_replaced_and_serves_nothing() {
    let Some(group) = Group::start_apart(3, 3, false) else {
        return;
    };
    let network = group.network.as_ref().unwrap();
    group.client.ok(&["mkdir", "/old"]);
    let content = Content::new(95, 24 * MIB);
    let options = ["--chunk-size", "4MiB"];
    let mut put = PipePut::start(&group.client, group.dir(), content, "/through", &options);
    put.feed_to(10 * MIB);
    let old = group.leader();
    network.cut(old);
    put.finish();
    group.client.ok(&["rm", "-r", "/old"]);
    group.client.ok(&["mkdir", "/new"]);
    assert_ne!(group.leader(), old);
    // On its own machine it can still be asked. It knows of none of this, and says so instead of something of the past.
    let local = group.client_of(old);
    for question in [["test", "-e", "/old"], ["test", "-e", "/new"]] {
        let done = local.run(&[&question[..], &["--timeout", "1s"]].concat());
        assert_eq!(done.status.code(), Some(6), "{question:?}: {}", done.stderr);
    }
    let done = local.run(&["mkdir", "/lost", "--timeout", "1s"]);
    assert_eq!(done.status.code(), Some(6), "{}", done.stderr);
    network.mend(old);
    group.wait_for_members(&[0, 1, 2]);
    assert!(local.exists("/new") && !local.exists("/old"));
    // Nobody heard of this, and nobody will.
    assert!(!group.client.exists("/lost"));
    group.assert_has("/through", content);
}

#[test]
fn a_follower_that_is_cut_off_disturbs_nobody_when_it_is_back() {
    let Some(group) = Group::start_apart(3, 1, true) else {
        return;
    };
    let network = group.network.as_ref().unwrap();
    let term = |group: &Group| group.look()["term"].as_u64().unwrap();
    let (leader, lonely) = (group.leader(), group.standby());
    let before = term(&group);
    network.cut(lonely);
    for number in 0..20 {
        group.client.ok(&["mkdir", &format!("/{number}")]);
    }
    network.mend(lonely);
    group.wait_for_members(&[0, 1, 2]);
    assert_eq!(
        (group.leader(), term(&group)),
        (leader, before),
        "it was not to be elected, and did not ask for it"
    );
}
