mod model;

use proptest::prelude::*;
use types::fingerprint::{Fingerprint, Folded, bucket_of};

use self::model::Model;
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
    let summary = map.report(storage(1), &Buckets::all(), &[extent(1, 1, 5), extent(2, 1, 5)]);
    assert_eq!(
        (summary.appeared, summary.gone),
        (vec![chunk(1), chunk(2)], vec![])
    );
    let summary = map.report(storage(1), &Buckets::all(), &[extent(2, 1, 5), extent(3, 1, 5)]);
    assert_eq!((summary.appeared, summary.gone), (vec![chunk(3)], vec![chunk(1)]));
    assert!(map.has_reported(storage(1)));
    map.registered(storage(1));
    assert!(!map.has_reported(storage(1)), "what it said in its last life");
}

#[test]
fn a_replica_received_lately_survives_one_older_report_but_not_two() {
    let mut map = ReplicaMap::new();
    map.report(storage(1), &Buckets::all(), &[]);
    map.received(storage(1), extent(1, 1, 5));
    assert_eq!(map.report(storage(1), &Buckets::all(), &[]).unsure, 1);
    assert_eq!(map.replicas(chunk(1)).len(), 1);
    assert_eq!(map.report(storage(1), &Buckets::all(), &[]).gone, [chunk(1)]);
    assert_eq!(map.chunk_count(), 0);
}

#[test]
fn an_older_report_does_not_take_a_generation_back() {
    let mut map = ReplicaMap::new();
    map.report(storage(1), &Buckets::all(), &[extent(1, 1, 5)]);
    map.received(storage(1), extent(1, 2, 9));
    map.report(storage(1), &Buckets::all(), &[extent(1, 1, 5)]);
    assert_eq!(map.valid(chunk(1), expected(2, 9)).count(), 1);
    map.report(storage(1), &Buckets::all(), &[extent(1, 1, 5)]);
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
    assert_eq!(map.report(storage(1), &Buckets::all(), &[]).gone, [chunk(1)]);
}

#[test]
fn corruption_outlives_reports_but_not_a_new_replica() {
    let mut map = ReplicaMap::new();
    map.report(storage(1), &Buckets::all(), &[extent(1, 1, 5)]);
    map.corrupt(storage(1), chunk(1), Generation(1));
    map.report(storage(1), &Buckets::all(), &[extent(1, 1, 5)]);
    assert_eq!(map.replicas(chunk(1))[0].state, ReplicaState::Corrupt);
    map.received(storage(1), extent(1, 1, 5));
    assert_eq!(map.replicas(chunk(1))[0].state, ReplicaState::Finalized);
}

#[test]
fn a_lost_storage_takes_its_replicas_along() {
    let mut map = ReplicaMap::new();
    map.report(storage(1), &Buckets::all(), &[extent(1, 1, 5), extent(2, 1, 5)]);
    map.report(storage(2), &Buckets::all(), &[extent(2, 1, 5)]);
    assert_eq!(map.forget(storage(1)), [chunk(1), chunk(2)]);
    assert_eq!(
        (map.replicas(chunk(1)).len(), map.replicas(chunk(2)).len()),
        (0, 1)
    );
}

#[test]
fn a_report_of_some_buckets_says_nothing_of_others() {
    let mut map = ReplicaMap::new();
    let all: Vec<_> = (1..=1_000).map(|n| extent(n, 1, 5)).collect();
    map.report(storage(1), &Buckets::all(), &all);
    let mut has = Fingerprint::default();
    all.iter().for_each(|extent| has.add(*extent));
    assert!(map.differing(storage(1), &has).is_empty());
    // One is gone, one is new, one has another version; nobody told.
    has.remove(extent(7, 1, 5));
    has.add(extent(2_000, 1, 5));
    has.remove(extent(9, 1, 5));
    has.add(extent(9, 2, 5));
    let differing = map.differing(storage(1), &has);
    assert_eq!(differing.len(), 3 * 2, "each, and the one that shares its sum");
    let mut listed: Vec<_> = all
        .into_iter()
        .filter(|e| ![7, 9].contains(&e.chunk.as_u64()))
        .collect();
    listed.extend([extent(2_000, 1, 5), extent(9, 2, 5)]);
    listed.retain(|e| differing.contains(&u32::try_from(bucket_of(e.chunk)).unwrap()));
    assert!(listed.len() < 20, "little is listed");
    let summary = map.report(storage(1), &Buckets::of(&differing), &listed);
    assert_eq!(summary.gone, [chunk(7)]);
    assert_eq!(summary.appeared.len(), 2);
    assert!(map.differing(storage(1), &has).is_empty());
    assert_eq!(map.storage_count(storage(1)), 1_000);
}

