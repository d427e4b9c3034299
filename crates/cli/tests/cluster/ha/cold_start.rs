//! Everything was dead, and starts again; and operators who want nothing to change.

use serde_json::Value;

use crate::scale::MIB;
use crate::support::{Content, Group};

fn safe_mode(group: &Group) -> Value {
    serde_json::from_slice(&group.client.ok(&["admin", "safemode", "status", "--json"])).unwrap()
}

#[test]
fn a_cluster_that_starts_waits_in_safe_mode_for_its_datanodes() {
    let mut group = Group::start(3, 3);
    let content = Content::new(90, 3 * MIB);
    group.put("/file", content);
    group.client.ok(&["mkdir", "/directory"]);
    group.kill_all();
    for master in &mut group.masters {
        master.spawn();
    }
    for master in &mut group.masters {
        master.ready();
    }
    group.leader();
    let mode = safe_mode(&group);
    assert_eq!(
        (&mode["on"], &mode["manual"]),
        (&Value::Bool(true), &Value::Bool(false)),
        "{mode}"
    );
    assert_eq!(mode["confirmed"], 0, "{mode}");
    // Names can be read, and not changed.
    assert!(group.client.exists("/directory"));
    let done = group.client.run(&["mkdir", "/no", "--timeout", "3s"]);
    assert_eq!(done.status.code(), Some(6), "{}", done.stderr);
    assert!(done.stderr.contains("takes no changes yet"), "{}", done.stderr);
    let done = group
        .client
        .run(&["admin", "safemode", "wait", "--limit", "300ms"]);
    assert_eq!(done.status.code(), Some(6), "{}", done.stderr);

    for datanode in &mut group.datanodes {
        datanode.spawn();
    }
    // A change that is asked for now is made when that has ended.
    group.client.ok(&["mkdir", "/later"]);
    group.client.ok(&["admin", "safemode", "wait"]);
    assert_eq!(safe_mode(&group)["on"], false);
    group.assert_has("/file", content);
}

#[test]
fn everything_killed_at_once_comes_back_twice() {
    let mut group = Group::start(3, 3);
    for round in 0..2 {
        let content = Content::new(91 + round, 2 * MIB + 5);
        group.put(&format!("/{round}"), content);
        group.kill_all();
        for role in group.masters.iter_mut().chain(&mut group.datanodes) {
            role.spawn();
        }
        group.ready();
        group.client.ok(&["admin", "safemode", "wait"]);
        for earlier in 0..=round {
            group.assert_has(&format!("/{earlier}"), Content::new(91 + earlier, 2 * MIB + 5));
        }
    }
}

#[test]
fn an_operator_enters_and_leaves_safe_mode_and_a_failover_does_not() {
    let mut group = Group::start(3, 1);
    group.client.ok(&["admin", "safemode", "enter"]);
    let done = group.client.run(&["mkdir", "/no"]);
    assert_eq!(done.status.code(), Some(6), "{}", done.stderr);
    assert!(
        done.stderr.contains("distrifs admin safemode leave"),
        "{}",
        done.stderr
    );
    assert!(!group.client.exists("/no"));
    // It is a change like any other: the next leader knows it.
    let leader = group.leader();
    group.masters[leader].kill();
    let mode = safe_mode(&group);
    assert_eq!(
        (&mode["on"], &mode["manual"]),
        (&Value::Bool(true), &Value::Bool(true)),
        "{mode}"
    );
    let done = group
        .client
        .run(&["admin", "safemode", "leave", "--user", "nobody"]);
    assert_eq!(done.status.code(), Some(4), "{}", done.stderr);
    group.client.ok(&["admin", "safemode", "leave"]);
    group.client.ok(&["mkdir", "/yes"]);
    assert_eq!(safe_mode(&group)["on"], false);
}
