//! The picture of the cluster: chunks by condition, repair, datanodes and volumes.

use std::collections::BTreeMap;
use std::time::Duration;

use metrics::Scrape;
use placement::{Class, Condition, Counts, Liveness, Priority};

use super::group::flag;
use super::{float, number};
use crate::core::Core;
use crate::operations::{NodeStatus, node_statuses};

pub(super) fn tell(core: &Core, scrape: &mut Scrape<'_>) {
    let (chunks, files, repair) = {
        let cluster = core.cluster();
        let namespace = core.machine.read();
        (
            cluster.ledger.chunks().clone(),
            cluster.file_counts(&namespace),
            cluster.repair.status(),
        )
    };
    scrape.gauge(
        "distrifs_master_ledger_settled",
        "Whether all datanodes have told what they have, so that the counts of chunks and files mean something",
        flag(core.settled()),
    );
    counts(scrape, "distrifs_master_chunks", "Chunks by condition", &chunks);
    counts(
        scrape,
        "distrifs_master_files",
        "Files, by the condition of the worst of their chunks",
        &files,
    );
    scrape.gauge(
        "distrifs_master_chunks_with_corrupt_replica",
        "Chunks with a replica that is known to be corrupt, whatever their condition",
        float(chunks.with_corrupt()),
    );
    let queued = |priority| {
        let found = repair.queued.iter().find(|(of, _)| *of == priority);
        found.map_or(0, |(_, count)| *count)
    };
    scrape.gauges(
        "distrifs_master_repair_queue_chunks",
        "Chunks that wait for repair or are worked on, by priority",
        Priority::ALL.map(|priority| ([("priority", label(priority.name()))], number(queued(priority)))),
    );
    for (name, help, value) in [
        (
            "distrifs_master_repair_copies",
            "Copies on their way",
            number(repair.copying),
        ),
        (
            "distrifs_master_repair_copies_bytes",
            "Bytes of the copies on their way",
            float(repair.copying_bytes),
        ),
        (
            "distrifs_master_repair_stuck_chunks",
            "Chunks that nobody can send, or nobody can take",
            number(repair.stuck),
        ),
    ] {
        scrape.gauge(name, help, value);
    }
    for (name, help, value) in [
        (
            "distrifs_master_repair_copied_chunks",
            "Copies that arrived since this master leads",
            repair.copied,
        ),
        (
            "distrifs_master_repair_copied_bytes",
            "Bytes of the copies that arrived since this master leads",
            repair.copied_bytes,
        ),
        (
            "distrifs_master_repair_deleted_replicas",
            "Replicas that were destroyed because they were too many or bad, since this master leads",
            repair.deleted,
        ),
        (
            "distrifs_master_repair_failures",
            "Orders of repair that failed or were never heard of again, since this master leads",
            repair.failed + repair.timed_out,
        ),
    ] {
        scrape.count(name, help, value);
    }
    nodes(&node_statuses(core), scrape);
}

fn counts(scrape: &mut Scrape<'_>, name: &str, help: &str, counts: &Counts) {
    let of = |is: fn(Condition) -> bool| counts.count(is);
    let values = [
        ("lost", of(|condition| condition.class == Class::Lost)),
        (
            "unavailable",
            of(|condition| condition.class == Class::Unavailable),
        ),
        (
            "last_copy",
            of(|condition| condition.class == Class::AtRisk { left: 1 }),
        ),
        (
            "at_risk",
            of(|condition| condition.class.is_at_risk() && condition.class != Class::AtRisk { left: 1 }),
        ),
        ("corrupt", of(|condition| condition.class == Class::Corrupt)),
        ("misplaced", of(|condition| condition.class == Class::Misplaced)),
        ("draining", of(|condition| condition.class == Class::Draining)),
        ("surplus", of(|condition| condition.class == Class::Surplus)),
        (
            "being_written",
            of(|condition| condition.class == Class::BeingWritten),
        ),
        ("healthy", of(|condition| condition.class == Class::Healthy)),
    ];
    scrape.gauges(
        name,
        help,
        values.map(|(condition, count)| ([("condition", condition)], float(count))),
    );
}

