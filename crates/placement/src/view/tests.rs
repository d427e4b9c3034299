use super::*;
use crate::Request;

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
