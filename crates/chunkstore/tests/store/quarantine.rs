//! What is deleted rests, comes back, and is destroyed in the end.

use std::path::Path;

use chunkstore::{DeleteError, ReplicaState, RestoreError, Victim};
use env::disk::{Disk, EntryKind, SimDisk};

use crate::common::sim::{G1, G2, HOUR, World, assert_adds_up, put, storage};
use crate::common::{bytes, chunk, read_all, sums};

/// Replicas in files of their own, and packed ones.
const FORMS: [u64; 2] = [0, 64 << 10];

fn files_below(disk: &SimDisk, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in disk.read_dir(Path::new(path)).unwrap() {
        let path = entry.path.display().to_string();
        match entry.kind {
            EntryKind::Directory => found.extend(files_below(disk, &path)),
            _ => found.push(path),
        }
    }
    found
}

#[test]
fn what_is_deleted_rests_through_a_restart_and_can_be_restored() {
    for form in FORMS {
        let world = World::new(form);
        let (store, _) = world.open(1);
        let data = bytes(1, 5000);
        put(&store, 1, G1, &data).unwrap();
        put(&store, 2, G1, &data).unwrap();
        let before = store.fingerprint(storage(0));
        store.delete(chunk(1), G1, Victim::Any).unwrap();
        assert_adds_up(&store);
        assert_ne!(store.fingerprint(storage(0)), before);
        assert!(store.replica(chunk(1)).is_none() && store.open_replica(chunk(1)).is_err());
        assert_eq!(store.resting(chunk(1)), [G1]);
        let status = &store.volumes()[0];
        assert!(status.quarantined >= 5000, "{status:?}");
        assert_eq!(status.chunks, 1);

        drop(store);
        let (store, report) = world.open(1);
        assert_eq!((report.replicas, report.findings.len()), (1, 0));
        assert_eq!(store.resting(chunk(1)), [G1]);
        assert!(store.volumes()[0].quarantined >= 5000);
        assert!(matches!(
            store.restore(chunk(1), G2),
            Err(RestoreError::Unknown { .. })
        ));
        assert_eq!(store.restore(chunk(1), G1).unwrap().len, 5000);
        assert_eq!(store.fingerprint(storage(0)), before);
        assert_eq!(store.volumes()[0].quarantined, 0);
        // Again is no harm.
        store.restore(chunk(1), G1).unwrap();
        for store in [store, world.open(1).0] {
            assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
            assert_adds_up(&store);
        }
    }
}

#[test]
fn what_was_appended_to_when_the_process_ended_can_be_restored_too() {
    let world = World::new(0);
    let data = bytes(1, 9000);
    let (store, _) = world.open(1);
    put(&store, 1, G1, &data[..5000]).unwrap();
    let mut writer = store.reopen(chunk(1), G1).unwrap();
    writer.write(4608, &data[4608..], &sums(&data[4608..])).unwrap();
    // What was not synced stays behind the end of the file, and means nothing.
    writer.leave();
    drop(store);
    let (store, _) = world.open(1);
    store.delete(chunk(1), G1, Victim::Any).unwrap();
    let resting = store.volumes()[0].quarantined;
    drop(store);
    let (store, _) = world.open(1);
    assert_eq!(store.volumes()[0].quarantined, resting);
    assert_eq!(store.restore(chunk(1), G1).unwrap().len, 5000);
    assert_eq!(read_all(&store, chunk(1)).unwrap(), data[..5000]);
    assert_adds_up(&store);
}

#[test]
fn it_is_destroyed_when_the_retention_is_over_and_not_before() {
    for form in FORMS {
        let world = World::new(form);
        drop(world.open(1));
        let (store, _) = world.open(1);
        put(&store, 1, G1, &bytes(1, 5000)).unwrap();
        // So that no pack is written to any more.
        drop(store);
        let (store, _) = world.open(1);
        store.delete(chunk(1), G1, Victim::Any).unwrap();
        world.clock.forward(HOUR - 1);
        assert_eq!(store.expire_quarantine(), (0, false));
        store.compact().unwrap();
        assert_eq!(store.resting(chunk(1)), [G1]);
        world.clock.forward(1);
        assert_eq!(store.expire_quarantine(), (1, false));
        assert!(store.restore(chunk(1), G1).is_err());
        assert_eq!(store.volumes()[0].quarantined, 0);
        let left = files_below(&world.disk, "/a");
        assert!(
            left.iter()
                .all(|path| !path.contains("chunk-") && !path.contains("pack-")),
            "{left:?}"
        );
    }
}