fn nodes(nodes: &[NodeStatus], scrape: &mut Scrape<'_>) {
    let all = [
        (Liveness::Live, "live"),
        (Liveness::Late, "late"),
        (Liveness::Suspicious, "suspicious"),
        (Liveness::Dead, "dead"),
        (Liveness::Absent, "absent"),
    ];
    scrape.gauges(
        "distrifs_master_datanodes",
        "Datanodes by whether they are heard of",
        all.map(|(liveness, name)| {
            let count = nodes.iter().filter(|node| node.liveness == liveness).count();
            ([("liveness", name)], number(count))
        }),
    );
    let nodes = by_address(nodes);
    scrape.gauges(
        "distrifs_master_datanode_heartbeat_age_seconds",
        "How long a datanode has not been heard of",
        nodes.iter().filter_map(|node| {
            let silent = node.silent_for?.as_secs_f64();
            Some(([("datanode", node.address.clone())], silent))
        }),
    );
    let volumes = || {
        nodes.iter().flat_map(|&node| {
            let address = &node.address;
            node.volumes.iter().map(move |volume| {
                let labels = [
                    ("datanode", address.clone()),
                    ("volume", volume.directory.clone()),
                ];
                (labels, volume)
            })
        })
    };
    scrape.gauges(
        "distrifs_master_volume_capacity_bytes",
        "Size of a datanode's volume",
        volumes().map(|(labels, volume)| (labels, float(volume.capacity))),
    );
    scrape.gauges(
        "distrifs_master_volume_used_bytes",
        "Bytes of chunks on a datanode's volume",
        volumes().map(|(labels, volume)| (labels, float(volume.used))),
    );
    scrape.gauges(
        "distrifs_master_volume_available_bytes",
        "Bytes that chunks may still take on a datanode's volume",
        volumes().map(|(labels, volume)| (labels, float(volume.available))),
    );
    scrape.gauges(
        "distrifs_master_volume_failed",
        "1 for a datanode's volume that can not be used",
        volumes().map(|(labels, volume)| (labels, flag(volume.failed.is_some()))),
    );
}

/// Those that are told by their addresses, one for each: a datanode that came back with new disks is another one at the address of
/// the one that it was, which stays a member until it is removed. The one that was heard of last is told.
fn by_address(nodes: &[NodeStatus]) -> Vec<&NodeStatus> {
    let silent = |node: &NodeStatus| node.silent_for.unwrap_or(Duration::MAX);
    let mut last: BTreeMap<&str, &NodeStatus> = BTreeMap::new();
    for node in nodes {
        let told = last.entry(&node.address).or_insert(node);
        if silent(node) < silent(told) {
            *told = node;
        }
    }
    last.into_values().collect()
}

/// The value of a label.
fn label(words: &str) -> String {
    words.replace([' ', '-'], "_").replace("the_", "")
}

#[cfg(test)]
mod tests {
    use metrics::Registry;
    use types::{AdminState, DatanodeId, StorageId};

    use super::*;
    use crate::cluster::Traffic;
    use crate::operations::VolumeStatus;

    fn node(n: u8, silent_for: Option<u64>, capacity: u64) -> NodeStatus {
        NodeStatus {
            id: DatanodeId::from_random_bytes([n; 16]),
            address: "d1:9866".to_owned(),
            http_port: 9864,
            rack: "/r".to_owned(),
            traffic: Traffic::default(),
            liveness: Liveness::Live,
            admin: AdminState::InService,
            silent_for: silent_for.map(Duration::from_secs),
            streams: 0,
            transfers: 0,
            slow: None,
            volumes: vec![VolumeStatus {
                id: StorageId::from_random_bytes([n; 16]),
                directory: "/disk".to_owned(),
                capacity,
                used: 0,
                available: 0,
                replicas: 0,
                quarantined: 0,
                failed: None,
                scrub: None,
            }],
            draining: None,
        }
    }

    #[test]
    fn a_datanode_that_came_back_with_new_disks_is_told_once() {
        let registry = Registry::new();
        let members = [node(1, Some(600), 10), node(2, Some(3), 20), node(3, None, 30)];
        registry.ask(move |scrape| nodes(&members, scrape));
        let text = registry.encode();
        let told = |name: &str| -> Vec<_> {
            let lines = text.lines().filter(|line| line.starts_with(name));
            lines.filter_map(|line| line.rsplit(' ').next()).collect()
        };
        assert_eq!(told("distrifs_master_datanode_heartbeat_age_seconds{"), ["3.0"]);
        assert_eq!(told("distrifs_master_volume_capacity_bytes{"), ["20.0"]);
        assert!(
            text.contains("distrifs_master_datanodes{liveness=\"live\"} 3"),
            "{text}"
        );
    }
}
