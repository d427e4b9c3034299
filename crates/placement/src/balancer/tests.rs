use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use types::Generation;

use super::*;
use crate::{Admin, DiskTimes, FailureDetector, StorageReport, Thresholds};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn id(n: usize) -> DatanodeId {
    DatanodeId::from_random_bytes([u8::try_from(n).unwrap(); 16])
}

fn storage(n: usize) -> StorageId {
    StorageId::from_random_bytes([u8::try_from(n).unwrap(); 16])
}

fn number(storage: StorageId) -> usize {
    (0..=255).find(|n| self::storage(*n) == storage).unwrap()
}

/// Chunks of 64 MiB on nodes of one storage each: (rack, GiB).
struct Cluster {
    nodes: Vec<(usize, u64)>,
    chunks: Vec<(ChunkExtent, Vec<usize>)>,
    view: ClusterView,
    now: Duration,
}

impl Cluster {
    fn new(nodes: &[(usize, u64)]) -> Self {
        let thresholds = Thresholds {
            reserve_bytes: 0,
            streams_max: 100,
        };
        let detector = FailureDetector::new(Duration::from_secs(3), Duration::from_secs(10));
        let mut cluster = Self {
            nodes: nodes.to_vec(),
            chunks: Vec::new(),
            view: ClusterView::new(thresholds, detector),
            now: Duration::from_secs(1),
        };
        for (n, (rack, _)) in nodes.iter().enumerate() {
            let named = (format!("n{n}"), 9866, format!("/{rack}"));
            cluster
                .view
                .register(cluster.now, id(n), named, vec![cluster.report(n)]);
        }
        cluster
    }

    fn add(&mut self, nodes: &[usize]) {
        let extent = ChunkExtent {
            chunk: ChunkId::new(self.chunks.len() as u64 + 1).unwrap(),
            generation: Generation(1),
            len: 64 * MIB,
        };
        self.chunks.push((extent, nodes.to_vec()));
    }

    fn used(&self, n: usize) -> u64 {
        let here = self.chunks.iter().filter(|(_, nodes)| nodes.contains(&n));
        here.map(|(extent, _)| extent.len).sum()
    }

    fn report(&self, n: usize) -> StorageReport {
        let capacity = self.nodes[n].1 * GIB;
        StorageReport {
            id: storage(n),
            capacity,
            used: self.used(n),
            available: capacity - self.used(n),
            chunks: 0,
            failed: None,
            times: DiskTimes::default(),
        }
    }

    fn heartbeats(&mut self) {
        self.now += Duration::from_secs(20);
        for n in 0..self.nodes.len() {
            let report = self.report(n);
            assert!(self.view.heartbeat(self.now, id(n), vec![report], 0));
        }
    }

    fn racks(&self, nodes: &[usize]) -> usize {
        nodes
            .iter()
            .map(|n| self.nodes[*n].0)
            .collect::<BTreeSet<_>>()
            .len()
    }

    fn plan(&self, threshold: f64) -> BalancePlan {
        BalancePlan::of(&self.view, self.now, threshold)
    }

    /// Runs until it ends; every move takes place. Answers with the bytes that were moved, and checks each move.
    fn run(&mut self, balancer: &mut Balancer, rule: RackRule) -> u64 {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut moved = 0;
        balancer.start();
        for _ in 0..1_000 {
            self.heartbeats();
            while balancer.tick(self.now, &self.view, false) {
                for at in 0..self.chunks.len() {
                    let (extent, before) = self.chunks[at].clone();
                    let storages: Vec<_> = before.iter().map(|n| storage(*n)).collect();
                    let Some(what) = balancer.offer(self.now, extent, &storages, &mut rng) else {
                        continue;
                    };
                    let (from, to) = (number(what.from.storage), number(what.to.storage));
                    assert_eq!((what.from.datanode, what.to.datanode), (id(from), id(to)));
                    let mut after = before.clone();
                    after.retain(|n| *n != from);
                    assert_eq!(after.len() + 1, before.len(), "it was there");
                    assert!(!after.contains(&to), "never two on one node");
                    after.push(to);
                    let floor = if rule == RackRule::Two { 2 } else { usize::MAX };
                    assert!(self.racks(&after) >= self.racks(&before).min(floor));
                    balancer.received(self.now, extent.chunk, what.to.storage, what.to.datanode);
                    balancer.deleted(self.now, extent.chunk);
                    self.chunks[at].1 = after;
                    moved += extent.len;
                }
                balancer.passed();
            }
            if matches!(
                balancer.status().state,
                BalanceState::Balanced | BalanceState::Stuck
            ) {
                return moved;
            }
        }
        panic!("it does not end: {:?}", balancer.status());
    }
}

