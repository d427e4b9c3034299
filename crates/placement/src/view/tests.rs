use super::*;
use crate::{Placement as _, Request};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

fn id(n: u8) -> DatanodeId {
    DatanodeId::from_random_bytes([n; 16])
}

fn storage(n: u8, available: u64) -> StorageReport {
    StorageReport {
        id: StorageId::from_random_bytes([n; 16]),
        capacity: 100 * GIB,
        used: 0,
        available,
        chunks: 0,
        failed: None,
        times: DiskTimes::default(),
    }
}

fn view() -> ClusterView {
    let thresholds = Thresholds {
        reserve_bytes: GIB,
        streams_max: 4,
    };
    let detector = FailureDetector::new(Duration::from_secs(3), Duration::from_secs(10));
    ClusterView::new(thresholds, detector)
}

fn register(view: &mut ClusterView, at: u64, n: u8, storages: Vec<StorageReport>) {
    let named = (format!("node-{n}"), 9866, "/default".to_owned());
    view.register(Duration::from_secs(at), id(n), named, storages);
}

fn reasons(view: &ClusterView, at: u64, exclude: &[DatanodeId]) -> Vec<String> {
    let request = Request {
        now: Duration::from_secs(at),
        key: 0,
        count: 3,
        bytes: 64 * MIB,
        existing: &[],
        exclude,
        client_host: "",
    };
    view.candidates(&request)
        .1
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn every_node_that_can_not_says_why() {
    let mut view = view();
    register(&mut view, 0, 1, vec![storage(1, 50 * GIB)]);
    for n in [2, 3, 5, 6, 7, 8] {
        register(&mut view, 12, n, vec![storage(n, 50 * GIB)]);
    }
    register(&mut view, 12, 2, vec![storage(2, 3 * MIB)]);
    let failed = StorageReport {
        failed: Some("input/output error".into()),
        ..storage(5, 50 * GIB)
    };
    register(&mut view, 12, 5, vec![failed]);
    register(&mut view, 12, 6, vec![]);
    assert!(view.heartbeat(Duration::from_secs(12), id(7), vec![], 4));
    view.expect(id(9), "node-9".into(), 9866, "/default".into());
    view.assess(Duration::from_secs(12));
    assert_eq!(
        reasons(&view, 12, &[id(3)]),
        [
            "node-1:9866: dead: no heartbeat for 12 s",
            "node-2:9866: full: 3 MiB left, a chunk needs 64 MiB above a reserve of 1 GiB",
            "node-3:9866: excluded by the client, which could not write to it",
            "node-5:9866: volume failed: input/output error",
            "node-6:9866: has no storage",
            "node-7:9866: busy: 4 data streams, at most 4 are allowed",
            "node-9:9866: has not registered since the master started",
        ]
    );
}

#[test]
fn a_node_that_never_registered_has_to() {
    let mut view = view();
    view.expect(id(1), "node-1".into(), 9866, "/default".into());
    assert!(!view.heartbeat(Duration::ZERO, id(1), vec![], 0), "only expected");
    assert!(!view.heartbeat(Duration::ZERO, id(2), vec![], 0), "unknown");
    register(&mut view, 0, 1, vec![]);
    assert!(view.heartbeat(Duration::ZERO, id(1), vec![], 0));
}

#[test]
fn writes_in_progress_count_as_load_until_released() {
    let mut view = view();
    register(&mut view, 0, 1, vec![storage(1, 2 * GIB), storage(2, GIB)]);
    let target = Target {
        datanode: id(1),
        storage: storage(1, 0).id,
    };
    view.reserve(target, GIB);
    assert_eq!(reasons(&view, 0, &[]).len(), 1, "the reserve would be touched");
    assert!(view.heartbeat(
        Duration::ZERO,
        id(1),
        vec![storage(1, 2 * GIB), storage(2, GIB)],
        0
    ));
    assert_eq!(reasons(&view, 0, &[]).len(), 1, "a report does not release it");
    view.release(target, GIB);
    assert_eq!(reasons(&view, 0, &[]), [""; 0]);
    for _ in 0..4 {
        view.reserve(target, 0);
    }
    assert!(
        reasons(&view, 0, &[])[0].contains("busy: 4"),
        "streams are reserved too"
    );
}

#[test]
fn the_emptiest_working_storage_is_taken() {
    let mut view = view();
    let broken = StorageReport {
        failed: Some("gone".into()),
        ..storage(1, 90 * GIB)
    };
    register(
        &mut view,
        0,
        1,
        vec![broken, storage(2, 20 * GIB), storage(3, 30 * GIB)],
    );
    let request = Request {
        now: Duration::ZERO,
        key: 0,
        count: 1,
        bytes: 1,
        existing: &[],
        exclude: &[],
        client_host: "",
    };
    assert_eq!(
        view.candidates(&request).0[0].emptiest().storage,
        storage(3, 0).id
    );
}

#[test]
fn changes_of_liveness_are_told_once() {
    let mut view = view();
    register(&mut view, 0, 1, vec![]);
    register(&mut view, 0, 2, vec![]);
    assert!(view.heartbeat(Duration::from_secs(11), id(2), vec![], 0));
    let at = Duration::from_secs(11);
    assert_eq!(view.assess(at), [(id(1), Liveness::Live, Liveness::Dead)]);
    assert_eq!(view.assess(at), []);
    assert!(
        view.heartbeat(at, id(1), vec![], 0),
        "the dead may come back without registering"
    );
    assert_eq!(view.node(id(1)).unwrap().liveness, Liveness::Live);
}

#[test]
fn a_storage_belongs_to_the_node_that_named_it_last() {
    let mut view = view();
    register(&mut view, 0, 1, vec![storage(1, GIB), storage(2, GIB)]);
    register(&mut view, 0, 2, vec![storage(3, GIB)]);
    assert_eq!(view.owner(storage(2, 0).id).map(|node| node.id), Some(id(1)));
    let moved = vec![storage(3, GIB), storage(2, GIB)];
    assert!(view.heartbeat(Duration::ZERO, id(2), moved, 0));
    assert_eq!(view.owner(storage(2, 0).id).map(|node| node.id), Some(id(2)));
    register(
        &mut view,
        0,
        2,
        vec![StorageReport {
            failed: Some("gone".into()),
            ..storage(3, 0)
        }],
    );
    assert!(view.owner(storage(2, 0).id).is_none(), "it was not named again");
    assert!(!view.is_usable(storage(3, 0).id), "it has failed");
    assert!(view.is_usable(storage(1, 0).id));
}

const SECOND: Duration = Duration::from_secs(1);

/// Every node sends a heartbeat at `at`, but for those of `silent`; then the detector is asked.
fn tick(view: &mut ClusterView, at: Duration, silent: &[u8]) -> Vec<Liveness> {
    let nodes: Vec<_> = view.nodes().map(|node| node.id).collect();
    for node in nodes {
        if silent.iter().all(|n| id(*n) != node) {
            assert!(view.heartbeat(at, node, vec![], 0));
        }
    }
    view.assess(at);
    view.nodes().map(|node| node.liveness).collect()
}

#[test]
fn nobody_dies_of_a_pause_of_this_process() {
    use Liveness::{Dead, Late, Live};
    let mut view = view();
    for n in 1..=3 {
        register(&mut view, 0, n, vec![]);
    }
    for at in 0..=5 {
        tick(&mut view, SECOND * at, &[3]);
    }
    // An hour of nothing: what the heartbeats said meanwhile was never read.
    let now = SECOND * 3_605;
    view.assess(now);
    assert_eq!(view.last_pause().unwrap().length, SECOND * 3_600);
    assert!(
        view.nodes().all(|node| node.liveness == Live),
        "5 s of silence, and an hour that does not count"
    );
    for after in 1..=5 {
        let is = if after < 5 { Late } else { Dead };
        assert_eq!(
            tick(&mut view, now + SECOND * after, &[3]),
            [Live, Live, is],
            "{after}"
        );
    }
}

#[test]
fn whoever_comes_and_goes_is_used_last_and_says_so() {
    let mut view = view();
    for n in 1..=4 {
        register(&mut view, 0, n, vec![storage(n, 50 * GIB)]);
    }
    let (mut now, mut waits) = (Duration::ZERO, Vec::new());
    for _ in 0..3 {
        for _ in 0..11 {
            now += SECOND;
            tick(&mut view, now, &[1]);
        }
        assert_eq!(view.node(id(1)).unwrap().liveness, Liveness::Dead);
        now += SECOND;
        tick(&mut view, now, &[]);
        waits.push(view.probation(view.node(id(1)).unwrap(), now));
    }
    assert_eq!(waits, [None, Some(SECOND * 10), Some(SECOND * 20)]);
    let why = view.why(view.node(id(1)).unwrap(), now).to_string();
    assert!(
        why.starts_with("it came back from the dead 3 times; it gets new chunks after another 20 s"),
        "{why}"
    );
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let request = |count| Request {
            now,
            key: 0,
            count,
            bytes: MIB,
            existing: &[],
            exclude: &[],
            client_host: "node-1",
        };
        let choice = crate::Spread.choose(&view, &request(3), &mut rng);
        assert!(choice.targets.iter().all(|target| target.datanode != id(1)));
        assert!(
            choice.refusals[0]
                .to_string()
                .contains("unsteady: it came back from the dead 3 times")
        );
        let choice = crate::Spread.choose(&view, &request(4), &mut rng);
        assert_eq!(
            (choice.targets[3].datanode, choice.refusals.len()),
            (id(1), 0),
            "better than none"
        );
    }
    // A heartbeat that is missing begins the wait anew.
    for _ in 0..15 {
        now += SECOND;
        tick(&mut view, now, &[]);
    }
    assert_eq!(view.probation(view.node(id(1)).unwrap(), now), Some(SECOND * 5));
    for _ in 0..7 {
        now += SECOND;
        tick(&mut view, now, &[1]);
    }
    now += SECOND;
    tick(&mut view, now, &[]);
    assert_eq!(view.probation(view.node(id(1)).unwrap(), now), Some(SECOND * 20));
}

