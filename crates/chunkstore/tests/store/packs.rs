//! Replicas in packs.

use std::path::PathBuf;
use std::sync::Barrier;

use chunkstore::{Problem, PutError, ReplicaState, SmallReplica, Victim};
use types::Generation;

use crate::common::{Fixture, bytes, chunk, read_all, sums};

const PACKED_MAX: u64 = 64 << 10;
const G1: Generation = Generation(1001);
const G2: Generation = Generation(1002);

fn content_of(id: u64) -> Vec<u8> {
    bytes(id, 100 + usize::try_from(id).unwrap_or_default() * 37 % 6000)
}

#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
fn packs(fixture: &Fixture) -> Vec<PathBuf> {
    let mut packs: Vec<_> = std::fs::read_dir(fixture.volumes()[0].dir.join("packs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    packs.sort();
    packs
}

#[test]
fn what_is_longer_than_the_limit_has_files_of_its_own() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    for (id, len) in [(1, 65_536), (2, 65_537)] {
        fixture.write(&store, id, G1, &bytes(id, len));
    }
    assert_eq!(packs(&fixture).len(), 1);
    let (data, _) = fixture.files_of(chunk(2));
    assert_eq!(std::fs::metadata(data).unwrap().len(), 65_537);
    // The limit may change from start to start: what is there stays where it is.
    let (again, report) = Fixture::reopen_as(&fixture, 0);
    assert_eq!((report.replicas, report.findings.len()), (2, 0));
    for (id, len) in [(1, 65_536), (2, 65_537)] {
        assert_eq!(read_all(&again, chunk(id)).unwrap(), bytes(id, len));
    }
}

#[test]
fn many_at_once_are_each_whole() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    let (threads, each) = (16, 40);
    let begin = Barrier::new(threads);
    std::thread::scope(|scope| {
        for thread in 0..threads as u64 {
            let (store, fixture, begin) = (&store, &fixture, &begin);
            scope.spawn(move || {
                begin.wait();
                for number in 0..each {
                    let id = thread * each + number;
                    fixture.write(store, id, G1, &content_of(id));
                }
            });
        }
    });
    let (again, report) = fixture.reopen();
    assert_eq!(
        (report.replicas, report.findings.len()),
        (threads as u64 * each, 0)
    );
    for id in 0..threads as u64 * each {
        assert_eq!(read_all(&again, chunk(id)).unwrap(), content_of(id));
    }
}

#[test]
fn a_pack_goes_with_its_last_replica() {
    let fixture = Fixture::new(PACKED_MAX);
    drop(fixture.open());
    let store = fixture.open();
    fixture.write(&store, 1, G1, b"a");
    fixture.write(&store, 2, G1, b"b");
    let (store, _) = fixture.reopen();
    store.delete(chunk(1), G1, Victim::Any).unwrap();
    assert_eq!(packs(&fixture).len(), 1);
    store.delete(chunk(2), G1, Victim::Any).unwrap();
    assert_eq!(packs(&fixture).len(), 0);
    // Deleted stays deleted, also in a pack that is still written to.
    fixture.write(&store, 3, G1, b"c");
    fixture.write(&store, 4, G1, b"d");
    store.delete(chunk(3), G1, Victim::Any).unwrap();
    let (again, report) = fixture.reopen();
    assert_eq!((report.replicas, report.findings.len()), (1, 0));
    assert_eq!(read_all(&again, chunk(4)).unwrap(), b"d");
}

#[test]
fn emptying_a_pack_loses_nothing() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    for id in 0..300 {
        fixture.write(&store, id, G1, &bytes(id, 5000));
    }
    let (store, _) = fixture.reopen();
    assert!(!store.compact().unwrap(), "all of it is of use");
    for id in 0..200 {
        store.delete(chunk(id), G1, Victim::Any).unwrap();
    }
    let held_open = store.open_replica(chunk(250)).unwrap();
    let before: u64 = packs(&fixture)
        .iter()
        .map(|path| path.metadata().unwrap().len())
        .sum();
    assert!(store.compact().unwrap());
    assert!(!store.compact().unwrap());
    let after: u64 = packs(&fixture)
        .iter()
        .map(|path| path.metadata().unwrap().len())
        .sum();
    assert!(after < before / 2, "{after} of {before}");
    let (mut data, mut sums) = (vec![0; 512], vec![0; 4]);
    held_open.read_verified(0, &mut data, &mut sums).unwrap();
    assert_eq!(data, bytes(250, 5000)[..512]);
    for store in [store, fixture.open()] {
        assert_eq!(store.replicas(None, 1000).len(), 100);
        assert_eq!(store.volumes()[0].chunks, 100);
        for id in 200..300 {
            assert_eq!(read_all(&store, chunk(id)).unwrap(), bytes(id, 5000));
        }
    }
}

