//! Power loss while replicas are laid to rest, restored, moved, or replaced because they are corrupt.

use std::time::Duration;

use chunkstore::{ChunkStore, ReplicaState, ScanReport, Victim};
use env::disk::SimDisk;

use crate::common::sim::{G1, HOUR, World, assert_adds_up, put, storage};
use crate::common::{bytes, chunk, read_all};
use crate::support::crash_everywhere_with;

const FORMS: [u64; 2] = [0, 64 << 10];

fn opener(form: u64, volumes: u8) -> impl Fn(&SimDisk) -> (ChunkStore, ScanReport) {
    move |disk| {
        let mut world = World::new(form);
        world.disk = disk.clone();
        world.open(volumes)
    }
}

/// The replica is there, or it rests and can be brought back; either way it is whole.
fn is_safe(store: &ChunkStore, id: u64, data: &[u8], when: &str) {
    match store.replica(chunk(id)) {
        Some(replica) => assert_eq!(replica.state, ReplicaState::Finalized, "{when}"),
        None => {
            assert_eq!(store.resting(chunk(id)), [G1], "lost: {when}");
            let restored = store.restore(chunk(id), G1);
            assert!(restored.is_ok(), "{restored:?}: {when}");
        }
    }
    assert_eq!(read_all(store, chunk(id)).unwrap(), data, "{when}");
    assert_adds_up(store);
}

#[test]
fn while_it_is_laid_to_rest_a_replica_is_here_or_rests() {
    let data = bytes(1, 5000);
    for form in FORMS {
        crash_everywhere_with(
            opener(form, 1),
            |store| put(store, 1, G1, &data).unwrap(),
            |store, deleted: &mut bool| {
                *deleted = store.delete(chunk(1), G1, Victim::Any).is_ok();
                let _ = put(store, 2, G1, &data);
            },
            |store, report, _, when| {
                assert_eq!(report.corrupt, 0, "{when}: {:?}", report.findings);
                is_safe(store, 1, &data, when);
            },
        );
    }
}

#[test]
fn while_it_is_restored_a_replica_is_here_or_rests() {
    let data = bytes(1, 5000);
    for form in FORMS {
        crash_everywhere_with(
            opener(form, 1),
            |store| {
                put(store, 1, G1, &data).unwrap();
                store.delete(chunk(1), G1, Victim::Any).unwrap();
                // Whatever follows makes the names durable.
                put(store, 2, G1, &data).unwrap();
            },
            |store, restored: &mut bool| *restored = store.restore(chunk(1), G1).is_ok(),
            |store, report, restored, when| {
                assert_eq!(report.findings, [], "{when}");
                if *restored {
                    assert!(
                        store.replica(chunk(1)).is_some(),
                        "what was restored stays: {when}"
                    );
                }
                is_safe(store, 1, &data, when);
            },
        );
    }
}

#[test]
fn while_it_moves_a_replica_is_on_one_volume_or_the_other() {
    let data = bytes(1, 5000);
    for form in FORMS {
        crash_everywhere_with(
            opener(form, 2),
            |store| put(store, 1, G1, &data).unwrap(),
            |store, moved: &mut bool| {
                let from = store.replica(chunk(1)).unwrap().storage;
                let to = if from == storage(0) {
                    storage(1)
                } else {
                    storage(0)
                };
                *moved = store.move_replica(chunk(1), G1, to, &mut |_| true).is_ok();
            },
            |store, report, _, when| {
                assert_eq!(
                    (report.replicas, report.corrupt),
                    (1, 0),
                    "{when}: {:?}",
                    report.findings
                );
                is_safe(store, 1, &data, when);
            },
        );
    }
}