#[test]
fn who_restarts_in_maintenance_does_not_flap() {
    let mut view = view();
    for n in 1..=3 {
        register(&mut view, 0, n, vec![]);
    }
    assert!(view.set_admin(
        id(1),
        Admin::Maintenance {
            until: SECOND * 1_000
        }
    ));
    assert!(
        !view.set_admin(
            id(1),
            Admin::Maintenance {
                until: SECOND * 1_000
            }
        ),
        "it is so already"
    );
    assert!(!view.set_admin(id(9), Admin::InService), "nobody knows it");
    let mut now = Duration::ZERO;
    for _ in 0..4 {
        for _ in 0..11 {
            now += SECOND;
            tick(&mut view, now, &[1]);
        }
        assert_eq!(view.node(id(1)).unwrap().liveness, Liveness::Dead);
        now += SECOND;
        tick(&mut view, now, &[]);
    }
    assert_eq!(view.probation(view.node(id(1)).unwrap(), now), None);
}

/// Heartbeats every 3 s with these times of a sync, in ms.
fn syncs(view: &mut ClusterView, from: u64, rounds: u64, sync_ms: &[u32]) -> u64 {
    let mut at = from;
    for round in 0..rounds {
        at += 3;
        for (n, ms) in (1..).zip(sync_ms) {
            let report = StorageReport {
                times: DiskTimes {
                    sync_us: ms * 1_000 + u32::try_from(round % 2).unwrap(),
                    read_us: 0,
                },
                ..storage(n, 50 * GIB)
            };
            assert!(view.heartbeat(Duration::from_secs(at), id(n), vec![report], 0));
        }
        view.assess(Duration::from_secs(at));
        view.compare(Duration::from_secs(at));
    }
    at
}

