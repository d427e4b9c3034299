//! A cluster that exists only as numbers.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use placement::{
    BalancePlan, BalanceSettings, BalanceState, Balancer, ClusterView, DiskTimes, FailureDetector, Move,
    StorageReport, Thresholds,
};
use types::{ChunkExtent, ChunkId, DatanodeId, Generation, StorageId};

/// Every chunk is as long.
pub(super) const CHUNK_BYTES: u64 = 64 << 20;
const NODES_PER_RACK: u16 = 25;
/// How full all nodes together are.
const FULL: f64 = 0.6;
const REPLICATION: usize = 3;

/// How a cluster came to be uneven.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scenario {
    /// One node in ten is new, and empty.
    NewNodes,
    /// One rack in ten is new, and empty.
    NewRacks,
    /// Everybody was there, but chunks went to some up to three times as often as to others.
    Skewed,
    /// All got as much as each other, whatever their size.
    SizesIgnored,
}

impl Scenario {
    pub(super) const ALL: [Self; 4] = [Self::NewNodes, Self::NewRacks, Self::Skewed, Self::SizesIgnored];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NewNodes => "a tenth of nodes is new",
            Self::NewRacks => "a tenth of racks is new",
            Self::Skewed => "filled unevenly",
            Self::SizesIgnored => "filled whatever the size",
        }
    }

    /// How often a node of a rack is chosen, compared with others.
    fn weight(self, number: u16, size: u64, rng: &mut fastrand::Rng) -> u64 {
        match self {
            Self::NewNodes if number % 10 == 9 => 0,
            Self::NewRacks if number / NODES_PER_RACK % 10 == 9 => 0,
            Self::NewNodes | Self::NewRacks => size * 100,
            Self::Skewed => size * rng.u64(50..=150),
            Self::SizesIgnored => 100,
        }
    }
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) moved: u64,
    pub(super) rounds: u32,
    pub(super) passes: u32,
    pub(super) state: BalanceState,
    pub(super) plan_seconds: f64,
    offers: u64,
    offer_seconds: f64,
}

impl Outcome {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(super) fn offers_per_s(&self) -> f64 {
        self.offers as f64 / self.offer_seconds.max(1e-9)
    }
}

struct Node {
    id: DatanodeId,
    storage: StorageId,
    rack: u16,
    capacity: u64,
    chunks: u64,
}

/// See the module's text.
pub(super) struct Cluster {
    nodes: Vec<Node>,
    numbers: HashMap<StorageId, u16>,
    chunks: Vec<[u16; REPLICATION]>,
    view: ClusterView,
    now: Duration,
}