#[test]
fn bad_replicas_need_not_be_listed_but_after_a_registration() {
    let mut map = ReplicaMap::new();
    map.report(storage(1), &Buckets::all(), &[extent(1, 1, 5), extent(2, 1, 5)]);
    map.corrupt(storage(1), chunk(1), Generation(1));
    map.report(storage(1), &Buckets::all(), &[extent(2, 1, 5)]);
    assert_eq!(map.replicas(chunk(1))[0].state, ReplicaState::Corrupt);
    map.registered(storage(1));
    let summary = map.report(storage(1), &Buckets::all(), &[extent(2, 1, 5)]);
    assert_eq!(summary.gone, [chunk(1)]);
}

#[test]
fn a_verification_is_of_one_replica_in_one_version_and_life() {
    let mut map = ReplicaMap::new();
    let now = Duration::from_secs(5);
    let ours = extent(1, 1, 5);
    let mark = |map: &ReplicaMap| map.verified_at(storage(1), chunk(1));
    assert!(!map.verified(now, storage(1), ours), "nobody has it");
    map.received(storage(1), ours);
    assert_eq!(mark(&map), None, "what is received is not verified");
    assert!(!map.verified(now, storage(1), extent(1, 2, 5)));
    assert!(map.verified(now, storage(1), ours));
    assert_eq!(mark(&map), Some(now));
    map.report(storage(1), &Buckets::all(), &[ours]);
    assert_eq!(mark(&map), Some(now), "it is still the same");
    map.received(storage(1), ours);
    assert_eq!(mark(&map), None, "it was written anew");
    map.verified(now, storage(1), ours);
    map.registered(storage(1));
    assert_eq!(mark(&map), None, "its node has begun anew");
    map.verified(now, storage(1), ours);
    map.corrupt(storage(1), chunk(1), Generation(1));
    assert_eq!(mark(&map), None);
    assert!(!map.verified(now, storage(1), ours), "it is bad");
}

#[test]
fn marks_of_verifications_are_bounded() {
    let mut map = ReplicaMap::new();
    let many = verified::MARKS_MAX as u64 + 100;
    for n in 0..many {
        map.received(storage(1), extent(n, 1, 5));
        map.verified(Duration::from_secs(n), storage(1), extent(n, 1, 5));
    }
    assert_eq!(map.verified.len(), verified::MARKS_MAX);
    assert_eq!(map.verified_at(storage(1), chunk(99)), None);
    assert!(map.verified_at(storage(1), chunk(100)).is_some());
}

#[test]
fn of_two_replicas_on_one_node_one_counts() {
    let mut map = ReplicaMap::new();
    for n in 1..=3 {
        map.received(storage(n), extent(1, 1, 5));
    }
    let node = |n| types::DatanodeId::from_random_bytes([n; 16]);
    let changed = map.place(false, |asked| {
        let serves = asked != storage(2);
        Some(Place {
            node: node(if asked == storage(3) { 2 } else { 1 }),
            rack: "/a",
            reach: if serves { Reach::Serving } else { Reach::Gone },
        })
    });
    assert!(changed);
    let facts = crate::Facts::of(&map, chunk(1), expected(1, 5), 3);
    assert_eq!(
        (facts.serving, facts.gone, facts.racks, facts.serving_racks),
        (2, 0, 1, 1)
    );
}