fn unlimited(threshold: f64) -> Balancer {
    Balancer::new(BalanceSettings {
        threshold,
        streams_per_node: 1_000_000,
        streams: 1_000_000,
        ..BalanceSettings::default()
    })
}

/// `count` chunks of three replicas on random nodes of the first `nodes`.
fn fill(cluster: &mut Cluster, count: usize, nodes: usize, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..count {
        let mut chosen: Vec<usize> = (0..nodes).collect();
        rng.shuffle(&mut chosen);
        chosen.truncate(3);
        cluster.add(&chosen);
    }
}

#[test]
fn a_plan_names_the_least_that_has_to_move() {
    let mut cluster = Cluster::new(&[(0, 100), (1, 100), (2, 100), (3, 100)]);
    for _ in 0..160 {
        cluster.add(&[0, 1, 2]); // 10 GiB
    }
    cluster.heartbeats();
    let plan = cluster.plan(0.01);
    // 30 of 400 GiB are 7.5 %. Three nodes are at 10 %, 1.5 points above the band; one at 0, 6.5 below it.
    assert_eq!(plan.nodes.len(), 4);
    assert!((plan.mean - 0.075).abs() < 1e-9);
    assert!(plan.bytes.abs_diff(13 * GIB / 2) < MIB, "{}", plan.bytes);
    let takes: Vec<_> = plan.nodes.iter().map(|node| node.takes > 0).collect();
    assert_eq!(takes.iter().filter(|takes| **takes).count(), 1);
    let gives: u64 = plan.nodes.iter().map(|node| node.gives).sum();
    assert!(gives.abs_diff(plan.bytes) < MIB, "what is given is taken");
    let (worst, off) = plan.worst().unwrap();
    assert!(worst.used == 0 && (off + 0.075).abs() < 1e-9);
    assert!(cluster.plan(0.08).is_balanced());
}

#[test]
fn an_empty_node_is_filled_with_no_more_moves_than_needed() {
    let mut cluster = Cluster::new(&[(0, 100), (1, 100), (2, 100), (3, 100), (4, 100), (5, 50)]);
    fill(&mut cluster, 800, 5, 7);
    cluster.heartbeats();
    let least = cluster.plan(0.02).bytes;
    let mut balancer = unlimited(0.02);
    let moved = cluster.run(&mut balancer, RackRule::Two);
    assert_eq!(balancer.status().state, BalanceState::Balanced);
    assert!(
        least > GIB && moved <= least + 6 * 64 * MIB,
        "{moved} for {least}"
    );
    let (_, off) = cluster.plan(0.02).worst().unwrap();
    // Half a chunk for each of the five that give, on a node of 50 GiB.
    assert!(off.abs() < 0.02 + 5.0 * 0.5 / 800.0, "{off}");
    assert_eq!(balancer.status().moved_bytes, moved);
}

#[test]
fn nodes_on_their_way_out_or_at_rest_take_no_part() {
    let mut cluster = Cluster::new(&[(0, 100), (1, 100), (2, 100), (3, 100), (4, 100)]);
    fill(&mut cluster, 400, 3, 7);
    let until = Duration::from_secs(100_000);
    assert!(cluster.view.set_admin(id(3), Admin::Maintenance { until }));
    cluster.heartbeats();
    let plan = cluster.plan(0.01);
    assert_eq!(plan.left_out.len(), 1);
    assert_eq!(plan.left_out[0].why, "it is in maintenance");
    let mut balancer = unlimited(0.01);
    cluster.run(&mut balancer, RackRule::Two);
    assert_eq!((cluster.used(3), cluster.used(4) > 0), (0, true));
}

