use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use types::{DatanodeId, StorageId};

use super::*;
use crate::{Admin, DiskTimes, FailureDetector, StorageReport, Thresholds};

fn id(n: u8) -> DatanodeId {
    DatanodeId::from_random_bytes([n; 16])
}

/// One node for each (host, rack, gigabytes available of 100).
fn view(nodes: &[(&str, &str, u64)]) -> ClusterView {
    let thresholds = Thresholds {
        reserve_bytes: 0,
        streams_max: 100,
    };
    let detector = FailureDetector::new(Duration::from_secs(3), Duration::from_secs(10));
    let mut view = ClusterView::new(thresholds, detector);
    for (n, (host, rack, available)) in (0u8..).zip(nodes) {
        let storage = StorageReport {
            id: StorageId::from_random_bytes([n; 16]),
            capacity: 100 << 30,
            used: 0,
            available: available << 30,
            chunks: 0,
            failed: None,
            times: DiskTimes::default(),
        };
        let named = ((*host).to_owned(), 9866, (*rack).to_owned());
        view.register(Duration::ZERO, id(n), named, vec![storage]);
    }
    view
}

fn request(count: usize, client_host: &str) -> Request<'_> {
    Request {
        now: Duration::ZERO,
        key: 0,
        count,
        bytes: 1 << 20,
        existing: &[],
        exclude: &[],
        client_host,
    }
}

fn chosen(view: &ClusterView, request: &Request<'_>, seed: u64) -> Vec<DatanodeId> {
    let mut rng = fastrand::Rng::with_seed(seed);
    Spread
        .choose(view, request, &mut rng)
        .targets
        .iter()
        .map(|target| target.datanode)
        .collect()
}

#[test]
fn the_clients_own_host_goes_first() {
    let view = view(&[("a", "/r", 1), ("b", "/r", 90), ("c", "/r", 90), ("d", "/r", 90)]);
    for seed in 0..50 {
        assert_eq!(chosen(&view, &request(3, "a"), seed)[0], id(0));
    }
}

#[test]
fn the_second_goes_to_another_rack() {
    let view = view(&[("a", "/1", 90), ("b", "/1", 90), ("c", "/1", 90), ("d", "/2", 5)]);
    for seed in 0..50 {
        let nodes = chosen(&view, &request(2, "a"), seed);
        assert_eq!(nodes, [id(0), id(3)]);
    }
}

#[test]
fn a_replica_that_stays_counts_for_the_racks() {
    let view = view(&[("a", "/1", 90), ("b", "/1", 90), ("c", "/2", 90)]);
    let existing = [id(0)];
    for seed in 0..50 {
        let request = Request {
            existing: &existing,
            ..request(1, "")
        };
        assert_eq!(chosen(&view, &request, seed), [id(2)]);
    }
}

#[test]
fn hosts_differ_before_nodes_of_one_host_are_used() {
    let view = view(&[("a", "/r", 90), ("a", "/r", 90), ("a", "/r", 90), ("b", "/r", 5)]);
    for seed in 0..50 {
        assert!(chosen(&view, &request(2, ""), seed).contains(&id(3)));
    }
}

#[test]
fn empty_nodes_get_more_but_not_all() {
    let nodes: Vec<_> = ["a", "b", "c", "d", "e", "f", "g", "h"]
        .iter()
        .map(|h| (*h, "/r", 30))
        .collect();
    let mut nodes = nodes;
    nodes[7].2 = 95;
    let view = view(&nodes);
    let mut counts = BTreeMap::new();
    for seed in 0..2_000 {
        *counts.entry(chosen(&view, &request(1, ""), seed)[0]).or_insert(0) += 1;
    }
    let emptiest = counts[&id(7)];
    let others = (2_000 - emptiest) / 7;
    assert!(emptiest > others * 3 / 2, "{emptiest} against {others}");
    assert!(emptiest < 1_000, "no herd: {emptiest}");
}

#[test]
fn nodes_with_a_missing_heartbeat_come_last() {
    let mut view = view(&[("a", "/r", 99), ("b", "/r", 10), ("c", "/r", 10)]);
    let now = Duration::from_secs(7);
    for n in [1, 2] {
        assert!(view.heartbeat(now, id(n), vec![], 0));
    }
    view.assess(now);
    for seed in 0..20 {
        assert_eq!(
            chosen(&view, &request(3, "a"), seed)[2],
            id(0),
            "though it is the client's own"
        );
    }
}

#[test]
fn fewer_are_answered_when_there_are_no_more() {
    let view = view(&[("a", "/r", 90), ("b", "/r", 0)]);
    let mut rng = fastrand::Rng::with_seed(1);
    let choice = Spread.choose(&view, &request(3, ""), &mut rng);
    assert_eq!((choice.targets.len(), choice.refusals.len()), (1, 1));
    let choice = Spread.choose(&view, &request(0, ""), &mut rng);
    assert_eq!(choice.targets, []);
}

