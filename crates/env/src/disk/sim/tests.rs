use std::collections::BTreeSet;

use super::*;
use crate::disk::fault::{Effect, Fault};
use crate::disk::{read_file, replace_file};

const DIRECTORY: &str = "/data";

fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

fn disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new(DIRECTORY)).unwrap();
    disk
}

/// A file that is durable with this content.
fn durable(disk: &SimDisk, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = disk.open(&path(name), Open::CreateNew).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new(DIRECTORY)).unwrap();
    file
}

/// What is there after a crash, for each of many seeds.
fn outcomes<T: Ord>(prepare: impl Fn(&SimDisk), look: impl Fn(&SimDisk) -> T) -> BTreeSet<T> {
    (0..400)
        .map(|seed| {
            let disk = disk();
            prepare(&disk);
            disk.crash(seed);
            look(&disk)
        })
        .collect()
}

#[test]
fn synced_bytes_under_synced_names_survive() {
    let found = outcomes(
        |disk| drop(durable(disk, "a", b"kept")),
        |disk| read_file(disk, &path("a")).unwrap(),
    );
    assert_eq!(found, BTreeSet::from([b"kept".to_vec()]));
}

#[test]
fn a_misdirected_write_changes_another_file_and_not_its_own() {
    let disk = disk();
    drop(durable(&disk, "other", b"0123456789"));
    let file = durable(&disk, "a", b"old");
    let effect = Effect::Elsewhere {
        path: path("other"),
        offset: 7,
    };
    disk.faults().add(Fault::once(Op::Write, 0, effect).on("/a"));
    file.write_all_at(b"newer", 0).unwrap();
    file.write_all_at(b"!", 4).unwrap();
    file.sync_data().unwrap();
    for crashed in [false, true] {
        if crashed {
            disk.crash(1);
        }
        assert_eq!(read_file(&disk, &path("a")).unwrap(), b"old\0!");
        assert_eq!(read_file(&disk, &path("other")).unwrap(), b"0123456new");
    }
}

#[test]
fn a_file_knows_how_far_it_was_read_since_it_was_written() {
    let disk = disk();
    let file = durable(&disk, "a", b"0123456789");
    let read = |offset, count| {
        let mut bytes = vec![0; count];
        file.read_at(&mut bytes, offset).unwrap();
        disk.read_to(&path("a")).unwrap()
    };
    assert_eq!(read(4, 2), 0);
    assert_eq!(read(0, 3), 3);
    assert_eq!(read(4, 2), 3);
    assert_eq!(read(2, 20), 10);
    file.write_all_at(b"x", 8).unwrap();
    assert_eq!(disk.read_to(&path("a")).unwrap(), 8);
}

#[test]
fn an_unsynced_write_is_kept_torn_or_lost() {
    let old = vec![1; 1536];
    let found = outcomes(
        |disk| durable(disk, "a", &old).write_all_at(&[2; 1000], 256).unwrap(),
        |disk| read_file(disk, &path("a")).unwrap(),
    );
    // Of the three sectors that the write touches, every combination.
    assert_eq!(found.len(), 8);
    for image in found {
        for (at, byte) in image.iter().enumerate() {
            let sector = at.clamp(256, 1255) / 512 * 512;
            let first = image[sector.max(256)];
            assert_eq!(*byte, if (256..1256).contains(&at) { first } else { 1 });
        }
    }
}

#[test]
fn later_writes_may_survive_earlier_ones() {
    let found = outcomes(
        |disk| {
            let file = durable(disk, "a", &[0; 1024]);
            file.write_all_at(&[1], 0).unwrap();
            file.write_all_at(&[2], 512).unwrap();
        },
        |disk| {
            let bytes = read_file(disk, &path("a")).unwrap();
            (bytes[0], bytes[512])
        },
    );
    assert_eq!(found, BTreeSet::from([(0, 0), (0, 2), (1, 0), (1, 2)]));
}

#[test]
fn a_longer_file_may_come_back_with_a_hole_or_without_its_end() {
    let found = outcomes(
        |disk| durable(disk, "a", b"x").write_all_at(&[7; 600], 512).unwrap(),
        |disk| read_file(disk, &path("a")).unwrap().len(),
    );
    assert!(
        found.contains(&1) && found.contains(&1024) && found.contains(&1112),
        "{found:?}"
    );
}

