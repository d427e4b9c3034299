//! An empty datanode is filled from the others, over a change of leader, just as far as was said before.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::disks::{FILE_BYTES, copies};
use crate::support::{Client, Content, Group, until};

/// Bytes of each datanode's disk: the least that has room for a chunk beyond the reserve, so that little data fills a share of
/// it that can be told.
const DISK: &str = "size=192m";
const FILES: usize = 40;

/// A disk in memory. Dropping it takes it away.
struct Disk(PathBuf);

impl Disk {
    /// None where disks can not be made, as without root.
    fn new(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let made = Command::new("mount")
            .args(["-t", "tmpfs", "-o", DISK, "tmpfs"])
            .arg(at)
            .output();
        made.is_ok_and(|output| output.status.success())
            .then(|| Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the datanode on it may still end.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn rebalance(client: &Client, arguments: &[&str]) -> Option<Value> {
    let all = [&["rebalance", "--json"], arguments].concat();
    serde_json::from_slice(&client.run(&all).stdout).ok()
}

fn state(report: &Value) -> &str {
    report["job"]["state"].as_str().unwrap_or_default()
}

/// Bytes on all disks, as datanodes said last.
fn used(client: &Client) -> Option<u64> {
    let space: Value = serde_json::from_slice(&client.run(&["df", "--json"]).stdout).ok()?;
    let nodes = space["datanodes"].as_array()?;
    nodes.iter().map(|node| node["used"].as_u64()).sum()
}

/// Bytes on a datanode's disk, by the chunks on it.
fn bytes(chunks: &BTreeMap<String, usize>) -> u64 {
    chunks.len() as u64 * FILE_BYTES
}

#[test]
fn an_empty_datanode_is_filled_as_far_as_was_said_over_a_change_of_leader() {
    let mut group = Group::start_calm(3, 0);
    let base = group.dir().to_owned();
    let disks = (1..=4).map(|number| Disk::new(&base.join(format!("datanode-{number}"))));
    let Some(_disks) = disks.collect::<Option<Vec<_>>>() else {
        return;
    };
    let all = group.addresses.join(",");
    for _ in 0..3 {
        group.add_datanode_at(&all);
    }
    group.ready();
    let client = group.client.clone();
    for number in 0..FILES {
        group.put(&format!("/{number}"), Content::new(number as u64, FILE_BYTES));
    }
    // What is used comes with heartbeats.
    let written = (FILES * 3) as u64 * FILE_BYTES;
    until("all that was written counts as used", || {
        (used(&client)? >= written).then_some(())
    });
    client.ok(&["admin", "jobs", "set", "balance.threshold", "0.005"]);
    // Replicas too many go at once.
    client.ok(&["admin", "jobs", "set", "repair.settle_ms", "0"]);
    // Slow enough that the leader can be killed in the middle.
    client.ok(&["admin", "jobs", "set", "balance.bandwidth_per_node", "200KiB"]);
    group.add_datanode_at(&all);
    group.ready();

    // Nothing moves for being asked.
    let plan = until("the newcomer takes part", || {
        let report = rebalance(&client, &["--dry-run"])?;
        (report["bytes"].as_u64()? > 0 && report["datanodes"].as_array()?.len() == 4).then_some(report)
    });
    assert_eq!(state(&plan), "stopped");
    assert!(copies([&group.datanodes[3]]).is_empty());

    client.ok(&["rebalance"]);
    until("the first chunk has come", || {
        (!copies([&group.datanodes[3]]).is_empty()).then_some(())
    });
    let leader = group.leader();
    group.masters[leader].kill();
    group.leader_other_than(leader);
    let half = copies([&group.datanodes[3]]).len();
    client.ok(&["admin", "jobs", "set", "balance.bandwidth_per_node", "0"]);

    let done = until("it is over", || {
        let report = rebalance(&client, &["--status"])?;
        // Up to half a chunk may be left on each of the three that give.
        (state(&report) == "idle" && report["bytes"].as_u64()? <= 2 * FILE_BYTES).then_some(report)
    });
    let moved = copies([&group.datanodes[3]]);
    assert!(
        moved.len() > half,
        "the new leader has gone on: {half} of {}",
        moved.len()
    );
    // As much as was said, and no more than what one plan rounds to whole chunks on each of the three that give.
    let said = plan["bytes"].as_u64().unwrap();
    let apart = bytes(&moved).abs_diff(said);
    assert!(
        apart <= 3 * FILE_BYTES,
        "{said} bytes were to come, {} have: {done}",
        bytes(&moved)
    );
    until("every chunk has just its copies", || {
        let all = copies(&group.datanodes);
        (all.len() == FILES && all.values().all(|count| *count == 3)).then_some(())
    });
    assert_eq!(client.run(&["health"]).status.code(), Some(0));
    for number in 0..FILES {
        group.assert_has(&format!("/{number}"), Content::new(number as u64, FILE_BYTES));
    }
    // It does not begin again by itself.
    let settings: Value = serde_json::from_slice(&client.ok(&["admin", "jobs", "--json"])).unwrap();
    let mut settings = settings["settings"].as_array().unwrap().iter();
    let switch = settings.find(|setting| setting["key"] == "balance.run");
    assert_eq!(switch.unwrap()["value"], "off");
}