#[test]
fn what_has_come_counts_before_all_are_asked() {
    let mut map = ReplicaMap::new();
    let place = |reach| Place {
        node: types::DatanodeId::from_random_bytes([1; 16]),
        rack: "/a",
        reach,
    };
    map.registered(storage(1));
    map.came(storage(1), place(Reach::Serving));
    map.received(storage(1), extent(1, 1, 5));
    assert_eq!(map.reach(storage(1)), Reach::Serving);
    // Chunks were judged by this one: they have to be judged anew when it is another, and that is told when all are asked.
    map.came(storage(1), place(Reach::Draining));
    assert_eq!(map.reach(storage(1)), Reach::Serving);
    assert!(map.place(false, |_| Some(place(Reach::Draining))));
    assert_eq!(map.reach(storage(1)), Reach::Draining);
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

#[test]
fn chunks_are_counted_by_their_replicas() {
    let mut map = ReplicaMap::new();
    for n in 1..=5 {
        map.received(storage(n), extent(1, 1, 5));
    }
    map.received(storage(1), extent(2, 1, 5));
    let counts: Vec<_> = (0..7).map(|n| map.chunks_with(n)).collect();
    assert_eq!(counts, [2, 2, 1, 1, 1, 1, 0]);
    assert_eq!(map.chunk_count(), 2);
}

#[test]
fn a_chunk_takes_fifteen_bytes() {
    let mut map = ReplicaMap::new();
    let chunks = 100_000;
    for n in 1..=chunks {
        for node in 0..3 {
            map.received(
                storage(u8::try_from((n + node) % 10).unwrap()),
                extent(n, 1, 4096),
            );
        }
    }
    let sums = 10 * (16 << 10);
    let bytes = map.memory().total() - sums;
    assert!(bytes < 15 * chunks, "{bytes} bytes");
    for n in 0..10 {
        map.forget(storage(n));
    }
    assert_eq!((map.chunk_count(), map.chunks_with(1)), (0, 0));
    assert!(map.memory().total() < 1000, "{:?}", map.memory());
}

#[derive(Debug, Clone)]
enum Event {
    Received(u8, ChunkExtent),
    Deleted(u8, ChunkId),
    Corrupt(u8, ChunkId, u64),
    Report(u8, Vec<ChunkExtent>),
    /// What it has, but for one in so many.
    ReportNearly(u8, usize),
    /// All that it has in some buckets, but for one in so many; in slices of so many.
    ReportBuckets(u8, Vec<u32>, usize, usize),
    Verified(u8, ChunkExtent),
    Registered(u8),
    Forget(u8),
}

/// Chunks of few slots and births.
fn some_chunk() -> impl Strategy<Value = ChunkId> {
    let births = prop_oneof![4 => Just(0u64), 2 => Just(1), 1 => Just(65_535), 1 => Just(65_536), 1 => Just(0x7fff_ffff)];
    let slots = prop_oneof![4 => 0u64..6, 1 => Just(u64::from(u32::MAX)), 1 => 60u64..80];
    (births, slots).prop_map(|(birth, slot)| chunk(birth << 32 | slot))
}

/// Mostly in the same version.
fn some_extent() -> impl Strategy<Value = ChunkExtent> {
    let generations = prop_oneof![6 => Just(1u64), 2 => Just(2), 1 => Just(65_536)];
    let lens = prop_oneof![6 => Just(5u64), 1 => Just(6), 1 => Just(1 << 32)];
    (some_chunk(), generations, lens).prop_map(|(chunk, generation, len)| ChunkExtent {
        chunk,
        generation: Generation(generation),
        len,
    })
}

/// Buckets of a few chunks that there may be.
fn some_buckets() -> impl Strategy<Value = Vec<u32>> {
    let bucket = |chunk| u32::try_from(bucket_of(chunk)).unwrap();
    prop::collection::vec(some_chunk().prop_map(bucket), 1..12)
}

fn event() -> impl Strategy<Value = Event> {
    let storage = 0u8..5;
    // A storage lists a chunk once.
    let listed = prop::collection::vec(some_extent(), 0..6).prop_map(|mut listed| {
        listed.sort_by_key(|extent| extent.chunk);
        listed.dedup_by_key(|extent| extent.chunk);
        listed
    });
    prop_oneof![
        8 => (storage.clone(), some_extent()).prop_map(|(s, e)| Event::Received(s, e)),
        2 => (storage.clone(), some_chunk()).prop_map(|(s, c)| Event::Deleted(s, c)),
        1 => (storage.clone(), some_chunk(), 1u64..3).prop_map(|(s, c, g)| Event::Corrupt(s, c, g)),
        2 => (storage.clone(), listed).prop_map(|(s, l)| Event::Report(s, l)),
        3 => (storage.clone(), 1usize..5).prop_map(|(s, n)| Event::ReportNearly(s, n)),
        3 => (storage.clone(), some_buckets(), 1usize..5, 1usize..4).prop_map(|(s, b, n, at_once)| Event::ReportBuckets(s, b, n, at_once)),
        2 => (storage.clone(), some_extent()).prop_map(|(s, e)| Event::Verified(s, e)),
        1 => storage.clone().prop_map(Event::Registered),
        1 => storage.prop_map(Event::Forget),
    ]
}

proptest! {
    #[test]
    fn the_map_is_what_its_model_is(events in prop::collection::vec(event(), 0..80)) {
        let (mut map, mut model) = (ReplicaMap::new(), Model::new());
        let mut now = Duration::ZERO;
        for event in &events {
            match event {
                Event::Received(s, e) => {
                    map.received(storage(*s), *e);
                    model.received(storage(*s), *e);
                }
                Event::Deleted(s, c) => {
                    prop_assert_eq!(map.deleted(storage(*s), *c), model.deleted(storage(*s), *c));
                }
                Event::Corrupt(s, c, g) => {
                    let (s, g) = (storage(*s), Generation(*g));
                    prop_assert_eq!(map.corrupt(s, *c, g), model.corrupt(s, *c, g));
                }
                Event::Report(s, listed) => {
                    let s = storage(*s);
                    prop_assert_eq!(map.report(s, &Buckets::all(), listed), model.report(s, None, listed));
                }
                Event::ReportNearly(s, one_in) => {
                    let s = storage(*s);
                    let has = model.all().into_iter().filter(|(_, replica)| replica.storage == s);
                    let listed: Vec<_> = has
                        .enumerate()
                        .filter(|(n, _)| (n + 1) % one_in != 0 || *one_in == 1)
                        .map(|(_, (chunk, replica))| ChunkExtent { chunk, generation: replica.generation, len: replica.len })
                        .collect();
                    prop_assert_eq!(map.report(s, &Buckets::all(), &listed), model.report(s, None, &listed));
                }
                Event::ReportBuckets(s, numbers, one_in, at_once) => {
                    let s = storage(*s);
                    let in_them = |chunk: ChunkId| numbers.contains(&u32::try_from(bucket_of(chunk)).unwrap());
                    let has = model.all().into_iter().filter(|(chunk, replica)| replica.storage == s && in_them(*chunk));
                    let listed: Vec<_> = has
                        .enumerate()
                        .filter(|(n, _)| (n + 1) % one_in != 0 || *one_in == 1)
                        .map(|(_, (chunk, replica))| ChunkExtent { chunk, generation: replica.generation, len: replica.len })
                        .collect();
                    let mut report = Report::new(s, Buckets::of(numbers));
                    let mut summary = ReportSummary::default();
                    for listed in listed.chunks(*at_once) {
                        summary.append(report.add(&mut map, listed));
                    }
                    report.seal();
                    let mut done = false;
                    while !done {
                        let (more, end) = report.finish(&mut map, *at_once);
                        summary.append(more);
                        done = end;
                    }
                    summary.gone.sort_unstable();
                    prop_assert_eq!(summary, model.report(s, Some(&in_them), &listed));
                }
                Event::Verified(s, e) => {
                    now += Duration::from_secs(1);
                    prop_assert_eq!(map.verified(now, storage(*s), *e), model.verified(now, storage(*s), *e));
                }
                Event::Registered(s) => {
                    map.registered(storage(*s));
                    model.registered(storage(*s));
                }
                Event::Forget(s) => {
                    prop_assert_eq!(map.forget(storage(*s)), model.forget(storage(*s)));
                }
            }
            map.table.check_invariants();
            for (id, replica) in model.all() {
                let same = map.replicas(id).iter().any(|r| {
                    (r.storage, r.generation, r.len, r.state)
                        == (replica.storage, replica.generation, replica.len, replica.state)
                });
                prop_assert!(same, "{id} has {replica:?}, not {:?}", map.replicas(id));
            }
            for wanted in 1..6 {
                let chunks = model.counts();
                let counted = chunks.values().filter(|count| **count >= wanted).count();
                prop_assert_eq!(map.chunks_with(wanted), counted);
                prop_assert!(chunks.iter().all(|(id, count)| map.replicas(*id).len() == *count));
            }
            prop_assert_eq!(map.chunk_count(), model.chunk_count());
            for n in 0..5 {
                let s = storage(n);
                prop_assert_eq!(map.storage_count(s), model.storage_count(s));
                prop_assert_eq!(map.chunks_on(s).count(), model.storage_count(s));
                prop_assert_eq!(map.has_reported(s), model.has_reported(s));
                prop_assert_eq!(map.fingerprint(s).cloned().unwrap_or_default(), Folded::from(&model.fingerprint(s)));
            }
            for (chunk, replica) in model.all() {
                prop_assert_eq!(map.verified_at(replica.storage, chunk), replica.verified);
            }
        }
    }
}