#[test]
fn a_rotten_one_is_not_restored() {
    for form in FORMS {
        let world = World::new(form);
        let (store, _) = world.open(1);
        put(&store, 1, G1, &bytes(1, 5000)).unwrap();
        store.delete(chunk(1), G1, Victim::Any).unwrap();
        let files = files_below(&world.disk, "/a");
        let rests =
            |path: &&String| !path.ends_with(".meta") && (path.contains("chunk-") || path.contains("pack-"));
        let file = files.iter().find(rests).unwrap();
        world.disk.corrupt(Path::new(file), 700, 1).unwrap();
        assert!(matches!(store.restore(chunk(1), G1), Err(RestoreError::Read(_))));
        assert!(store.replica(chunk(1)).is_none());
        world.disk.corrupt(Path::new(file), 700, 1).unwrap();
        store.restore(chunk(1), G1).unwrap();
        assert_eq!(read_all(&store, chunk(1)).unwrap(), bytes(1, 5000));
    }
}

#[test]
fn restoring_gives_way_to_what_is_newer_and_replaces_what_is_older_or_corrupt() {
    for form in FORMS {
        let world = World::new(form);
        let (store, _) = world.open(1);
        let data = bytes(1, 3000);
        put(&store, 1, G1, &data).unwrap();
        store.delete(chunk(1), G1, Victim::Any).unwrap();
        put(&store, 1, G2, b"newer").unwrap();
        assert!(matches!(
            store.restore(chunk(1), G1),
            Err(RestoreError::Newer { present: G2, .. })
        ));
        store.delete(chunk(1), G2, Victim::Any).unwrap();
        assert_eq!(store.resting(chunk(1)), [G1, G2]);
        put(&store, 1, G1, &data).unwrap();
        assert!(store.mark_corrupt(chunk(1), G1));
        store.restore(chunk(1), G1).unwrap();
        assert_eq!(store.replica(chunk(1)).unwrap().state, ReplicaState::Finalized);
        store.restore(chunk(1), G2).unwrap();
        for store in [store, world.open(1).0] {
            assert_eq!(read_all(&store, chunk(1)).unwrap(), b"newer");
            assert_adds_up(&store);
        }
    }
}

#[test]
fn when_the_space_is_needed_it_is_freed_early_oldest_first() {
    let world = World::new(0);
    let (store, _) = world.open(1);
    for id in 1..=4 {
        put(&store, id, G1, &bytes(id, 10_000)).unwrap();
        store.delete(chunk(id), G1, Victim::Any).unwrap();
        world.clock.forward(1);
    }
    world.disk.set_capacity(45_000);
    let status = &store.volumes()[0];
    assert!(status.available > 43_000, "what rests counts as free: {status:?}");
    let mut writer = store.create_expecting(chunk(9), G1, 20_000).unwrap();
    let rests = |store: &chunkstore::ChunkStore| {
        (1..=4)
            .map(|id| store.resting(chunk(id)).len())
            .collect::<Vec<_>>()
    };
    assert_eq!(rests(&store), [0, 0, 1, 1]);
    let data = bytes(9, 20_000);
    writer.write(0, &data, &crate::common::sums(&data)).unwrap();
    writer.finalize().unwrap();
    // And what fills the reserve makes room without being asked.
    world.disk.set_capacity(20_000);
    assert_eq!(store.expire_quarantine(), (2, false));
    assert_eq!(rests(&store), [0, 0, 0, 0]);
    assert!(matches!(
        store.restore(chunk(4), G1),
        Err(RestoreError::Unknown { .. })
    ));
}

#[test]
fn only_a_corrupt_one_is_deleted_when_that_is_asked_for() {
    for form in FORMS {
        let world = World::new(form);
        let (store, _) = world.open(1);
        put(&store, 1, G1, b"abc").unwrap();
        let delete = || store.delete(chunk(1), G1, Victim::OnlyCorrupt);
        assert!(matches!(delete(), Err(DeleteError::NotCorrupt(_))));
        assert!(store.mark_corrupt(chunk(1), G1));
        assert_eq!(delete().unwrap().state, ReplicaState::Corrupt);
        put(&store, 1, G1, b"abc").unwrap();
        assert!(matches!(delete(), Err(DeleteError::NotCorrupt(_))));
        // The mark went with the one that had it.
        let (again, _) = world.open(1);
        assert_eq!(again.replica(chunk(1)).unwrap().state, ReplicaState::Finalized);
    }
}

#[test]
fn that_a_replica_is_corrupt_is_known_after_a_restart_until_it_is_replaced() {
    for form in FORMS {
        let world = World::new(form);
        let (store, _) = world.open(2);
        let data = bytes(1, 3000);
        put(&store, 1, G1, &data).unwrap();
        assert!(store.mark_corrupt(chunk(1), G1));
        assert_adds_up(&store);
        drop(store);
        let (store, report) = world.open(2);
        assert_eq!(report.corrupt, 1);
        assert_eq!(store.replica(chunk(1)).unwrap().state, ReplicaState::Corrupt);
        // Wherever the new one is put.
        let filler = store.create(chunk(7), G1).unwrap();
        put(&store, 1, G1, &data).unwrap();
        drop(filler);
        drop(store);
        let (store, report) = world.open(2);
        assert_eq!(
            (report.replicas, report.corrupt, report.findings.len()),
            (1, 0, 0)
        );
        assert_eq!(read_all(&store, chunk(1)).unwrap(), data);
        assert_adds_up(&store);
    }
}