proptest! {
    #[test]
    fn always_distinct_and_allowed(
        nodes in prop::collection::vec((0usize..4, 0usize..3, 0u64..3), 0..12),
        count in 0usize..6, seed: u64, excluded in 0u8..12, existing in 0u8..12,
    ) {
        let names = ["a", "b", "c", "d"];
        let racks = ["/1", "/2", "/3"];
        let described: Vec<_> = nodes.iter().map(|&(h, r, gib)| (names[h], racks[r], gib)).collect();
        let view = view(&described);
        let request = Request { exclude: &[id(excluded)], existing: &[id(existing)], ..request(count, "a") };
        let mut rng = fastrand::Rng::with_seed(seed);
        let choice = Spread.choose(&view, &request, &mut rng);
        let distinct: BTreeSet<_> = choice.targets.iter().map(|t| t.datanode).collect();
        prop_assert_eq!(distinct.len(), choice.targets.len());
        prop_assert!(!distinct.contains(&id(excluded)) && !distinct.contains(&id(existing)));
        prop_assert!(choice.refusals.iter().all(|refusal| !distinct.contains(&refusal.datanode)));
        let able = nodes.len() - choice.refusals.len();
        prop_assert_eq!(choice.targets.len(), count.min(able), "as many as can");
        let racks: BTreeSet<_> = distinct.iter().map(|d| &view.node(*d).unwrap().rack).collect();
        let refused: BTreeSet<_> = choice.refusals.iter().map(|r| r.datanode).collect();
        let able_racks: BTreeSet<_> = view.nodes().filter(|n| !refused.contains(&n.id)).map(|n| &n.rack).collect();
        if count >= 2 && able_racks.len() >= 2 && choice.targets.len() >= 2 {
            let with_existing = racks.len() + usize::from(view.node(id(existing)).is_some_and(|n| !racks.contains(&n.rack)));
            prop_assert!(with_existing >= 2, "never all on one rack");
        }
    }
}

/// A node of any sizes of disks, in TiB, all empty.
fn sized(view: &mut ClusterView, n: u8, disks: &[u64]) {
    let storages = disks.iter().zip(0_u8..).map(|(tib, disk)| StorageReport {
        id: StorageId::from_random_bytes([n.wrapping_mul(16).wrapping_add(disk); 16]),
        capacity: tib << 40,
        used: 0,
        available: tib << 40,
        chunks: 0,
        failed: None,
        times: DiskTimes::default(),
    });
    let named = (format!("n{n}"), 9866, format!("/{}", n % 3));
    view.register(Duration::ZERO, id(n), named, storages.collect());
}

#[test]
fn unequal_nodes_and_disks_fill_up_together() {
    let mut view = view(&[]);
    for n in 0..12 {
        sized(
            &mut view,
            n,
            [&[2][..], &[4, 4], &[2, 8, 6]][usize::from(n) / 3 % 3],
        );
    }
    // Two thirds of the space, in pieces of 16 GiB, three replicas each.
    let mut rng = fastrand::Rng::with_seed(3);
    let total: u64 = view.nodes().map(|node| node.space().1).sum();
    let bytes = 16 << 30;
    for _ in 0..total * 2 / 3 / bytes / 3 {
        let request = Request {
            bytes,
            ..request(3, "")
        };
        let choice = Spread.choose(&view, &request, &mut rng);
        assert_eq!(choice.targets.len(), 3);
        for target in choice.targets {
            view.reserve(target, bytes);
            // Written at once: it is no stream any more.
            let node = view.node(target.datanode).unwrap();
            let storages = node.storages.iter().map(|storage| {
                let mut report = storage.reported.clone();
                if report.id == target.storage {
                    report.used += bytes;
                    report.available -= bytes;
                }
                report
            });
            let storages = storages.collect();
            view.release(target, bytes);
            assert!(view.heartbeat(Duration::ZERO, target.datanode, storages, 0));
        }
    }
    for node in view.nodes() {
        let share = |used: u64, of: u64| used as f64 / of as f64;
        let (used, usable) = node.space();
        assert!(
            (0.60..0.73).contains(&share(used, usable)),
            "{}: {}",
            node.host,
            share(used, usable)
        );
        for storage in &node.storages {
            let share = share(storage.reported.used, storage.reported.capacity);
            assert!(
                (0.55..0.78).contains(&share),
                "{} {:?}: {share}",
                node.host,
                storage.reported.id
            );
        }
    }
}

#[test]
fn nodes_that_are_to_go_or_at_rest_get_nothing_and_say_so() {
    let mut view = view(&[("a", "/1", 90), ("b", "/2", 90), ("c", "/3", 90), ("d", "/4", 90)]);
    let until = Duration::from_secs(1_500);
    assert!(view.set_admin(id(0), Admin::Decommissioning));
    assert!(view.set_admin(id(1), Admin::Decommissioned));
    assert!(view.set_admin(id(2), Admin::Maintenance { until }));
    let mut rng = fastrand::Rng::with_seed(1);
    let choice = Spread.choose(&view, &request(3, "a"), &mut rng);
    assert_eq!(choice.targets.len(), 1);
    let said: Vec<_> = choice.refusals.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "a:9866: is being decommissioned: takes no new chunks",
            "b:9866: is decommissioned",
            "c:9866: in maintenance for another 25 min",
        ]
    );
    let later = Request {
        now: until,
        ..request(3, "")
    };
    assert_eq!(
        Spread.choose(&view, &later, &mut rng).targets.len(),
        2,
        "the maintenance is over"
    );
}
