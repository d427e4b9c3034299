//! Reading back by index, beside writing, cutting and beginning anew.

use std::sync::Arc;

use env::disk::{Disk, Effect, Fault, FaultDisk, Op, SimDisk};
use wal::{OwnedRecord, Reader, Wal};

use crate::common::{Content, content, directory, open, open_on, write};

fn contents(records: &[OwnedRecord], from: u64) -> Vec<Content> {
    for (at, record) in (from..).zip(records) {
        assert_eq!(record.index, at);
    }
    records
        .iter()
        .map(|record| (record.term.as_u64(), record.op, record.payload.clone()))
        .collect()
}

/// Every range that the log has gives what was written, and nothing beyond.
fn check(reader: &Reader, written: &[Content], first: u64) {
    let last = first + written.len() as u64 - 1;
    for from in first..=last {
        for until in [from + 1, from + 5, last + 1, last + 100] {
            let records = reader.read(from, until, usize::MAX).unwrap();
            let begin = usize::try_from(from - first).unwrap();
            let end = usize::try_from(until.min(last + 1) - first).unwrap();
            assert_eq!(contents(&records, from), written[begin..end]);
        }
    }
    assert!(reader.read(last + 1, last + 9, usize::MAX).unwrap().is_empty());
}

#[test]
fn every_range_is_read_back_while_the_log_grows_and_after_it_was_opened_again() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk).unwrap();
    let reader = wal.reader();
    let mut written = Vec::new();
    for number in 0..40 {
        let more = [content(1, number), content(1, number + 1000)];
        write(&mut wal, &more).unwrap();
        written.extend(more);
    }
    check(&reader, &written, 1);
    drop(wal);
    let (wal, _, found) = open(&disk).unwrap();
    assert_eq!(found, written);
    check(&wal.reader(), &written, 1);
}

#[test]
fn large_segments_have_places_to_begin_at() {
    let disk = SimDisk::new();
    let options = wal::Options::new(wal::LogId(*b"a log for tests!"));
    let written: Vec<Content> = (0..300_u16)
        .map(|number| (1, 7, number.to_le_bytes().repeat(1 + usize::from(number) * 8)))
        .collect();
    for life in 0..2 {
        let (mut wal, ..) = Wal::open(Arc::new(disk.clone()), directory(), options, 1, |_| {}).unwrap();
        if life == 0 {
            for batch in written.chunks(7) {
                write(&mut wal, batch).unwrap();
            }
        }
        let reader = wal.reader();
        for from in [1, 2, 150, 299, 300] {
            let records = reader.read(from, from + 3, usize::MAX).unwrap();
            let begin = usize::try_from(from - 1).unwrap();
            assert_eq!(contents(&records, from), written[begin..300.min(begin + 3)]);
        }
        let some = reader.read(200, 301, 20_000).unwrap();
        let bytes: usize = some.iter().map(|record| record.payload.len()).sum();
        assert!(
            (1..100).contains(&some.len()) && bytes <= 20_000,
            "{} records of {bytes}",
            some.len()
        );
        assert_eq!(reader.read(300, 301, 1).unwrap().len(), 1, "one in any case");
    }
}

#[test]
fn what_is_not_durable_or_was_cut_off_is_not_shown() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk).unwrap();
    let reader = wal.reader();
    let written: Vec<_> = (0..30).map(|number| content(1, number)).collect();
    write(&mut wal, &written).unwrap();
    wal.append(types::Term(1), 1, b"not synced").unwrap();
    check(&reader, &written, 1);
    wal.sync().unwrap();
    for last in [25_u64, 11, 10, 3, 0] {
        wal.truncate_after(last).unwrap();
        let kept = &written[..usize::try_from(last).unwrap()];
        if last > 0 {
            check(&reader, kept, 1);
        }
        assert!(reader.read(last + 1, last + 2, 9).unwrap().is_empty());
    }
    let other: Vec<_> = (0..30).map(|number| content(2, number)).collect();
    write(&mut wal, &other).unwrap();
    check(&reader, &other, 1);
}

#[test]
fn what_was_purged_is_not_there() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk).unwrap();
    let written: Vec<_> = (0..60).map(|number| content(1, number)).collect();
    for batch in written.chunks(3) {
        write(&mut wal, batch).unwrap();
    }
    wal.purge_before(40).unwrap();
    let first = wal.first();
    assert!((2..=40).contains(&first), "{first}");
    check(
        &wal.reader(),
        &written[usize::try_from(first - 1).unwrap()..],
        first,
    );
    assert!(wal.reader().read(first - 1, first + 1, 9).unwrap().is_empty());
}