#[test]
fn while_it_is_replaced_a_corrupt_replica_is_known_as_such_or_the_new_one_is_there() {
    // The bad one has sums that fit: it is not found out by reading it.
    let (bad, data) = (bytes(2, 5000), bytes(1, 5000));
    for form in FORMS {
        for volumes in [1, 2] {
            crash_everywhere_with(
                opener(form, volumes),
                |store| {
                    put(store, 1, G1, &bad).unwrap();
                    assert!(store.mark_corrupt(chunk(1), G1));
                },
                |store, replaced: &mut bool| {
                    // So that with two volumes it is put on the other one.
                    let _busy = store.create(chunk(9), G1);
                    *replaced = put(store, 1, G1, &data).is_some();
                },
                |store, report, replaced, when| {
                    let replica = store
                        .replica(chunk(1))
                        .unwrap_or_else(|| panic!("nothing: {when}"));
                    match replica.state {
                        ReplicaState::Finalized => {
                            assert!(read_all(store, chunk(1)).unwrap() == data, "{when}");
                        }
                        // The mark may outlive the bad bytes, never the other way round.
                        ReplicaState::Corrupt => assert_eq!(report.corrupt, 1, "{when}"),
                    }
                    if *replaced && volumes == 1 && form == 0 {
                        assert!(
                            store.open_replica(chunk(1)).is_ok() || replica.state == ReplicaState::Corrupt
                        );
                    }
                    assert_adds_up(store);
                },
            );
        }
    }
}

#[test]
fn while_it_is_deleted_a_corrupt_replica_is_known_as_such_or_gone() {
    for (form, retention) in [(0, 0), (0, HOUR), (FORMS[1], 0), (FORMS[1], HOUR)] {
        let open = |disk: &SimDisk| {
            let mut world = World::new(form);
            world.disk = disk.clone();
            world.options.quarantine_retention = Duration::from_millis(retention);
            world.open(1)
        };
        crash_everywhere_with(
            open,
            |store| {
                put(store, 1, G1, &bytes(1, 5000)).unwrap();
                assert!(store.mark_corrupt(chunk(1), G1));
            },
            |store, (): &mut ()| drop(store.delete(chunk(1), G1, Victim::OnlyCorrupt)),
            |store, _, (), when| {
                let state = store.replica(chunk(1)).map(|replica| replica.state);
                assert_ne!(state, Some(ReplicaState::Finalized), "{when}");
                assert_adds_up(store);
            },
        );
    }
}

#[test]
fn a_rotten_replica_that_is_found_stays_found_when_the_power_goes() {
    let world = World::new(0);
    let (store, _) = world.open(1);
    put(&store, 1, G1, &bytes(1, 5000)).unwrap();
    let name = format!(
        "/a/chunks/01/chunk-{}",
        crate::common::pool(1).chunk_uuid(chunk(1))
    );
    world.disk.corrupt(std::path::Path::new(&name), 99, 2).unwrap();
    assert!(matches!(
        store.verify(chunk(1), G1),
        chunkstore::Verdict::Corrupt { first: true, .. }
    ));
    for seed in 0..8 {
        world.disk.crash(seed);
        assert_eq!(world.open(1).1.corrupt, 1);
    }
}

#[test]
fn how_far_a_round_of_scrubbing_has_come_survives() {
    let world = World::new(0);
    let (store, _) = world.open(1);
    put(&store, 1, G1, &bytes(1, 5000)).unwrap();
    assert_eq!(store.scrub_round(storage(0)), None);
    let mut round = chunkstore::ScrubRound::beginning(types::UnixMillis(5));
    round.after = Some(chunk(1));
    round.bytes = 2000;
    store.keep_scrub_round(storage(0), &round, true).unwrap();
    let status = &store.volumes()[0];
    assert_eq!(status.scrub_begun, Some(types::UnixMillis(5)));
    assert!(status.scrub_done > 0.3 && status.scrub_done < 0.5, "{status:?}");
    for seed in 0..8 {
        world.disk.crash(seed);
        assert_eq!(world.open(1).0.scrub_round(storage(0)), Some(round));
    }
    world
        .disk
        .corrupt(std::path::Path::new("/a/scrub"), 30, 1)
        .unwrap();
    assert_eq!(world.open(1).0.scrub_round(storage(0)), None);
}