#[test]
fn racks_are_given_up_only_where_it_can_not_be_otherwise() {
    // Every chunk has a replica in each of three racks; one rack is half as large as the others.
    let mut cluster = Cluster::new(&[(0, 20), (0, 20), (1, 20), (1, 20), (2, 10), (2, 10)]);
    for n in 0..200 {
        cluster.add(&[n % 2, 2 + n % 2, 4 + n % 2]);
    }
    let mut balancer = unlimited(0.05);
    let moved = cluster.run(&mut balancer, RackRule::Two);
    assert_eq!(balancer.status().state, BalanceState::Balanced);
    assert!(moved > 0);
    assert!(cluster.chunks.iter().all(|(_, nodes)| cluster.racks(nodes) >= 2));
    // Two racks, two replicas: none can leave the smaller rack.
    let mut cluster = Cluster::new(&[(0, 20), (1, 10)]);
    for _ in 0..100 {
        cluster.add(&[0, 1]);
    }
    let mut balancer = unlimited(0.05);
    assert_eq!(cluster.run(&mut balancer, RackRule::Keep), 0);
    assert_eq!(balancer.status().state, BalanceState::Stuck);
}

#[test]
fn limits_hold_and_failures_are_counted() {
    let mut cluster = Cluster::new(&[(0, 100), (1, 100), (2, 100), (3, 100), (4, 100)]);
    fill(&mut cluster, 400, 3, 7);
    cluster.heartbeats();
    let mut rng = fastrand::Rng::with_seed(1);
    let mut balancer = Balancer::new(BalanceSettings {
        threshold: 0.01,
        streams_per_node: 2,
        streams: 3,
        ..BalanceSettings::default()
    });
    assert!(
        !balancer.tick(cluster.now, &cluster.view, false),
        "nobody has started it"
    );
    balancer.start();
    assert!(balancer.tick(cluster.now, &cluster.view, false));
    let mut begun = Vec::new();
    for (extent, nodes) in &cluster.chunks {
        let storages: Vec<_> = nodes.iter().map(|n| storage(*n)).collect();
        begun.extend(balancer.offer(cluster.now, *extent, &storages, &mut rng));
    }
    assert_eq!(begun.len(), 3, "in the whole cluster");
    let mut by_node = BTreeMap::new();
    for node in begun
        .iter()
        .flat_map(|what| [what.from.datanode, what.to.datanode])
    {
        *by_node.entry(node).or_insert(0) += 1;
    }
    assert!(by_node.values().all(|count| *count <= 2), "{by_node:?}");
    balancer.failed(cluster.now, begun[0].extent.chunk);
    let what = begun[1];
    balancer.received(cluster.now, what.extent.chunk, what.to.storage, what.to.datanode);
    let status = balancer.status();
    assert_eq!(
        (status.copying, status.untrimmed, status.failed, status.moved),
        (1, 1, 1, 0)
    );
    balancer.deleted(cluster.now, what.extent.chunk);
    assert_eq!(balancer.status().moved, 1);
    cluster.now += Duration::from_secs(3_600);
    balancer.tick(cluster.now, &cluster.view, false);
    let status = balancer.status();
    assert_eq!(
        (status.copying, status.untrimmed, status.failed),
        (0, 0, 2),
        "the third took too long"
    );
}

#[test]
fn one_that_never_succeeds_gives_up() {
    let mut cluster = Cluster::new(&[(0, 100), (1, 100), (2, 100), (3, 100)]);
    fill(&mut cluster, 100, 3, 7);
    let mut rng = fastrand::Rng::with_seed(1);
    let mut balancer = unlimited(0.01);
    balancer.start();
    for _ in 0..1_000 {
        cluster.heartbeats();
        if balancer.tick(cluster.now, &cluster.view, false) {
            for (extent, nodes) in &cluster.chunks {
                let storages: Vec<_> = nodes.iter().map(|n| storage(*n)).collect();
                if balancer
                    .offer(cluster.now, *extent, &storages, &mut rng)
                    .is_some()
                {
                    balancer.failed(cluster.now, extent.chunk);
                }
            }
            balancer.passed();
        }
    }
    assert_eq!(balancer.status().state, BalanceState::Stuck);
}