#[test]
fn a_log_that_was_begun_anew_has_only_what_came_then() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk).unwrap();
    let reader = wal.reader();
    let old: Vec<_> = (0..30).map(|number| content(1, number)).collect();
    write(&mut wal, &old).unwrap();
    wal.begin_after(100).unwrap();
    assert_eq!((wal.first(), wal.last(), wal.synced()), (101, 100, 100));
    assert!(reader.read(1, 200, usize::MAX).unwrap().is_empty());
    let new: Vec<_> = (0..30).map(|number| content(2, number)).collect();
    write(&mut wal, &new).unwrap();
    check(&reader, &new, 101);
    drop(wal);
    let options = wal::Options {
        segment_bytes: crate::common::SEGMENT_BYTES,
        ..wal::Options::new(wal::LogId([0; 16]))
    };
    let mut found = Vec::new();
    let (wal, recovery) = Wal::open(Arc::new(disk.clone()), directory(), options, 101, |record| {
        found.push((record.term.as_u64(), record.op, record.payload.to_vec()));
    })
    .unwrap();
    assert_eq!((recovery.first_index, recovery.last_index), (101, 130));
    assert_eq!(found, new);
    check(&wal.reader(), &new, 101);
}

#[test]
fn beginning_anew_is_done_or_not_at_a_crash_at_every_operation() {
    let written: Vec<_> = (0..20).map(|number| content(1, number)).collect();
    let mut outcomes = [0, 0];
    for seed in 0..4 {
        for dies_at in 0..40 {
            let disk = SimDisk::new();
            let (mut wal, ..) = open(&disk).unwrap();
            write(&mut wal, &written).unwrap();
            disk.die_after(dies_at);
            let done = wal.begin_after(50).is_ok();
            drop(wal);
            disk.crash(seed);
            let options = wal::Options {
                segment_bytes: crate::common::SEGMENT_BYTES,
                ..wal::Options::new(wal::LogId([0; 16]))
            };
            let mut found = Vec::new();
            let show = |record: wal::Record<'_>| {
                found.push((record.term.as_u64(), record.op, record.payload.to_vec()));
            };
            // Needed from 1 on if it is the old log; a log begun anew says that it is not.
            match Wal::open(Arc::new(disk.clone()), directory(), options, 1, show) {
                Ok((_, recovery)) => {
                    assert!(!done, "dies at {dies_at}");
                    assert_eq!(recovery.last_index, 20);
                    assert_eq!(found, written);
                    outcomes[0] += 1;
                }
                Err(_) => {
                    let (mut wal, recovery) =
                        Wal::open(Arc::new(disk.clone()), directory(), options, 51, |_| {
                            panic!("nothing of the old log")
                        })
                        .unwrap();
                    assert_eq!((recovery.first_index, recovery.last_index), (51, 50));
                    write(&mut wal, &[content(3, 1)]).unwrap();
                    assert_eq!(wal.last(), 51);
                    let segments = disk.read_dir(directory()).unwrap();
                    let segments = segments
                        .iter()
                        .filter(|entry| entry.path.to_string_lossy().contains("wal-"));
                    assert_eq!(segments.count(), 1, "what was before is gone");
                    outcomes[1] += 1;
                }
            }
        }
    }
    assert!(outcomes.iter().all(|count| *count > 5), "{outcomes:?}");
}

#[test]
fn a_new_log_begins_where_it_is_told() {
    let disk = SimDisk::new();
    let options = wal::Options {
        new_first: 43,
        ..wal::Options::new(wal::LogId([7; 16]))
    };
    for last in [42, 43] {
        let (mut wal, recovery) =
            Wal::open(Arc::new(disk.clone()), directory(), options, 43, |_| {}).unwrap();
        assert_eq!((recovery.first_index, recovery.last_index), (43, last));
        write(&mut wal, &[content(1, 1)]).unwrap();
        drop(wal);
        disk.crash(last);
    }
}

#[test]
fn damage_and_errors_are_told() {
    let sim = SimDisk::new();
    let disk = FaultDisk::new(Arc::new(sim.clone()));
    let (mut wal, ..) = open_on(Arc::new(disk.clone())).unwrap();
    let written: Vec<_> = (0..3).map(|number| content(1, number)).collect();
    write(&mut wal, &written).unwrap();
    let reader = wal.reader();
    disk.faults()
        .add(Fault::once(Op::Read, 0, Effect::Fail(5)).on("wal-0"));
    assert!(reader.read(1, 4, 999).is_err());
    check(&reader, &written, 1);
    let path = directory().join("wal-00000000000000000001.log");
    sim.corrupt(&path, 4096 + 30, 1).unwrap();
    let error = reader.read(1, 4, 999).unwrap_err().to_string();
    assert!(error.contains("wal-0") && error.contains("damaged"), "{error}");
}
