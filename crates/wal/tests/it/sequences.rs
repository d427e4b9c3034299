//! Every sequence of three operations, cut off at every operation of the disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use env::disk::SimDisk;
use wal::{Failure, LogId, Options, Wal};

use crate::common::{Content, SEGMENT_BYTES, content, directory, write};

const LENGTH: usize = 3;
/// How the power is cut after each operation.
const SEEDS: u64 = 4;
/// Records that are there before: more than one segment of them.
const BEFORE: usize = 100;

#[derive(Debug, Clone, Copy)]
enum Operation {
    /// A record, synced.
    Append,
    /// More than what a segment has room for, synced at once.
    AppendMany,
    /// The position is written.
    Settle,
    /// The next segment is made.
    Spare,
    /// The last records go.
    Truncate,
    /// Whole segments go at the start.
    Purge,
}

const ALPHABET: [Operation; 6] = [
    Operation::Append,
    Operation::AppendMany,
    Operation::Settle,
    Operation::Spare,
    Operation::Truncate,
    Operation::Purge,
];

/// What is promised, and what may be there besides.
struct Log {
    wal: Wal,
    /// Exactly these are there when nothing is under way.
    records: Vec<Content>,
    /// The first record that is still wanted.
    from: usize,
    /// As many are there at least, of what was under way when the disk died.
    least: usize,
}

impl Log {
    /// Carries one out. When it fails, `records` has the most that may be found.
    fn carry_out(&mut self, operation: Operation) -> Result<(), Failure> {
        let last = self.records.len();
        match operation {
            Operation::Append | Operation::AppendMany => {
                let count = if matches!(operation, Operation::Append) {
                    1
                } else {
                    120
                };
                let batch: Vec<_> = (last..last + count).map(|number| content(2, number)).collect();
                self.records.extend(batch.iter().cloned());
                write(&mut self.wal, &batch)?;
            }
            Operation::Settle => self.wal.settle()?,
            Operation::Spare => {
                if let Some(job) = self.wal.spare_job() {
                    let _ = job.run();
                }
            }
            Operation::Truncate => {
                self.least = last.saturating_sub(60).max(self.from);
                self.wal.truncate_after(self.least as u64)?;
                self.records.truncate(self.least);
            }
            Operation::Purge => {
                self.from = self.from.max(last.saturating_sub(10));
                self.wal.purge_before(self.from as u64)?;
            }
        }
        self.least = self.records.len();
        Ok(())
    }
}

/// Opens it, and gives the records from `from` on.
fn open(disk: &SimDisk, from: usize) -> (Wal, Vec<Content>) {
    let options = Options {
        segment_bytes: SEGMENT_BYTES,
        ..Options::new(LogId(*b"a log for tests!"))
    };
    let mut records = Vec::new();
    let (wal, _) = Wal::open(
        Arc::new(disk.clone()),
        directory(),
        options,
        from as u64,
        |record| {
            assert_eq!(record.index, (from + records.len()) as u64);
            records.push((record.term.as_u64(), record.op, record.payload.to_vec()));
        },
    )
    .unwrap();
    (wal, records)
}

/// Carries a sequence out until the disk dies, and cuts the power. Gives how many operations of the disk it took, and the last record
/// that was found.
fn run(sequence: [Operation; LENGTH], dies_after: Option<u64>, seed: u64) -> (u64, usize) {
    let disk = SimDisk::new();
    let (wal, _) = open(&disk, 1);
    let mut log = Log {
        wal,
        records: (0..BEFORE).map(|number| content(1, number)).collect(),
        from: 1,
        least: BEFORE,
    };
    write(&mut log.wal, &log.records).unwrap();
    let before = disk.mutations();
    if let Some(operations) = dies_after {
        disk.die_after(operations);
    }
    for operation in sequence {
        if log.carry_out(operation).is_err() {
            break;
        }
    }
    let operations = disk.mutations() - before;
    disk.crash(seed);
    let (_, found) = open(&disk, log.from);
    let last = log.from - 1 + found.len();
    let when = format!("{sequence:?}, died after {dies_after:?}, seed {seed}");
    assert!(
        (log.least..=log.records.len()).contains(&last),
        "{when}: {last} records, and there may be {} to {}",
        log.least,
        log.records.len()
    );
    assert_eq!(found, log.records[log.from - 1..last], "{when}");
    (operations, last)
}

#[test]
fn every_sequence_of_three_operations_is_cut_off_everywhere() {
    let (mut sequences, mut cuts) = (0, 0);
    let mut outcomes = BTreeSet::new();
    for a in ALPHABET {
        for b in ALPHABET {
            for c in ALPHABET {
                let (operations, _) = run([a, b, c], None, 0);
                for died in 0..=operations {
                    for seed in 0..SEEDS {
                        outcomes.insert((sequences, run([a, b, c], Some(died), seed).1));
                        cuts += 1;
                    }
                }
                sequences += 1;
            }
        }
    }
    println!(
        "{sequences} sequences of {LENGTH} operations, {cuts} crash states, {} different outcomes",
        outcomes.len()
    );
    assert!(outcomes.len() > 2 * sequences, "too tame");
}