#[test]
fn a_slow_node_is_used_last_but_for_the_only_other_rack() {
    let mut view = view();
    for n in 1..=5 {
        register(&mut view, 0, n, vec![storage(n, 50 * GIB)]);
    }
    let at = syncs(&mut view, 0, 5, &[5, 6, 400, 5, 7]);
    let slow: Vec<_> = view.nodes().map(|node| node.slow.is_some()).collect();
    assert_eq!(slow, [false, false, true, false, false]);
    let request = |count, existing| Request {
        now: Duration::from_secs(at),
        key: 0,
        count,
        bytes: MIB,
        existing,
        exclude: &[],
        client_host: "node-3",
    };
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..20 {
        let choice = crate::Spread.choose(&view, &request(4, &[]), &mut rng);
        assert!(choice.targets.iter().all(|target| target.datanode != id(3)));
        assert_eq!(
            choice.refusals[0].to_string(),
            "node-3:9866: slow: a sync takes 400 ms, where 6.0 ms is usual; used only when there is nothing else"
        );
        let choice = crate::Spread.choose(&view, &request(5, &[]), &mut rng);
        assert_eq!(choice.targets[4].datanode, id(3), "there is nothing else");
    }
    let report = storage(3, 50 * GIB);
    let named = ("node-3".to_owned(), 9866, "/other".to_owned());
    view.register(Duration::from_secs(at), id(3), named, vec![report]);
    let choice = crate::Spread.choose(&view, &request(1, &[id(1), id(2)]), &mut rng);
    assert_eq!(
        choice.targets[0].datanode,
        id(3),
        "slow is better than all in one rack"
    );
    syncs(&mut view, at, 12, &[5, 6, 7, 5, 7]);
    assert!(view.nodes().all(|node| node.slow.is_none()));
}