#[test]
fn a_rotten_replica_stays_behind_and_is_marked() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    for id in 0..10 {
        fixture.write(&store, id, G1, &bytes(id, 640));
    }
    // A start begins a new pack.
    let (store, _) = fixture.reopen();
    for id in 20..30 {
        fixture.write(&store, id, G1, &bytes(id, 640));
    }
    let (store, _) = fixture.reopen();
    let [path, second] = packs(&fixture).try_into().unwrap();
    for id in (0..8).chain(20..28) {
        store.delete(chunk(id), G1, Victim::Any).unwrap();
    }
    let mut pack = std::fs::read(&path).unwrap();
    // Behind the last bytes there are 56 of padding.
    let last = pack.len() - 57;
    pack[last] ^= 1;
    std::fs::write(&path, &pack).unwrap();
    assert!(store.compact().unwrap());
    assert!(
        path.exists() && !second.exists(),
        "the one that can not go keeps no other"
    );
    assert!(!store.compact().unwrap());
    for id in [8, 28, 29] {
        assert_eq!(read_all(&store, chunk(id)).unwrap(), bytes(id, 640));
    }
    assert_eq!(
        store.replica(chunk(9)).map(|replica| replica.state),
        Some(ReplicaState::Corrupt)
    );
    // A good one takes its place, and the pack goes.
    fixture.write(&store, 9, G1, &bytes(9, 640));
    assert!(!path.exists());
    assert_eq!(read_all(&fixture.open(), chunk(9)).unwrap(), bytes(9, 640));
}

#[test]
fn rot_in_a_pack_that_was_not_closed_is_reported_at_start() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    for id in 0..3 {
        fixture.write(&store, id, G1, &bytes(id, 640));
    }
    drop(store);
    let path = packs(&fixture).remove(0);
    let good = std::fs::read(&path).unwrap();
    let entry = (good.len() - 64) / 3;
    for (rotten, findings) in [(0, 1), (1, 1), (2, 0)] {
        let mut pack = good.clone();
        pack[64 + rotten * entry + 300] ^= 1;
        std::fs::write(&path, &pack).unwrap();
        let (_, report) = fixture.reopen();
        // The last one may as well be what a crash tore before anybody was told of it.
        assert_eq!(
            (report.replicas, report.findings.len()),
            (2, findings),
            "entry {rotten}"
        );
    }
}

#[test]
fn damage_costs_what_it_hits_and_is_reported() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    for id in 0..5 {
        fixture.write(&store, id, G1, &bytes(id, 640));
    }
    drop(store);
    let path = packs(&fixture).remove(0);
    let good = std::fs::read(&path).unwrap();
    let entry = (good.len() - 64) / 5;
    for at in [64 + entry, 64 + entry + 30, 64 + entry + 60] {
        let mut bad = good.clone();
        bad[at] ^= 4;
        std::fs::write(&path, &bad).unwrap();
        let (again, report) = fixture.reopen();
        assert_eq!(report.replicas, 4, "byte {at}");
        assert!(
            matches!(report.findings.as_slice(), [found] if matches!(&found.problem, Problem::BrokenPack { at, .. } if *at == 64 + entry as u64)),
            "{:?}",
            report.findings
        );
        assert!(again.replica(chunk(1)).is_none());
        assert_eq!(read_all(&again, chunk(2)).unwrap(), bytes(2, 640));
    }
    // What is cut off is gone, and no more: the last 56 bytes are padding.
    std::fs::write(&path, &good[..good.len() - 56]).unwrap();
    assert_eq!(fixture.reopen().1.replicas, 5);
    for cut in [57, entry - 1, entry] {
        std::fs::write(&path, &good[..good.len() - cut]).unwrap();
        assert_eq!(fixture.reopen().1.replicas, 4, "{cut} cut off");
    }
    for cut in [good.len() - 64, good.len() - 63, good.len()] {
        std::fs::write(&path, &good[..good.len() - cut]).unwrap();
        assert_eq!(fixture.reopen().1.replicas, 0);
        // The start removed what holds nothing.
        assert!(!path.exists());
    }
}