impl Cluster {
    pub(super) fn new(scenario: Scenario, nodes: u16, chunks: u32) -> anyhow::Result<Self> {
        let mut rng = fastrand::Rng::with_seed(5);
        let mut drawn = Vec::new();
        let sizes: Vec<u64> = (0..nodes)
            .map(|_| [1, 2, 4].get(rng.usize(..3)).copied().unwrap_or(1))
            .collect();
        for (number, size) in (0..).zip(&sizes) {
            let weight = scenario.weight(number, *size, &mut rng);
            drawn.push(drawn.last().copied().unwrap_or(0) + weight);
        }
        let total: u64 = drawn
            .last()
            .copied()
            .filter(|total| *total > 0)
            .context("nobody takes anything")?;
        let mut placed = Vec::new();
        for _ in 0..chunks {
            placed.push(place(&drawn, total, &mut rng)?);
        }
        let bytes = u64::from(chunks) * REPLICATION as u64 * CHUNK_BYTES;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "sizes of a simulation"
        )]
        let unit = (bytes as f64 / FULL / sizes.iter().sum::<u64>() as f64) as u64;
        let mut counts = vec![0_u64; usize::from(nodes)];
        for node in placed.iter().flatten() {
            *counts.get_mut(usize::from(*node)).context("no such node")? += 1;
        }
        let mut described = Vec::new();
        for ((number, size), chunks) in (0..).zip(sizes).zip(counts) {
            described.push(Node {
                id: DatanodeId::from_random_bytes(rng.u128(..).to_le_bytes()),
                storage: StorageId::from_random_bytes(rng.u128(..).to_le_bytes()),
                rack: number / NODES_PER_RACK,
                // What was put there has to fit, whatever was meant.
                capacity: (unit * size).max((chunks + 1) * CHUNK_BYTES),
                chunks,
            });
        }
        let thresholds = Thresholds {
            reserve_bytes: 0,
            streams_max: u32::MAX,
        };
        let detector = FailureDetector::new(Duration::from_secs(3), Duration::from_secs(10));
        let mut view = ClusterView::new(thresholds, detector);
        let now = Duration::from_secs(1);
        for (number, node) in described.iter().enumerate() {
            let named = (format!("n{number}"), 9866, format!("/{}", node.rack));
            view.register(now, node.id, named, vec![report(node)]);
        }
        Ok(Self {
            numbers: (0..)
                .zip(&described)
                .map(|(number, node)| (node.storage, number))
                .collect(),
            nodes: described,
            chunks: placed,
            view,
            now,
        })
    }

    pub(super) fn plan(&self, threshold: f64) -> BalancePlan {
        BalancePlan::of(&self.view, self.now, threshold)
    }

    /// How many chunks are on one rack, on two, on three.
    pub(super) fn chunks_by_racks(&self) -> [u64; REPLICATION] {
        let mut counts = [0; REPLICATION];
        for nodes in &self.chunks {
            let racks = nodes.map(|node| node / NODES_PER_RACK);
            let distinct = racks.into_iter().collect::<BTreeSet<_>>().len();
            if let Some(count) = counts.get_mut(distinct - 1) {
                *count += 1;
            }
        }
        counts
    }

    /// Until it ends, with so many moves of a node in each pass. `progress` hears of every pass.
    pub(super) fn balance(
        &mut self,
        threshold: f64,
        moves_of_node: u32,
        rounds_max: u32,
        mut progress: impl FnMut(&Outcome),
    ) -> Outcome {
        let mut balancer = Balancer::new(BalanceSettings {
            threshold,
            streams_per_node: moves_of_node,
            streams: usize::MAX,
            bandwidth_per_node: 0,
            settle: Duration::ZERO,
        });
        let mut outcome = Outcome {
            moved: 0,
            rounds: 0,
            passes: 0,
            state: BalanceState::Idle,
            plan_seconds: 0.0,
            offers: 0,
            offer_seconds: 0.0,
        };
        let mut rng = fastrand::Rng::with_seed(9);
        balancer.start();
        loop {
            self.heartbeats();
            let start = Instant::now();
            let wants = balancer.tick(self.now, &self.view, false);
            outcome.plan_seconds = outcome.plan_seconds.max(start.elapsed().as_secs_f64());
            let status = balancer.status();
            (outcome.rounds, outcome.moved, outcome.state) = (status.rounds, status.moved, status.state);
            if matches!(status.state, BalanceState::Balanced | BalanceState::Stuck)
                || status.rounds > rounds_max
            {
                return outcome;
            }
            if wants {
                let start = Instant::now();
                outcome.offers += self.pass(&mut balancer, &mut rng);
                outcome.offer_seconds += start.elapsed().as_secs_f64();
                outcome.passes += 1;
                progress(&outcome);
            }
        }
    }

    /// Offers chunks until nothing more is wanted; then all that was begun takes place. Answers with how many were offered.
    fn pass(&mut self, balancer: &mut Balancer, rng: &mut fastrand::Rng) -> u64 {
        let (mut offered, mut begun) = (0, Vec::new());
        let mut storages = Vec::with_capacity(REPLICATION);
        // Not always the same ones first.
        let first = rng.usize(..self.chunks.len().max(1));
        for at in (first..self.chunks.len()).chain(0..first) {
            if balancer.state() != BalanceState::Moving {
                break;
            }
            let Some(nodes) = self.chunks.get(at) else {
                continue;
            };
            storages.clear();
            storages.extend(
                nodes
                    .iter()
                    .filter_map(|node| Some(self.nodes.get(usize::from(*node))?.storage)),
            );
            offered += 1;
            let Some(extent) = extent(at) else {
                continue;
            };
            if let Some(what) = balancer.offer(self.now, extent, &storages, rng) {
                begun.push((at, what));
            }
        }
        balancer.passed();
        for (at, what) in begun {
            let chunk = what.extent.chunk;
            balancer.received(self.now, chunk, what.to.storage, what.to.datanode);
            balancer.deleted(self.now, chunk);
            self.carry_out(at, &what);
        }
        offered
    }

    fn carry_out(&mut self, at: usize, what: &Move) {
        let number = |storage| self.numbers.get(&storage).copied();
        let (Some(from), Some(to)) = (number(what.from.storage), number(what.to.storage)) else {
            return;
        };
        if let Some(place) = self
            .chunks
            .get_mut(at)
            .and_then(|nodes| nodes.iter_mut().find(|node| **node == from))
        {
            *place = to;
        }
        if let Some(node) = self.nodes.get_mut(usize::from(from)) {
            node.chunks -= 1;
        }
        if let Some(node) = self.nodes.get_mut(usize::from(to)) {
            node.chunks += 1;
        }
    }

    fn heartbeats(&mut self) {
        self.now += Duration::from_secs(3);
        for node in &self.nodes {
            self.view.heartbeat(self.now, node.id, vec![report(node)], 0);
        }
    }
}

fn extent(at: usize) -> Option<ChunkExtent> {
    Some(ChunkExtent {
        chunk: ChunkId::new(at as u64 + 1).ok()?,
        generation: Generation(1),
        len: CHUNK_BYTES,
    })
}

fn report(node: &Node) -> StorageReport {
    let used = node.chunks * CHUNK_BYTES;
    StorageReport {
        id: node.storage,
        capacity: node.capacity,
        used,
        available: node.capacity.saturating_sub(used),
        chunks: node.chunks,
        failed: None,
        times: DiskTimes::default(),
    }
}

/// Nodes on different racks, drawn by their weights, of which `drawn` are the sums.
fn place(drawn: &[u64], total: u64, rng: &mut fastrand::Rng) -> anyhow::Result<[u16; REPLICATION]> {
    let mut nodes = [u16::MAX; REPLICATION];
    for place in 0..REPLICATION {
        loop {
            let at = rng.u64(..total);
            let node = u16::try_from(drawn.partition_point(|sum| *sum <= at)).context("too many nodes")?;
            let other = |taken: &u16| *taken == u16::MAX || taken / NODES_PER_RACK != node / NODES_PER_RACK;
            if nodes.iter().all(other) {
                if let Some(slot) = nodes.get_mut(place) {
                    *slot = node;
                }
                break;
            }
        }
    }
    Ok(nodes)
}
