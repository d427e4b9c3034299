use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use types::{DatanodeId, StorageId};

use super::*;
use crate::{Admin, DiskTimes, FailureDetector, StorageReport, Thresholds};

fn id(n: u8) -> DatanodeId {
    DatanodeId::from_random_bytes([n; 16])
}

/// Nodes (number, rack, TiB), each with a storage.
fn view(nodes: &[(u8, u8, u64)]) -> ClusterView {
    let thresholds = Thresholds {
        reserve_bytes: 0,
        streams_max: 100,
    };
    let detector = FailureDetector::new(Duration::from_secs(3), Duration::from_secs(10));
    let mut view = ClusterView::new(thresholds, detector);
    for (n, rack, tib) in nodes {
        let storage = StorageReport {
            id: StorageId::from_random_bytes([*n; 16]),
            capacity: tib << 40,
            used: 0,
            available: tib << 40,
            chunks: 0,
            failed: None,
            times: DiskTimes::default(),
        };
        let named = (format!("n{n}"), 9866, format!("/{rack}"));
        view.register(Duration::ZERO, id(*n), named, vec![storage]);
    }
    view
}

const KEYS: u64 = 4_000;

fn chosen(ring: &Ring, view: &ClusterView, key: u64) -> Vec<DatanodeId> {
    let request = Request {
        now: Duration::ZERO,
        key,
        count: 3,
        bytes: 1,
        existing: &[],
        exclude: &[],
        client_host: "n1",
    };
    let choice = ring.choose(view, &request, &mut fastrand::Rng::with_seed(key));
    choice.targets.iter().map(|target| target.datanode).collect()
}

/// The share of replicas that are elsewhere in `b` than in `a`.
fn moved(ring: &Ring, a: &ClusterView, b: &ClusterView) -> f64 {
    let differ = |key| {
        let before: BTreeSet<_> = chosen(ring, a, key).into_iter().collect();
        let after = chosen(ring, b, key);
        u32::try_from(after.iter().filter(|node| !before.contains(node)).count()).unwrap()
    };
    f64::from((0..KEYS).map(differ).sum::<u32>()) / (3 * KEYS) as f64
}

#[test]
fn adding_one_of_n_moves_about_one_nth() {
    let ring = Ring::new(256);
    for racks in [1, 5] {
        let nodes: Vec<_> = (0..20).map(|n| (n, n % racks, 4)).collect();
        let (before, after) = (view(&nodes[..19]), view(&nodes));
        let share = moved(&ring, &before, &after);
        // One 20th belongs to the new one. Where racks count, now and then another replica has to make way.
        let most = if racks == 1 { 0.065 } else { 0.13 };
        assert!((0.035..most).contains(&share), "{racks} racks: {share}");
    }
}

#[test]
fn one_that_goes_takes_only_its_own_and_gets_it_back() {
    let ring = Ring::new(256);
    let nodes: Vec<_> = (0..20).map(|n| (n, 0, 4)).collect();
    let all = view(&nodes);
    let mut without = view(&nodes);
    assert!(without.set_admin(id(7), Admin::Decommissioning));
    for key in 0..KEYS {
        let (before, after) = (chosen(&ring, &all, key), chosen(&ring, &without, key));
        let lost = before.iter().filter(|node| **node == id(7)).count();
        let new = after.iter().filter(|node| !before.contains(node)).count();
        assert_eq!(new, lost, "nothing else moves");
    }
    assert!(without.set_admin(id(7), Admin::InService));
    assert!(moved(&ring, &all, &without) == 0.0);
}

#[test]
fn shares_follow_capacities() {
    let ring = Ring::new(2_048);
    let view = view(
        &(0..12)
            .map(|n| (n, 0, if n < 6 { 2 } else { 6 }))
            .collect::<Vec<_>>(),
    );
    let mut counts = BTreeMap::new();
    for key in 0..KEYS {
        *counts.entry(chosen(&ring, &view, key)[0]).or_insert(0_u32) += 1;
    }
    let small = f64::from((0..6).map(|n| counts[&id(n)]).sum::<u32>());
    let large = f64::from((6..12).map(|n| counts[&id(n)]).sum::<u32>());
    assert!(
        (2.7..3.3).contains(&(large / small)),
        "{large} to {small}, wanted 3 to 1"
    );
}

#[test]
fn the_same_key_has_the_same_nodes_and_they_are_on_all_racks() {
    let ring = Ring::new(64);
    let view = view(&(0..9).map(|n| (n, n % 3, 4)).collect::<Vec<_>>());
    for key in 0..500 {
        let nodes = chosen(&ring, &view, key);
        assert_eq!(nodes, chosen(&Ring::new(64), &view, key));
        let racks: BTreeSet<_> = nodes.iter().map(|n| &view.node(*n).unwrap().rack).collect();
        assert_eq!(racks.len(), 3);
    }
}

#[test]
fn a_node_of_unknown_size_is_better_than_none() {
    let mut view = view(&[(1, 0, 4)]);
    let storage = StorageReport {
        id: StorageId::from_random_bytes([2; 16]),
        capacity: 0,
        used: 0,
        available: 1 << 30,
        chunks: 0,
        failed: None,
        times: DiskTimes::default(),
    };
    view.register(
        Duration::ZERO,
        id(2),
        ("n2".into(), 9866, "/0".into()),
        vec![storage],
    );
    assert_eq!(chosen(&Ring::new(8), &view, 5), [id(1), id(2)]);
}
