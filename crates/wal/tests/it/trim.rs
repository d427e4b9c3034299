//! Records are removed at the end and at the start.

use std::sync::Arc;

use env::disk::{Disk, SimDisk};
use wal::{Damage, LogId, OpenError, Options, Wal};

use crate::common::{Content, SEGMENT_BYTES, content, directory, open, write};

/// A log of 20 records in several segments.
fn filled(disk: &SimDisk) -> (Wal, Vec<Content>) {
    let (mut wal, ..) = open(disk).unwrap();
    let contents: Vec<_> = (1..=20).map(|number| content(1, number)).collect();
    for batch in contents.chunks(2) {
        write(&mut wal, batch).unwrap();
    }
    (wal, contents)
}

#[test]
fn the_end_is_cut_at_any_record_and_others_take_its_place() {
    for keep in 0..=20 {
        let disk = SimDisk::new();
        let (mut wal, contents) = filled(&disk);
        wal.truncate_after(keep as u64).unwrap();
        assert_eq!(wal.last(), keep as u64);
        let others = [content(2, 50), content(2, 51)];
        write(&mut wal, &others).unwrap();
        disk.crash(1);
        let (_, recovery, found) = open(&disk).unwrap();
        assert_eq!(found, [&contents[..keep], &others].concat(), "keep {keep}");
        assert_eq!(recovery.torn, None);
    }
}

#[test]
fn a_crash_while_the_end_is_cut_leaves_what_was_to_be_kept() {
    for keep in [0, 5, 12] {
        for dies_at in 0.. {
            let mut done = false;
            for seed in 0..4 {
                let disk = SimDisk::new();
                let (mut wal, contents) = filled(&disk);
                disk.die_after(dies_at);
                done = wal.truncate_after(keep as u64).is_ok();
                disk.crash(seed);
                let (_, _, found) = open(&disk).unwrap();
                assert!(
                    found.len() >= keep && contents.starts_with(&found),
                    "keep {keep}, dies at {dies_at}"
                );
                assert!(!done || found.len() == keep);
            }
            if done {
                break;
            }
        }
    }
}

/// Opens a log that need not begin with record 1, and gives the indexes that it shows.
fn open_from(disk: &SimDisk, from: u64) -> Result<(Wal, Vec<u64>), OpenError> {
    let options = Options {
        segment_bytes: SEGMENT_BYTES,
        ..Options::new(LogId([0; 16]))
    };
    let mut indexes = Vec::new();
    let (wal, _) = Wal::open(Arc::new(disk.clone()), directory(), options, from, |record| {
        indexes.push(record.index);
    })?;
    Ok((wal, indexes))
}

#[test]
fn the_start_is_purged_by_whole_segments() {
    let disk = SimDisk::new();
    let (mut wal, _) = filled(&disk);
    wal.purge_before(12).unwrap();
    let first = wal.first();
    assert!(first > 1 && first <= 12, "begins with {first}");
    write(&mut wal, &[content(1, 21)]).unwrap();
    disk.crash(1);
    let (wal, indexes) = open_from(&disk, 12).unwrap();
    assert_eq!(indexes, (12..=21).collect::<Vec<_>>());
    assert_eq!((wal.first(), wal.last()), (first, 21));
    let Err(OpenError::Corrupt(corruption)) = open_from(&disk, first - 1) else {
        panic!("it opened");
    };
    assert_eq!(
        corruption.damage,
        Damage::Start {
            from: first - 1,
            first
        }
    );
}

#[test]
fn a_crash_while_the_start_is_purged_leaves_no_gap() {
    for dies_at in 0..12 {
        for seed in 0..4 {
            let disk = SimDisk::new();
            let (mut wal, _) = filled(&disk);
            disk.die_after(dies_at);
            let _ = wal.purge_before(20);
            disk.crash(seed);
            let (_, indexes) = open_from(&disk, 20).unwrap();
            assert_eq!(indexes, [20]);
        }
    }
}

#[test]
fn leftovers_of_the_log_are_removed_and_other_files_are_not() {
    let disk = SimDisk::new();
    drop(filled(&disk));
    for name in ["spare", "wal-00000000000000000099.tmp", "mine.tmp", "in_use.lock"] {
        disk.open(&directory().join(name), env::disk::Open::CreateNew)
            .unwrap();
    }
    drop(open(&disk).unwrap());
    let there = |name: &str| disk.exists(&directory().join(name)).unwrap();
    assert!(!there("spare") && !there("wal-00000000000000000099.tmp"));
    assert!(there("mine.tmp") && there("in_use.lock"));
}
