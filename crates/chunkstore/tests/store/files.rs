//! Replicas in files of their own.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use chunkstore::{ChunkStore, Growing, Options, Problem, ReplicaState, Reserve, Writer};
use env::disk::{Effect, Fault, FaultDisk, Gate, Op};
use types::Generation;

use crate::common::{Fixture, bytes, chunk, pool, read_all, sums};

const PACKED_MAX: u64 = 0;
const G1: Generation = Generation(1001);
const G2: Generation = Generation(1002);

#[test]
fn what_is_finalized_is_there_after_a_restart_and_nothing_else() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    fixture.write(&store, 1, G1, &bytes(1, 1300));
    let mut unfinished = store.create(chunk(2), G1).unwrap();
    unfinished.write(0, b"abc", &sums(b"abc")).unwrap();
    // A process that is killed runs no destructors.
    std::mem::forget(unfinished);

    let (again, report) = fixture.reopen();
    assert_eq!(
        (report.replicas, report.temporary_removed, report.findings.len()),
        (1, 2, 0)
    );
    assert_eq!(read_all(&again, chunk(1)).unwrap(), bytes(1, 1300));
    assert!(again.replica(chunk(2)).is_none());
    assert_eq!(fixture.temporary_files(), Vec::<PathBuf>::new());
}

/// What is seen of a replica; a test that waits for ever fails instead.
fn look(growing: &Growing) -> Option<(Generation, u64)> {
    let (tell, told) = mpsc::channel();
    let growing = growing.clone();
    thread::spawn(move || tell.send(growing.state()));
    told.recv_timeout(Duration::from_secs(30)).unwrap()
}

#[test]
fn who_only_looks_waits_for_no_disk() {
    let fixture = Fixture::new(PACKED_MAX);
    let disk = FaultDisk::new(fixture.disk());
    let store = fixture.open_on(Arc::new(disk.clone()));
    let mut writer = store.create(chunk(1), G1).unwrap();
    let data = bytes(1, 1300);
    writer.write(0, &data, &sums(&data)).unwrap();
    let growing = writer.growing();
    let sync = |mut writer: Writer| {
        writer.sync().unwrap();
        Some(writer)
    };
    let finalize = |writer: Writer| {
        writer.finalize().unwrap();
        None
    };
    let steps: [fn(Writer) -> Option<Writer>; 2] = [sync, finalize];
    for step in steps {
        let gate = Gate::new();
        (disk.faults()).add(Fault::always(Op::SyncData, Effect::Hold(gate.clone())));
        let working = thread::spawn(move || step(writer));
        gate.wait_for(1);
        assert_eq!(look(&growing), Some((G1, 1300)));
        disk.faults().clear();
        gate.open();
        match working.join().unwrap() {
            Some(went_on) => writer = went_on,
            None => break,
        }
    }
    assert_eq!(growing.state(), None);
}

#[test]
fn an_abandoned_replica_leaves_no_file() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    let mut writer = store.create(chunk(1), G1).unwrap();
    writer.write(0, b"abc", &sums(b"abc")).unwrap();
    writer.abandon();
    assert_eq!(fixture.temporary_files(), Vec::<PathBuf>::new());
    assert!(store.replica(chunk(1)).is_none());
}

#[test]
fn cut_files_and_lengthened_sidecars_are_corrupt_at_start_and_when_read() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    let data = bytes(4, 1100);
    fixture.write(&store, 1, G1, &data);
    let (data_file, sidecar_file) = fixture.files_of(chunk(1));
    for path in [&data_file, &sidecar_file] {
        let good = std::fs::read(path).unwrap();
        for len in [0, 1, good.len() - 1, good.len() + 1] {
            let mut bad = good.clone();
            bad.resize(len, 0);
            std::fs::write(path, &bad).unwrap();
            if path == &data_file && len > good.len() {
                // The sidecar says where it ends; what is behind that means nothing.
                assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
                assert_eq!(fixture.reopen().1.findings, []);
                continue;
            }
            assert!(read_all(&store, chunk(1)).is_err(), "{} at {len}", path.display());
            let (again, report) = fixture.reopen();
            assert_eq!(report.findings.len(), 1, "{} at {len}", path.display());
            let indexed = again.replica(chunk(1)).map(|replica| replica.state);
            let header_is_whole = path == &data_file || len >= 64;
            assert_eq!(indexed, header_is_whole.then_some(ReplicaState::Corrupt));
        }
        std::fs::write(path, &good).unwrap();
    }
}