#[test]
fn names_are_durable_after_sync_dir_only() {
    let found = outcomes(
        |disk| {
            drop(durable(disk, "old", b""));
            drop(durable(disk, "gone", b""));
            disk.open(&path("new"), Open::CreateNew)
                .unwrap()
                .sync_data()
                .unwrap();
            disk.rename(&path("old"), &path("renamed")).unwrap();
            disk.remove_file(&path("gone")).unwrap();
        },
        |disk| {
            let there = |name| disk.exists(&path(name)).unwrap();
            assert_ne!(there("old"), there("renamed"), "a rename is atomic");
            (there("new"), there("renamed"), there("gone"))
        },
    );
    assert_eq!(found.len(), 8);
}

#[test]
fn replace_file_leaves_the_old_or_the_new() {
    let count = {
        let disk = disk();
        drop(durable(&disk, "a", b"old"));
        let before = disk.mutations();
        replace_file(&disk, &path("a"), b"newer").unwrap();
        disk.mutations() - before
    };
    for dies in 0..=count {
        let found = outcomes(
            |disk| {
                drop(durable(disk, "a", b"old"));
                disk.die_after(dies);
                assert_eq!(replace_file(disk, &path("a"), b"newer").is_ok(), dies == count);
            },
            |disk| read_file(disk, &path("a")).unwrap(),
        );
        let expected = [b"old".to_vec(), b"newer".to_vec()];
        assert!(
            found.iter().all(|bytes| expected.contains(bytes)),
            "at {dies}: {found:?}"
        );
        if dies == count {
            assert_eq!(found, BTreeSet::from([b"newer".to_vec()]));
        }
    }
}

#[test]
fn after_its_death_a_process_does_nothing_more() {
    let disk = disk();
    let file = durable(&disk, "a", b"before");
    disk.die_after(1);
    file.write_all_at(b"during", 0).unwrap();
    assert!(file.write_all_at(b"after!", 0).is_err());
    assert!(file.read_at(&mut [0], 0).is_err());
    assert!(disk.open(&path("a"), Open::Read).is_err());
    disk.kill();
    assert!(file.sync_data().is_err(), "the file of another process");
    assert_eq!(read_file(&disk, &path("a")).unwrap(), b"during");
}

#[test]
fn a_failed_sync_loses_the_bytes_although_the_next_one_succeeds() {
    let disk = disk();
    let file = durable(&disk, "a", b"old");
    disk.faults()
        .add(Fault::once(Op::SyncData, 0, Effect::Fail(libc::EIO)));
    file.write_all_at(b"new", 0).unwrap();
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    assert_eq!(read_file(&disk, &path("a")).unwrap(), b"new");
    disk.crash(0);
    assert_eq!(read_file(&disk, &path("a")).unwrap(), b"old");
}

#[test]
fn a_failed_write_leaves_a_part() {
    let disk = disk();
    let file = durable(&disk, "a", b"....");
    disk.faults()
        .add(Fault::once(Op::Write, 0, Effect::Fail(libc::EIO)));
    assert!(file.write_all_at(b"1234", 0).is_err());
    assert_eq!(read_file(&disk, &path("a")).unwrap(), b"12..");
}

#[test]
fn a_full_disk_takes_no_more() {
    let disk = disk();
    disk.set_capacity(10);
    let file = durable(&disk, "a", b"12345678");
    let error = file.write_all_at(b"90+", 8).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    file.write_all_at(b"90", 8).unwrap();
    assert_eq!(disk.space(Path::new(DIRECTORY)).unwrap().available, 0);
    assert_eq!(file.set_len(11).unwrap_err().kind(), io::ErrorKind::StorageFull);
    disk.remove_file(&path("a")).unwrap();
    assert_eq!(disk.space(Path::new(DIRECTORY)).unwrap().available, 10);
}

#[test]
fn corruption_is_on_the_disk() {
    let disk = disk();
    drop(durable(&disk, "a", b"a"));
    disk.corrupt(&path("a"), 0, 0b11).unwrap();
    disk.crash(1);
    assert_eq!(read_file(&disk, &path("a")).unwrap(), b"b");
    assert!(disk.corrupt(&path("a"), 1, 1).is_err());
}

