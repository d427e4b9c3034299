//! Masters come, go, lose their disks, and hand over the lead, while the cluster is used.

use serde_json::{Value, json};

use crate::http::request;
use crate::scale::MIB;
use crate::support::{Content, Group};

#[test]
fn a_master_whose_directory_is_lost_comes_back_as_a_new_one() {
    let mut group = Group::start(3, 1);
    group.client.ok(&["mkdir", "/before"]);
    let id_of = |group: &Group, place: usize| {
        let seen = group.look();
        let masters = seen["masters"].as_array().cloned().unwrap_or_default();
        let own = masters
            .into_iter()
            .find(|one| one["address"] == group.addresses[place].as_str());
        own.map(|one| one["id"].clone())
    };
    let lost = group.standby();
    let before = id_of(&group, lost);
    group.masters[lost].kill();
    group.masters[lost].lose_directory();
    group.client.ok(&["mkdir", "/meanwhile"]);
    group.masters[lost].start();
    group.wait_for_members(&[0, 1, 2]);
    assert_ne!(
        id_of(&group, lost),
        before,
        "what it had promised is forgotten, so it is another one"
    );
    // It counts: with it and without the leader there is a majority.
    let leader = group.leader();
    group.masters[leader].kill();
    for path in ["/before", "/meanwhile"] {
        assert!(group.client.exists(path), "{path} is lost");
    }
    group.client.ok(&["mkdir", "/after"]);
}

#[test]
fn masters_are_added_and_removed_while_the_cluster_is_used() {
    let mut group = Group::start(3, 3);
    let content = Content::new(80, 3 * MIB);
    group.put("/file", content);
    let fourth = group.spawn_master();
    let fifth = group.spawn_master();
    for place in [fourth, fifth] {
        let address = group.addresses[place].clone();
        group.client.ok(&["admin", "master", "add", &address]);
    }
    group.wait_for_members(&[0, 1, 2, fourth, fifth]);
    // Two of five may go, the leader too.
    let leader = group.leader();
    let address = group.addresses[leader].clone();
    group.client.ok(&["admin", "master", "remove", &address]);
    let rest: Vec<_> = (0..5).filter(|place| *place != leader).collect();
    group.masters[leader].kill();
    group.wait_for_members(&rest);
    let next = group.leader();
    group.masters[next].kill();
    group.client.ok(&["mkdir", "/after"]);
    // The datanodes report to the new ones too: bytes are found.
    group.assert_has("/file", content);
    // A client that was only told of one that came later.
    let late = rest.iter().rev().find(|place| **place != next).copied().unwrap();
    assert!(group.client_of(late).exists("/after"));
}

#[test]
fn the_lead_is_handed_over_and_nobody_notices() {
    let group = Group::start_calm(3, 1);
    let mut leader = group.leader();
    for round in 0..4 {
        let target = (leader + 1) % 3;
        let address = group.addresses[target].clone();
        let mut arguments = vec!["admin", "master", "transfer"];
        if round % 2 == 0 {
            arguments.push(&address);
        }
        group.client.ok(&arguments);
        group.client.ok(&["mkdir", &format!("/{round}")]);
        let next = group.leader();
        assert_ne!(next, leader);
        if round % 2 == 0 {
            assert_eq!(next, target);
        }
        leader = next;
    }
    let listed = group.client.ok(&["ls", "/"]);
    assert_eq!(String::from_utf8(listed).unwrap().lines().count(), 4);
}

/// As scripts do it, at any of the masters.
#[test]
fn masters_are_changed_over_http() {
    let mut group = Group::start_calm(3, 0);
    let ask = |group: &Group, place: usize, method: &str, path: &str, body: &Value| {
        let url = format!("http://{}/api/v1/{path}", group.masters[place].http());
        let me = request("GET", &url.replace(path, "me"), &[], b"").json();
        let user = format!("X-Distrifs-User: {}", me["superuser"].as_str().unwrap());
        request(method, &url, &[&user], body.to_string().as_bytes())
    };
    let fourth = group.spawn_master();
    let address = group.addresses[fourth].clone();
    let added = ask(
        &group,
        group.standby(),
        "POST",
        "masters",
        &json!({ "address": address }),
    );
    assert_eq!(
        (added.status, &added.json()["address"]),
        (200, &json!(address)),
        "{added:?}"
    );
    assert_eq!(added.header("content-type"), Some("application/json"));
    group.wait_for_members(&[0, 1, 2, fourth]);

    let handed = ask(&group, 0, "PUT", "leader", &json!({ "to": address }));
    assert_eq!(handed.json()["leader"], added.json()["id"], "{handed:?}");
    assert_eq!(group.leader(), fourth);
    let away = ask(&group, 0, "PUT", "leader", &json!({}));
    assert_eq!(away.status, 200, "{away:?}");
    assert_ne!(group.leader(), fourth);
    let gone = ask(&group, 0, "DELETE", &format!("masters/{address}"), &Value::Null);
    assert_eq!(gone.status, 204, "{gone:?}");
    group.masters[fourth].kill();
    group.wait_for_members(&[0, 1, 2]);
    let unknown = ask(&group, 0, "DELETE", "masters/nobody:1", &Value::Null);
    assert_eq!(
        (unknown.status, &unknown.json()["error"]["kind"]),
        (404, &json!("not-found"))
    );
}

#[test]
fn nonsense_is_refused_in_words() {
    let group = Group::start_calm(3, 0);
    let complaint = group.client.fails(&["admin", "master", "remove", "nobody:1"]);
    assert!(complaint.contains("no such master"), "{complaint}");
    let present = group.addresses[group.standby()].clone();
    group.client.fails(&["admin", "master", "add", &present]);
    let complaint = group
        .client
        .fails(&["admin", "master", "transfer", "--user", "nobody"]);
    assert!(
        complaint.contains("superuser") || complaint.contains("ermission"),
        "{complaint}"
    );
    group.wait_for_members(&[0, 1, 2]);
}
