//! What the redundancy ledger, sweeps, reports and plans cost at so many chunks (default 10 million), three replicas each
//! on 100 nodes. `cargo run --release -p placement --example ledger [CHUNKS]`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use placement::{
    Buckets, Class, ClusterView, Condition, DiskTimes, Expected, Facts, FailureDetector, Ledger, Place,
    Reach, Repair, RepairSettings, ReplicaMap, Situation, Spread, StorageReport, Thresholds, Wanted,
    classify,
};
use types::fingerprint::Fingerprint;
use types::{ChunkExtent, ChunkId, DatanodeId, Generation, InodeId, StorageId};

const NODES: u64 = 100;
const LEN: u64 = 64 << 20;
const NOW: Duration = Duration::from_secs(1_000);
const EXPECTED: Expected = Expected {
    generation: Generation(1),
    len: Some(LEN),
};

fn id(n: u64) -> [u8; 16] {
    u128::from(n + 1).to_le_bytes()
}

fn storage(n: u64) -> StorageId {
    StorageId::from_random_bytes(id(n))
}

fn extent(n: u64) -> Option<ChunkExtent> {
    Some(ChunkExtent {
        chunk: ChunkId::new(n).ok()?,
        generation: Generation(1),
        len: LEN,
    })
}

/// The nodes of a chunk.
fn nodes_of(n: u64) -> [u64; 3] {
    let first = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    [
        first % NODES,
        (first + 1) % NODES,
        (first + 2 + first / NODES % 50) % NODES,
    ]
}

fn timed<T>(what: &str, count: u64, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = work();
    let took = begin.elapsed();
    let each = took.as_nanos() / u128::from(count.max(1));
    println!(
        "{what:<62} {each:>7} ns each, {:>9.1} ms",
        took.as_secs_f64() * 1e3
    );
    result
}

fn place(map: &mut ReplicaMap, dead: Option<u64>) -> bool {
    let places: std::collections::HashMap<_, _> = (0..NODES).map(|n| (storage(n), n)).collect();
    map.place(false, |asked| {
        let n = *places.get(&asked)?;
        Some(Place {
            node: DatanodeId::from_random_bytes(id(n)),
            rack: if n % 2 == 0 { "/a" } else { "/b" },
            reach: if dead == Some(n) {
                Reach::Gone
            } else {
                Reach::Serving
            },
        })
    })
}

fn condition(map: &ReplicaMap, chunk: ChunkId) -> Condition {
    classify(&Facts::of(map, chunk, EXPECTED, 3))
}

fn sweep(map: &ReplicaMap, ledger: &mut Ledger, repair: &mut Repair, chunks: u64) -> Duration {
    let mut longest = Duration::ZERO;
    let mut from = 0;
    while from < chunks {
        let to = (from + 20_000).min(chunks);
        let begin = Instant::now();
        let judged = (from..to).filter_map(|n| {
            let chunk = ChunkId::new(n).ok()?;
            let condition = condition(map, chunk);
            repair.set(NOW, chunk, Some(condition), 2);
            Some((chunk, InodeId(n), condition))
        });
        ledger.set_slice(NOW, from..to, judged);
        longest = longest.max(begin.elapsed());
        from = to;
    }
    longest
}

fn view() -> ClusterView {
    let thresholds = Thresholds {
        reserve_bytes: 0,
        streams_max: 256,
    };
    let detector = FailureDetector::new(Duration::from_secs(3), Duration::from_secs(10));
    let mut view = ClusterView::new(thresholds, detector);
    for n in 0..NODES {
        let rack = if n % 2 == 0 { "/a" } else { "/b" };
        let named = (format!("node-{n}"), 9866, rack.to_owned());
        let report = StorageReport {
            id: storage(n),
            capacity: 1 << 44,
            used: 1 << 43,
            available: 1 << 43,
            chunks: 0,
            failed: None,
            times: DiskTimes::default(),
        };
        view.register(NOW, DatanodeId::from_random_bytes(id(n)), named, vec![report]);
    }
    view
}

