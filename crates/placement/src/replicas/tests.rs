use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn storage(n: u8) -> StorageId {
    StorageId::from_random_bytes([n; 16])
}

fn chunk(n: u64) -> ChunkId {
    ChunkId::new(n).unwrap()
}

fn extent(n: u64, generation: u64, len: u64) -> ChunkExtent {
    ChunkExtent {
        chunk: chunk(n),
        generation: Generation(generation),
        len,
    }
}

fn expected(generation: u64, len: u64) -> Expected {
    Expected {
        generation: Generation(generation),
        len: Some(len),
    }
}

fn everywhere(_: StorageId) -> bool {
    true
}

#[test]
fn only_the_right_generation_and_length_is_valid() {
    let mut map = ReplicaMap::new();
    map.received(storage(1), extent(7, 2, 100));
    map.received(storage(2), extent(7, 1, 100));
    map.received(storage(3), extent(7, 2, 99));
    map.received(storage(4), extent(7, 3, 100));
    map.received(storage(5), extent(7, 2, 100));
    assert!(map.corrupt(storage(5), chunk(7), Generation(2)));
    assert!(
        !map.corrupt(storage(5), chunk(7), Generation(1)),
        "another version"
    );
    let standings: Vec<_> = map
        .replicas(chunk(7))
        .iter()
        .map(|r| r.standing(expected(2, 100)))
        .collect();
    assert_eq!(
        standings,
        [
            Standing::Valid,
            Standing::Stale,
            Standing::WrongLength,
            Standing::Newer,
            Standing::Corrupt
        ]
    );
    let valid: Vec<_> = map.valid(chunk(7), expected(2, 100)).map(|r| r.storage).collect();
    assert_eq!(valid, [storage(1)]);
}

#[test]
fn a_newer_version_takes_the_place_of_the_older() {
    let mut map = ReplicaMap::new();
    map.received(storage(1), extent(7, 1, 10));
    map.received(storage(1), extent(7, 2, 20));
    assert_eq!(map.replicas(chunk(7)).len(), 1);
    assert_eq!(map.valid(chunk(7), expected(2, 20)).count(), 1);
    assert_eq!(map.storage_count(storage(1)), 1);
}

#[test]
fn reports_add_and_remove() {
    let mut map = ReplicaMap::new();
    assert!(!map.has_reported(storage(1)));
    let summary = map.report(storage(1), &[extent(1, 1, 5), extent(2, 1, 5)]);
    assert_eq!(
        (summary.appeared, summary.gone),
        (vec![chunk(1), chunk(2)], vec![])
    );
    let summary = map.report(storage(1), &[extent(2, 1, 5), extent(3, 1, 5)]);
    assert_eq!((summary.appeared, summary.gone), (vec![chunk(3)], vec![chunk(1)]));
    assert!(map.has_reported(storage(1)));
    map.registered(storage(1));
    assert!(!map.has_reported(storage(1)), "what it said in its last life");
}

#[test]
fn a_replica_received_lately_survives_one_older_report_but_not_two() {
    let mut map = ReplicaMap::new();
    map.report(storage(1), &[]);
    map.received(storage(1), extent(1, 1, 5));
    assert_eq!(map.report(storage(1), &[]).unsure, 1);
    assert_eq!(map.replicas(chunk(1)).len(), 1);
    assert_eq!(map.report(storage(1), &[]).gone, [chunk(1)]);
    assert_eq!(map.chunk_count(), 0);
}

#[test]
fn an_older_report_does_not_take_a_generation_back() {
    let mut map = ReplicaMap::new();
    map.report(storage(1), &[extent(1, 1, 5)]);
    map.received(storage(1), extent(1, 2, 9));
    map.report(storage(1), &[extent(1, 1, 5)]);
    assert_eq!(map.valid(chunk(1), expected(2, 9)).count(), 1);
    map.report(storage(1), &[extent(1, 1, 5)]);
    assert_eq!(
        map.valid(chunk(1), expected(2, 9)).count(),
        0,
        "it says so again: it is so"
    );
}

#[test]
fn a_registration_ends_the_doubt() {
    let mut map = ReplicaMap::new();
    map.received(storage(1), extent(1, 1, 5));
    map.registered(storage(1));
    assert_eq!(map.report(storage(1), &[]).gone, [chunk(1)]);
}

#[test]
fn corruption_outlives_reports_but_not_a_new_replica() {
    let mut map = ReplicaMap::new();
    map.report(storage(1), &[extent(1, 1, 5)]);
    map.corrupt(storage(1), chunk(1), Generation(1));
    map.report(storage(1), &[extent(1, 1, 5)]);
    assert_eq!(map.replicas(chunk(1))[0].state, ReplicaState::Corrupt);
    map.received(storage(1), extent(1, 1, 5));
    assert_eq!(map.replicas(chunk(1))[0].state, ReplicaState::Finalized);
}

#[test]
fn a_lost_storage_takes_its_replicas_along() {
    let mut map = ReplicaMap::new();
    map.report(storage(1), &[extent(1, 1, 5), extent(2, 1, 5)]);
    map.report(storage(2), &[extent(2, 1, 5)]);
    assert_eq!(map.forget(storage(1)), [chunk(1), chunk(2)]);
    assert_eq!(
        (map.replicas(chunk(1)).len(), map.replicas(chunk(2)).len()),
        (0, 1)
    );
}