#[test]
fn content_that_looks_like_an_entry_is_not_taken_for_one() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    fixture.write(&store, 1, G1, &bytes(1, 640));
    // A file with the bytes of the pack in it, at an offset where an entry could be.
    let inside = std::fs::read(packs(&fixture).remove(0)).unwrap();
    fixture.write(&store, 2, G1, &inside);
    store.delete(chunk(1), G1, Victim::Any).unwrap();
    drop(store);
    // Its own header is broken, so that what is behind is searched.
    let path = packs(&fixture).remove(0);
    let mut pack = std::fs::read(&path).unwrap();
    pack[inside.len() + 1] ^= 1;
    std::fs::write(&path, &pack).unwrap();
    assert_eq!(fixture.reopen().1.replicas, 0);
}

#[test]
fn a_new_generation_replaces_the_old_entry() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    fixture.write(&store, 1, G1, &bytes(1, 700));
    assert_eq!(store.bump_generation(chunk(1), G2).unwrap().generation, G2);
    assert_eq!(store.volumes()[0].chunks, 1);
    let (again, report) = fixture.reopen();
    assert_eq!((report.replicas, report.findings.len()), (1, 0));
    assert_eq!(again.replica(chunk(1)).unwrap().generation, G2);
    assert_eq!(read_all(&again, chunk(1)).unwrap(), bytes(1, 700));
}

fn small(id: u64, generation: Generation, data: &[u8]) -> SmallReplica {
    SmallReplica {
        chunk: chunk(id),
        generation,
        data: data.to_vec(),
        sums: sums(data),
    }
}

#[test]
fn each_of_many_has_its_own_outcome() {
    let fixture = Fixture::new(PACKED_MAX);
    let store = fixture.open();
    fixture.write(&store, 1, G1, b"here already");
    fixture.write(&store, 2, G1, b"older");
    let mut short = small(5, G1, &[7; 600]);
    short.sums.truncate(4);
    let outcomes = store.put_small(
        None,
        vec![
            small(1, G1, b"again"),
            small(2, G2, b"newer"),
            small(3, G1, &[1; 70_000]),
            small(4, G1, b""),
            short,
            small(6, G1, b"twice"),
            small(6, G1, b"twice"),
            small(7, G1, &[3; 4096]),
        ],
    );
    assert_eq!(outcomes.len(), 8);
    assert!(
        matches!(outcomes[0], Err(PutError::Exists { .. })),
        "{outcomes:?}"
    );
    assert!(outcomes[1].is_ok());
    for unfit in 2..5 {
        assert!(
            matches!(outcomes[unfit], Err(PutError::Unfit { .. })),
            "{outcomes:?}"
        );
    }
    assert!(outcomes[5].is_ok());
    assert!(
        matches!(outcomes[6], Err(PutError::Exists { .. })),
        "{outcomes:?}"
    );
    let seven = outcomes[7].clone().unwrap();
    assert_eq!((seven.chunk, seven.len, seven.generation), (chunk(7), 4096, G1));
    for store in [&store, &fixture.reopen().0] {
        assert_eq!(read_all(store, chunk(1)).unwrap(), b"here already");
        assert_eq!(read_all(store, chunk(2)).unwrap(), b"newer");
        assert_eq!(read_all(store, chunk(6)).unwrap(), b"twice");
        assert_eq!(read_all(store, chunk(7)).unwrap(), [3; 4096]);
        assert!((3..6).all(|id| store.replica(chunk(id)).is_none()));
    }
}

#[test]
fn a_store_that_packs_nothing_takes_none() {
    let fixture = Fixture::new(0);
    let store = fixture.open();
    let outcomes = store.put_small(None, vec![small(1, G1, b"x")]);
    assert!(
        matches!(outcomes[..], [Err(PutError::Unfit { .. })]),
        "{outcomes:?}"
    );
}