fn main() {
    let chunks: u64 = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(10_000_000);
    println!("{chunks} chunks, 3 replicas on {NODES} nodes");
    let mut map = ReplicaMap::new();
    timed("replica received, with its fingerprint", chunks * 3, || {
        for n in 0..chunks {
            for node in nodes_of(n) {
                if let Some(extent) = extent(n) {
                    map.received(storage(node), extent);
                }
            }
        }
    });
    place(&mut map, None);
    let (mut ledger, mut repair) = (Ledger::new(), Repair::new(RepairSettings::default()));
    let longest = timed("first sweep: classified and set", chunks, || {
        sweep(&map, &mut ledger, &mut repair, chunks)
    });
    println!("  longest slice of 20,000: {longest:?}");
    let bytes = |bytes: u64| format!("{:.2} B a chunk", bytes as f64 / chunks as f64);
    println!(
        "  replicas {}, ledger {}",
        bytes(map.memory().total()),
        bytes(ledger.memory().total())
    );
    let longest = timed("sweep that changes nothing", chunks, || {
        sweep(&map, &mut ledger, &mut repair, chunks)
    });
    println!("  longest slice of 20,000: {longest:?}");
    timed("places of all storages", NODES, || place(&mut map, Some(7)));
    let longest = timed("sweep after a node died", chunks, || {
        sweep(&map, &mut ledger, &mut repair, chunks)
    });
    let at_risk = ledger.chunks().at_risk();
    println!(
        "  longest slice of 20,000: {longest:?}; {at_risk} at risk, {} queued; ledger {}",
        repair.status().queued.iter().map(|(_, n)| n).sum::<usize>(),
        bytes(ledger.memory().total())
    );
    let events = 1_000_000;
    let mut rng = fastrand::Rng::with_seed(1);
    let picked: Vec<u64> = (0..events).map(|_| rng.u64(..chunks)).collect();
    timed(
        "event on a random chunk: classified and set as it was",
        events,
        || {
            for n in &picked {
                if let Ok(chunk) = ChunkId::new(*n) {
                    black_box(ledger.set(NOW, chunk, InodeId(*n), condition(&map, chunk)));
                }
            }
        },
    );
    let lost = Condition {
        class: Class::AtRisk { left: 1 },
        corrupt: false,
    };
    timed("random chunk made unhealthy", events, || {
        for n in &picked {
            if let Ok(chunk) = ChunkId::new(*n) {
                black_box(ledger.set(NOW, chunk, InodeId(*n), lost));
            }
        }
    });
    timed("random chunk made healthy", events, || {
        for n in &picked {
            if let Ok(chunk) = ChunkId::new(*n) {
                black_box(ledger.set(NOW, chunk, InodeId(*n), Condition::HEALTHY));
            }
        }
    });
    timed("counts read", 1_000_000, || {
        for _ in 0..1_000_000 {
            black_box(ledger.chunks().at_risk());
        }
    });
    let listed: Vec<_> = (0..chunks)
        .filter(|n| nodes_of(*n).contains(&3))
        .filter_map(extent)
        .collect();
    let mut has = Fingerprint::default();
    listed.iter().for_each(|extent| has.add(*extent));
    timed("fingerprints of a storage compared, all equal", 1, || {
        assert!(map.differing(storage(3), &has).is_empty());
    });
    timed(
        "full report of a storage, nothing missing",
        listed.len() as u64,
        || map.report(storage(3), &Buckets::all(), &listed),
    );
    timed(
        "full report with one missing: a look at every chunk",
        chunks,
        || map.report(storage(3), &Buckets::all(), listed.get(1..).unwrap_or_default()),
    );
    let view = view();
    let later = NOW + Duration::from_secs(60);
    let situation = Situation {
        now: later,
        view: &view,
        replicas: &map,
        policy: &Spread,
    };
    let wanted = |_: ChunkId| {
        Some(Wanted {
            expected: EXPECTED,
            replicas: 3,
            min_replicas: 2,
        })
    };
    let orders = timed("plan: the first", 1, || {
        repair.plan(&situation, wanted, &mut rng, 1_000)
    });
    println!("  {} orders", orders.len());
    let orders = timed("plan: while all streams are taken", 1, || {
        repair.plan(&situation, wanted, &mut rng, 1_000)
    });
    println!("  {} orders", orders.len());
}