#[test]
fn strange_files_are_reported_and_left_alone() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    fixture.write(&store, 1, G1, b"ours");
    let (data_file, sidecar_file) = fixture.files_of(chunk(1));
    let directory = data_file.parent().unwrap().to_owned();
    let beside = |name: String| directory.join(name);
    let foreign = beside(format!("chunk-{}", pool(2).chunk_uuid(chunk(1))));
    let unknown = beside("notes.txt".to_owned());
    let lonely_data = beside(format!("chunk-{}", pool(1).chunk_uuid(chunk(0x101))));
    let lonely_sidecar = beside(format!("chunk-{}.meta", pool(1).chunk_uuid(chunk(0x201))));
    let misplaced = beside(format!("chunk-{}", pool(1).chunk_uuid(chunk(2))));
    for path in [&foreign, &unknown, &lonely_data, &misplaced] {
        std::fs::write(path, b"x").unwrap();
    }
    std::fs::copy(&sidecar_file, &lonely_sidecar).unwrap();

    let (again, report) = fixture.reopen();
    let problem = |path: &PathBuf| {
        report
            .findings
            .iter()
            .find(|f| f.path == *path)
            .map(|f| f.problem.clone())
    };
    assert_eq!(problem(&foreign), Some(Problem::Foreign));
    assert_eq!(problem(&unknown), Some(Problem::Unknown));
    assert_eq!(problem(&lonely_data), Some(Problem::NoSidecar));
    assert_eq!(problem(&lonely_sidecar), Some(Problem::NoData));
    assert_eq!(problem(&misplaced), Some(Problem::Misplaced));
    assert_eq!((report.replicas, report.findings.len()), (1, 5));
    for path in [&foreign, &unknown, &lonely_data, &misplaced] {
        assert!(path.exists(), "{}", path.display());
    }
    assert!(!lonely_sidecar.exists());
    assert_eq!(read_all(&again, chunk(1)).unwrap(), b"ours");
}

#[test]
fn new_replicas_spread_over_volumes_and_the_newest_of_two_wins() {
    let fixture = Fixture::with_volumes(PACKED_MAX, 2);
    let store = fixture.open();
    let first = store.create(chunk(1), G1).unwrap();
    let second = store.create(chunk(2), G1).unwrap();
    assert_ne!(first.storage(), second.storage());
    drop((first, second));

    // The same chunk on both volumes, as after a disk that was away comes back.
    fixture.write(&store, 3, G1, b"old");
    let (data, sidecar) = fixture.files_of(chunk(3));
    let saved = [
        (data.clone(), std::fs::read(&data).unwrap()),
        (sidecar.clone(), std::fs::read(&sidecar).unwrap()),
    ];
    let busy = store.create(chunk(4), G1).unwrap();
    fixture.write(&store, 3, G2, b"new");
    drop(busy);
    assert!(
        !data.exists(),
        "the old replica goes when the new one is finalized"
    );
    for (path, content) in saved {
        std::fs::write(path, content).unwrap();
    }
    let (again, report) = fixture.reopen();
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].problem, Problem::Duplicate(G2));
    assert_eq!(read_all(&again, chunk(3)).unwrap(), b"new");
}

#[test]
fn a_full_volume_refuses_early_and_says_why() {
    let fixture = Fixture::new(PACKED_MAX);
    let (store, _) = ChunkStore::open(
        fixture.disk(),
        std::sync::Arc::new(env::clock::RealClock::new()),
        pool(1),
        fixture.volumes(),
        Options {
            reserve: Reserve::Bytes(u64::MAX),
            packed_max: PACKED_MAX,
            quarantine_retention: std::time::Duration::ZERO,
        },
    )
    .unwrap();
    let refused = store.create(chunk(1), G1).err().unwrap().to_string();
    assert!(refused.contains("no free space beyond its reserve"), "{refused}");
    assert_eq!(store.volumes()[0].available, 0);
}