#[test]
fn a_directory_is_locked_until_the_lock_is_dropped_or_the_process_ends() {
    let disk = disk();
    let directory = Path::new(DIRECTORY);
    let lock = disk.lock_dir(directory).unwrap();
    assert_eq!(
        disk.lock_dir(directory).err().unwrap().kind(),
        io::ErrorKind::WouldBlock
    );
    drop(lock);
    let stale = disk.lock_dir(directory).unwrap();
    disk.kill();
    let _lock = disk.lock_dir(directory).unwrap();
    drop(stale);
    assert!(
        disk.lock_dir(directory).is_err(),
        "a dead process's lock unlocks nothing"
    );
    assert_eq!(disk.read_dir(directory).unwrap().len(), 1);
}

#[test]
fn names_behave_as_on_a_file_system() {
    let disk = disk();
    let kind = |result: io::Result<Arc<dyn File>>| result.err().map(|error| error.kind());
    assert_eq!(
        kind(disk.open(&path("a"), Open::Read)),
        Some(io::ErrorKind::NotFound)
    );
    assert_eq!(
        kind(disk.open(&path("no/a"), Open::CreateNew)),
        Some(io::ErrorKind::NotFound)
    );
    drop(durable(&disk, "a", b"a"));
    assert_eq!(
        kind(disk.open(&path("a"), Open::CreateNew)),
        Some(io::ErrorKind::AlreadyExists)
    );
    assert_eq!(
        disk.open(&path("a"), Open::CreateTruncate)
            .unwrap()
            .size()
            .unwrap(),
        0
    );
    let read_only = disk.open(&path("a"), Open::Read).unwrap();
    assert_eq!(
        read_only.write_all_at(b"x", 0).unwrap_err().kind(),
        io::ErrorKind::PermissionDenied
    );
    disk.create_dir_all(&path("sub")).unwrap();
    drop(durable(&disk, "sub/b", b"b"));
    let names: Vec<_> = disk
        .read_dir(Path::new(DIRECTORY))
        .unwrap()
        .into_iter()
        .map(|entry| (entry.path, entry.kind))
        .collect();
    assert_eq!(
        names,
        [
            (path("a"), super::super::EntryKind::File),
            (path("sub"), super::super::EntryKind::Directory)
        ]
    );
    assert!(disk.read_dir(&path("nowhere")).is_err());
}

#[test]
fn the_same_seed_leaves_the_same_bytes() {
    let run = || {
        let disk = disk();
        for (name, byte) in [("a", 1_u8), ("b", 2)] {
            let file = disk.open(&path(name), Open::CreateNew).unwrap();
            file.write_all_at(&vec![byte; 5000], 100).unwrap();
        }
        disk.rename(&path("b"), &path("c")).unwrap();
        let report = disk.crash(9);
        let files: Vec<_> = disk
            .read_dir(Path::new(DIRECTORY))
            .unwrap()
            .into_iter()
            .map(|entry| (read_file(&disk, &entry.path).unwrap(), entry.path))
            .collect();
        (report, files)
    };
    assert_eq!(run(), run());
}

#[test]
fn what_a_sync_only_said_is_lost() {
    let found = outcomes(
        |disk| {
            let file = durable(disk, "a", b"old");
            disk.faults().add(Fault::always(super::Op::SyncData, Effect::Lie));
            file.write_all_at(b"new", 0).unwrap();
            file.sync_data().unwrap();
        },
        |disk| read_file(disk, &path("a")).unwrap(),
    );
    assert_eq!(found, BTreeSet::from([b"old".to_vec(), b"new".to_vec()]));
}

#[test]
fn a_file_takes_memory_for_as_long_as_a_crash_may_bring_it_back() {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new(DIRECTORY)).unwrap();
    durable(&disk, "a", &[7; 10_000]);
    let before = disk.memory();
    assert!(before >= 20_000, "what is seen, and what is durable");
    disk.remove_file(&path("a")).unwrap();
    assert_eq!(disk.memory(), before);
    disk.sync_dir(Path::new(DIRECTORY)).unwrap();
    assert_eq!(disk.memory(), 0);
}

#[test]
fn names_that_nobody_syncs_are_written_back_after_many_others() {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new(DIRECTORY)).unwrap();
    for number in 0..10_000 {
        let name = path(&format!("{number}"));
        disk.open(&name, Open::CreateNew).unwrap();
        disk.remove_file(&name).unwrap();
    }
    disk.open(&path("last"), Open::CreateNew).unwrap();
    let report = disk.crash(1);
    assert!(report.names_kept + report.names_lost <= 4_096, "{report:?}");
}