#[test]
fn what_another_one_has_begun_is_waited_for() {
    let mut cluster = Cluster::new(&[(0, 100), (1, 100), (2, 100), (3, 100)]);
    for _ in 0..160 {
        cluster.add(&[0, 1, 2]);
    }
    let settle = Duration::from_secs(9);
    let settings = BalanceSettings {
        settle,
        ..BalanceSettings::default()
    };
    cluster.heartbeats();
    let least = cluster.plan(0.05).bytes;
    let mut now = cluster.now;
    let mut balancer = Balancer::in_place_of_another(now);
    balancer.set_settings(settings);
    balancer.start();
    assert!(
        !balancer.tick(now, &cluster.view, false),
        "it may have ended just now"
    );
    // Its moves: the copies are there already, the replicas too many are still there.
    let chunks = cluster.chunks.clone();
    for (_, nodes) in &mut cluster.chunks[..16] {
        nodes.push(3);
    }
    cluster.heartbeats();
    now += settle;
    assert!(!balancer.tick(now, &cluster.view, true));
    cluster.chunks = chunks;
    for (_, nodes) in &mut cluster.chunks[..16] {
        nodes[0] = 3;
    }
    cluster.heartbeats();
    now += settle - Duration::from_millis(1);
    assert!(
        !balancer.tick(now, &cluster.view, false),
        "heartbeats may be older"
    );
    now += Duration::from_millis(1);
    assert!(balancer.tick(now, &cluster.view, false));
    assert_eq!(
        balancer.status().left,
        cluster.plan(BalanceSettings::default().threshold).bytes
    );
    assert!(
        balancer.status().left.abs_diff(least - 16 * 64 * MIB) < MIB,
        "the rest, and no more"
    );

    // Somebody who never ends holds nothing up for ever.
    let mut balancer = Balancer::new(settings);
    balancer.start();
    assert!(!balancer.tick(now, &cluster.view, true));
    assert!(!balancer.tick(
        now + OTHERS_PATIENCE - Duration::from_millis(1),
        &cluster.view,
        true
    ));
    now += OTHERS_PATIENCE + settle;
    assert!(balancer.tick(now, &cluster.view, true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Checked move by move in `run`: no chunk is less safe. It ends, and no node is left farther from the mean than it was
    /// by more than a chunk or two; and it goes on from wherever another one has stopped.
    #[test]
    fn it_converges_and_moves_little(
        nodes in prop::collection::vec((0usize..4, 8u64..40), 4..12),
        filled in 3usize..8, chunks in 10usize..150, seed: u64,
    ) {
        let mut cluster = Cluster::new(&nodes);
        fill(&mut cluster, chunks, filled.min(nodes.len()).max(3), seed);
        for (n, (_, gib)) in nodes.iter().enumerate() {
            prop_assume!(cluster.used(n) < gib * GIB);
        }
        cluster.heartbeats();
        let least = cluster.plan(0.05).bytes;
        let before = cluster.plan(0.05).worst().unwrap().1.abs();
        let mut balancer = unlimited(0.05);
        let moved = cluster.run(&mut balancer, RackRule::Two);
        let after = cluster.plan(0.05).worst().unwrap().1.abs();
        prop_assert!(moved <= least + nodes.len() as u64 * 64 * MIB, "{} for {}", moved, least);
        prop_assert!(after <= before.max(0.05) + 0.02);
        if balancer.status().state == BalanceState::Balanced {
            prop_assert!(after <= 0.05 + 0.01, "{}", after);
        }
        let mut another = unlimited(0.05);
        prop_assert!(cluster.run(&mut another, RackRule::Two) <= nodes.len() as u64 * 64 * MIB);
    }
}