#[test]
fn a_node_whose_heartbeats_are_late_is_slow() {
    let mut view = view();
    for n in 1..=5 {
        register(&mut view, 0, n, vec![storage(n, 50 * GIB)]);
    }
    for round in 1..=20_u32 {
        let at = SECOND * 3 * round;
        for n in [1, 2, 4, 5] {
            assert!(view.heartbeat(at, id(n), vec![], 0));
        }
        // Every other one of its heartbeats comes 2 s late.
        let late = SECOND * (round % 2) * 2;
        assert!(view.heartbeat(at + late, id(3), vec![], 0));
        view.assess(at + late);
        view.compare(at + late);
    }
    let node = view.node(id(3)).unwrap();
    assert_eq!(
        node.slow.map(|slow| slow.measure),
        Some(crate::Measure::Heartbeat),
        "{}",
        node.late_us
    );
    assert_eq!(view.nodes().filter(|node| node.slow.is_some()).count(), 1);
}

#[test]
fn a_slow_disk_of_a_node_gets_nothing_while_others_have_room() {
    let mut view = view();
    for n in 0..4_u8 {
        let disks = vec![storage(10 + 2 * n, 50 * GIB), storage(11 + 2 * n, 50 * GIB)];
        register(&mut view, 0, n, disks);
    }
    for round in 1..=5_u32 {
        let at = SECOND * 3 * round;
        for n in 0..4_u8 {
            let timed = |disk: u8| StorageReport {
                times: DiskTimes {
                    sync_us: if disk == 12 { 300_000 } else { 4_000 } + round % 2,
                    read_us: 3_000,
                },
                ..storage(disk, 50 * GIB)
            };
            assert!(view.heartbeat(at, id(n), vec![timed(10 + 2 * n), timed(11 + 2 * n)], 0));
        }
        view.assess(at);
        view.compare(at);
    }
    assert!(
        view.nodes().all(|node| node.slow.is_none()),
        "its other disk is well"
    );
    let slow: Vec<_> = view
        .nodes()
        .flat_map(|n| &n.storages)
        .filter(|s| s.slow.is_some())
        .collect();
    assert_eq!(
        slow.iter().map(|s| s.reported.id).collect::<Vec<_>>(),
        [storage(12, 0).id]
    );
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..50 {
        let request = Request {
            now: SECOND * 15,
            key: rng.u64(..),
            count: 4,
            bytes: MIB,
            existing: &[],
            exclude: &[],
            client_host: "",
        };
        let choice = crate::Spread.choose(&view, &request, &mut rng);
        assert_eq!(choice.targets.len(), 4);
        assert!(
            choice
                .targets
                .iter()
                .all(|target| target.storage != storage(12, 0).id)
        );
    }
}

#[test]
fn places_say_what_replicas_count_for() {
    use crate::Reach;
    let mut view = view();
    for n in 1..=6 {
        register(&mut view, 0, n, vec![storage(n, GIB)]);
    }
    let failed = StorageReport {
        failed: Some("gone".into()),
        ..storage(6, GIB)
    };
    register(&mut view, 0, 6, vec![failed]);
    view.set_admin(id(2), Admin::Decommissioning);
    for n in [3, 4] {
        view.set_admin(id(n), Admin::Maintenance { until: SECOND * 100 });
    }
    for at in 1..=12 {
        tick(&mut view, SECOND * at, &[4, 5]);
    }
    let reaches = |at| view.places(at).map(|(_, place)| place.reach).collect::<Vec<_>>();
    use Reach::{Away, Draining, Gone, Maintenance, Serving};
    assert_eq!(
        reaches(SECOND * 12),
        [Serving, Draining, Maintenance, Away, Gone, Gone]
    );
    assert_eq!(reaches(SECOND * 100)[2..4], [Serving, Gone], "their time is over");
}
