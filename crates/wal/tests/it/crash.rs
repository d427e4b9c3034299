//! The power goes, or the process is killed, at every operation of the disk.

use std::collections::BTreeSet;

use env::disk::SimDisk;

use crate::common::{Content, content, open, write};

/// What a life of the log promised, and what it may have left besides.
struct Life {
    /// All records that must be there.
    acknowledged: Vec<Content>,
    /// These and what was under way.
    appended: Vec<Content>,
}

/// A life: opens, writes batches over several segments, settles now and then, trims nothing. Ends when the disk does.
fn live(disk: &SimDisk, term: u64, batches: &[usize], known: &[Content]) -> Life {
    let mut life = Life {
        acknowledged: known.to_vec(),
        appended: known.to_vec(),
    };
    let Ok((mut wal, _, records)) = open(disk) else {
        return life;
    };
    assert!(records.starts_with(known), "lost between the lives");
    life.acknowledged.clone_from(&records);
    life.appended = records;
    for (number, size) in batches.iter().enumerate() {
        let start = life.appended.len();
        let batch: Vec<_> = (start..start + size)
            .map(|number| content(term, number))
            .collect();
        life.appended.extend(batch.iter().cloned());
        if write(&mut wal, &batch).is_err() {
            break;
        }
        life.acknowledged.clone_from(&life.appended);
        if let Some(job) = wal.spare_job() {
            let _ = job.run();
        }
        if number % 3 == 2 && wal.settle().is_err() {
            break;
        }
    }
    life
}

/// The large ones take several sectors.
const BATCHES: [usize; 9] = [1, 3, 40, 1, 4, 1, 20, 1, 2];

fn check(life: &Life, found: &[Content], what: &str) {
    assert!(
        found.starts_with(&life.acknowledged),
        "{what}: an acknowledged record is missing"
    );
    assert!(
        life.appended.starts_with(found),
        "{what}: a record that was never appended there"
    );
}

fn operations() -> u64 {
    let disk = SimDisk::new();
    let life = live(&disk, 1, &BATCHES, &[]);
    assert_eq!(life.acknowledged.len(), BATCHES.iter().sum::<usize>());
    disk.mutations()
}

#[test]
fn the_power_goes_at_every_operation() {
    for dies_at in 0..=operations() {
        for seed in 0..8 {
            let what = format!("dies at {dies_at}, seed {seed}");
            let disk = SimDisk::new();
            disk.die_after(dies_at);
            let first = live(&disk, 1, &BATCHES, &[]);
            disk.crash(seed);
            // A second life dies early, perhaps while it mends what the first one left.
            disk.die_after((dies_at * 7 + seed) % 19);
            match open(&disk) {
                Ok(_) | Err(wal::OpenError::Failed(_)) => {}
                Err(corrupt) => panic!("{what}: {corrupt}"),
            }
            disk.crash(seed + 100);
            let (_, _, found) = open(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            check(&first, &found, &what);
            let second = live(&disk, 2, &BATCHES, &found);
            disk.crash(seed + 200);
            let (_, _, found) = open(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            check(&second, &found, &what);
        }
    }
}

/// A large batch is written and not synced yet.
#[test]
fn the_power_goes_within_a_write() {
    let batch: Vec<_> = (1..40).map(|number| content(1, number)).collect();
    let begin = || {
        let disk = SimDisk::new();
        let (mut wal, ..) = open(&disk).unwrap();
        write(&mut wal, &[content(1, 0)]).unwrap();
        (disk, wal)
    };
    let operations = {
        let (disk, mut wal) = begin();
        let before = disk.mutations();
        write(&mut wal, &batch).unwrap();
        disk.mutations() - before
    };
    let mut torn = 0;
    let mut lengths = BTreeSet::new();
    for seed in 0..200 {
        let (disk, mut wal) = begin();
        // All but the sync and the write of the position.
        disk.die_after(operations - 2);
        write(&mut wal, &batch).unwrap_err();
        disk.crash(seed);
        let (_, recovery, found) = open(&disk).unwrap();
        assert_eq!(found, [&[content(1, 0)], &batch[..found.len() - 1]].concat());
        torn += u64::from(recovery.torn.is_some());
        lengths.insert(found.len());
    }
    assert!(
        torn > 20 && lengths.len() > 3,
        "{torn} torn, {lengths:?}: too tame"
    );
}

/// What a killed process leaves in the system's memory is found, and is durable from then on.
#[test]
fn what_was_found_once_stays() {
    for dies_at in 0..=operations() {
        let what = format!("killed at {dies_at}");
        let disk = SimDisk::new();
        disk.die_after(dies_at);
        let life = live(&disk, 1, &BATCHES, &[]);
        disk.kill();
        let (_, recovery, found) = open(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
        check(&life, &found, &what);
        assert_eq!(
            recovery.torn, None,
            "{what}: nothing is torn by a kill between two writes"
        );
        disk.crash(dies_at);
        let (_, _, again) = open(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(found, again, "{what}");
    }
}

#[test]
fn a_batch_larger_than_a_segment_gets_a_segment_of_its_own() {
    let disk = SimDisk::new();
    let large = vec![(1, 1, vec![7; 9000])];
    for first in [&large, &vec![content(1, 1)]] {
        let disk = if first == &large {
            disk.clone()
        } else {
            SimDisk::new()
        };
        let (mut wal, ..) = open(&disk).unwrap();
        write(&mut wal, first).unwrap();
        write(&mut wal, &large).unwrap();
        write(&mut wal, &[content(1, 3)]).unwrap();
        disk.crash(1);
        let (_, _, found) = open(&disk).unwrap();
        assert_eq!(
            found,
            [first.clone(), large.clone(), vec![content(1, 3)]].concat()
        );
    }
}