#[test]
fn freed_chunks_go_everywhere_in_exactly_their_version() {
    let mut map = ReplicaMap::new();
    map.received(storage(1), extent(1, 1, 5));
    map.received(storage(2), extent(1, 2, 5));
    let excess = map.excess(chunk(1), ChunkFate::Freed, 2, everywhere);
    let versions: Vec<_> = excess.iter().map(|e| (e.storage, e.generation)).collect();
    assert_eq!(
        versions,
        [(storage(1), Generation(1)), (storage(2), Generation(2))]
    );
}

#[test]
fn chunks_from_the_future_are_never_deleted() {
    let mut map = ReplicaMap::new();
    map.received(storage(1), extent(1, 1, 5));
    assert_eq!(map.excess(chunk(1), ChunkFate::FromTheFuture, 0, everywhere), []);
}

#[test]
fn stale_replicas_go_only_when_enough_good_ones_are_confirmed() {
    let mut map = ReplicaMap::new();
    let held = ChunkFate::Held(expected(2, 9));
    map.received(storage(1), extent(1, 1, 5));
    map.received(storage(2), extent(1, 2, 9));
    assert_eq!(
        map.excess(chunk(1), held, 2, everywhere),
        [],
        "one good one is too few"
    );
    map.received(storage(3), extent(1, 2, 9));
    let stale = Excess {
        storage: storage(1),
        chunk: chunk(1),
        generation: Generation(1),
    };
    assert_eq!(map.excess(chunk(1), held, 2, everywhere), [stale]);
    assert_eq!(
        map.excess(chunk(1), held, 2, |s| s != storage(3)),
        [],
        "its node is dead"
    );
    map.corrupt(storage(3), chunk(1), Generation(2));
    assert_eq!(map.excess(chunk(1), held, 2, everywhere), [], "its bytes are bad");
    map.received(storage(3), extent(1, 2, 9));
    let writing = ChunkFate::Held(Expected {
        generation: Generation(2),
        len: None,
    });
    assert_eq!(
        map.excess(chunk(1), writing, 2, everywhere),
        [],
        "not while it is being written"
    );
}

#[test]
fn newer_and_wrong_replicas_are_kept() {
    let mut map = ReplicaMap::new();
    for n in 1..=2 {
        map.received(storage(n), extent(1, 2, 9));
    }
    map.received(storage(3), extent(1, 3, 9));
    map.received(storage(4), extent(1, 2, 8));
    assert_eq!(
        map.excess(chunk(1), ChunkFate::Held(expected(2, 9)), 2, everywhere),
        []
    );
}

#[derive(Debug, Clone)]
enum Event {
    Received(u8, u64, u64),
    Deleted(u8, u64),
    Corrupt(u8, u64, u64),
    Report(u8, BTreeSet<u64>),
    Registered(u8),
    Forget(u8),
}

fn event() -> impl Strategy<Value = Event> {
    let (storage, chunk, generation) = (0u8..3, 0u64..6, 1u64..3);
    prop_oneof![
        4 => (storage.clone(), chunk.clone(), generation.clone()).prop_map(|(s, c, g)| Event::Received(s, c, g)),
        2 => (storage.clone(), chunk.clone()).prop_map(|(s, c)| Event::Deleted(s, c)),
        1 => (storage.clone(), chunk.clone(), generation).prop_map(|(s, c, g)| Event::Corrupt(s, c, g)),
        2 => (storage.clone(), prop::collection::btree_set(chunk, 0..6)).prop_map(|(s, c)| Event::Report(s, c)),
        1 => storage.clone().prop_map(Event::Registered),
        1 => storage.prop_map(Event::Forget),
    ]
}

proptest! {
    #[test]
    fn the_map_equals_a_recount(events in prop::collection::vec(event(), 0..60)) {
        let mut map = ReplicaMap::new();
        for event in &events {
            match event {
                Event::Received(s, c, g) => map.received(storage(*s), extent(*c, *g, 5)),
                Event::Deleted(s, c) => {
                    let known = map.replicas(chunk(*c)).iter().any(|r| r.storage == storage(*s));
                    prop_assert_eq!(map.deleted(storage(*s), chunk(*c)), known);
                }
                Event::Corrupt(s, c, g) => { map.corrupt(storage(*s), chunk(*c), Generation(*g)); }
                Event::Report(s, c) => {
                    let listed: Vec<_> = c.iter().map(|c| extent(*c, 1, 5)).collect();
                    map.report(storage(*s), &listed);
                    let twice = map.report(storage(*s), &listed);
                    prop_assert_eq!(twice.unsure, 0, "nothing came between");
                    let has: BTreeSet<_> = (0..6).filter(|c| map.replicas(chunk(*c)).iter().any(|r| r.storage == storage(*s))).collect();
                    prop_assert_eq!(&has, c, "after two reports it has what they say");
                }
                Event::Registered(s) => map.registered(storage(*s)),
                Event::Forget(s) => { map.forget(storage(*s)); }
            }
            let mut counted: BTreeMap<StorageId, BTreeSet<ChunkId>> = BTreeMap::new();
            for (id, replicas) in &map.chunks {
                prop_assert!(!replicas.is_empty());
                for replica in replicas {
                    prop_assert!(counted.entry(replica.storage).or_default().insert(*id), "two on one storage");
                }
            }
            for n in 0..3 {
                let kept: BTreeSet<_> = map.storages.get(&storage(n)).map(|r| r.chunks.iter().copied().collect()).unwrap_or_default();
                prop_assert_eq!(counted.remove(&storage(n)).unwrap_or_default(), kept);
            }
        }
    }
}
