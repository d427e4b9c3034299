//! Every sequence of three operations, cut off at every operation of the disk.
//!
//! The alphabet is small on purpose: what is wrong with a store shows when operations on one replica, and on its neighbour, follow each
//! other, and all sequences of three of them can be gone through. After each cut the disk has lost a part of what was not synced, by
//! several outcomes; the store is opened again, and each replica must be one that it could be.

use std::collections::{BTreeSet, HashSet};

use chunkstore::{ChunkStore, Victim, Writer};
use env::disk::SimDisk;
use types::Generation;

use crate::common::{bytes, chunk, read_all};
use crate::support::{open, put};

const LENGTH: usize = 3;
const SEEDS: u64 = 2;
/// In the place of the number that bytes follow from.
const UNREADABLE: u64 = u64::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    /// The replica, in a generation above all before.
    Put,
    /// Its neighbour.
    PutOther,
    /// Its generation rises.
    Bump,
    /// It goes into quarantine.
    Delete,
    /// Packs are emptied of what is deleted.
    Compact,
}

const ALPHABET: [Operation; 5] = [
    Operation::Put,
    Operation::PutOther,
    Operation::Bump,
    Operation::Delete,
    Operation::Compact,
];

/// A replica: its generation, and the number that its bytes follow from.
type State = Option<(u64, u64)>;

/// What may be there, of the replica and of its neighbour.
#[derive(Debug, Clone)]
struct Possible {
    one: BTreeSet<State>,
    other: BTreeSet<State>,
    generation: u64,
    /// The replica was deleted, and no directory was synced since: its files may come back, each by itself.
    deleted: bool,
}

impl Possible {
    fn new() -> Self {
        Self {
            one: [None].into(),
            other: [None].into(),
            generation: 0,
            deleted: false,
        }
    }

    /// Does `operation`. Answers whether it was acknowledged; what may be there follows.
    fn after(&mut self, store: &ChunkStore, operation: Operation) -> bool {
        self.generation += 1;
        let generation = self.generation;
        let length = 3000 + usize::try_from(generation).unwrap();
        match operation {
            Operation::Put => {
                let new = Some((generation, generation));
                let done = put(store, 1, Generation(generation), &bytes(generation, length)).is_some();
                if done {
                    self.one = [new].into();
                    self.deleted = false;
                } else {
                    self.one.insert(new);
                    if self.deleted {
                        // Nobody was promised either of them: one file may be of the old one, and that is told.
                        self.one.insert(Some((generation, UNREADABLE)));
                    }
                }
                done
            }
            Operation::PutOther => {
                let new = Some((generation, generation));
                let done = put(store, 2, Generation(generation), &bytes(generation, length)).is_some();
                if done {
                    self.other = [new].into();
                } else {
                    self.other.insert(new);
                }
                done
            }
            Operation::Bump => {
                let there = store.replica(chunk(1)).is_some();
                let done = store.bump_generation(chunk(1), Generation(generation)).is_ok();
                let bumped: BTreeSet<State> = self
                    .one
                    .iter()
                    .flatten()
                    .map(|(_, data)| Some((generation, *data)))
                    .collect();
                if done {
                    self.one = bumped;
                } else if there {
                    self.one.extend(bumped);
                }
                done || !there
            }
            Operation::Delete => {
                let there = store.replica(chunk(1)).map(|replica| replica.generation);
                let Some(known) = there else { return true };
                let done = store.delete(chunk(1), known, Victim::Any).is_ok();
                // A deletion is no promise: what is deleted may come back with a restart.
                self.one.insert(None);
                self.deleted = true;
                done
            }
            Operation::Compact => store.compact().is_ok(),
        }
    }
}

/// What is there; also one that waits to be finished, because it takes the names of an older one.
fn found(store: &ChunkStore, adopted: &[Writer], id: u64) -> State {
    let Some(replica) = store.replica(chunk(id)) else {
        let waits = adopted.iter().find(|writer| writer.chunk() == chunk(id))?;
        let generation = waits.generation().0;
        assert_eq!(
            waits.received(),
            3000 + generation,
            "of a part of it nothing may be said"
        );
        return Some((generation, generation));
    };
    let Ok(read) = read_all(store, chunk(id)) else {
        return Some((replica.generation.0, UNREADABLE));
    };
    let data = (0..=10).find(|number| {
        let length = 3000 + usize::try_from(*number).unwrap();
        bytes(*number, length) == read
    });
    let data = data.unwrap_or_else(|| panic!("chunk {id} has bytes that nobody wrote"));
    Some((replica.generation.0, data))
}

fn sequences() -> Vec<[Operation; LENGTH]> {
    let mut all = Vec::new();
    for a in ALPHABET {
        for b in ALPHABET {
            for c in ALPHABET {
                all.push([a, b, c]);
            }
        }
    }
    all
}

/// Goes through all of them. Prints how many states there were.
pub(crate) fn every_sequence(packed_max: u64) {
    let mut cuts = 0_u64;
    let mut outcomes = HashSet::new();
    for sequence in sequences() {
        let run = |dies_after: Option<u64>, seed: u64| {
            let disk = SimDisk::new();
            let store = open(&disk, packed_max).0;
            let before = disk.mutations();
            if let Some(operations) = dies_after {
                disk.die_after(operations);
            }
            let mut possible = Possible::new();
            for operation in sequence {
                if !possible.after(&store, operation) {
                    break;
                }
            }
            let operations = disk.mutations() - before;
            disk.crash(seed);
            drop(store);
            let (again, report) = open(&disk, packed_max);
            let when = format!("{sequence:?}, died after {dies_after:?}, seed {seed}");
            let adopted = again.adopt();
            let is = (found(&again, &adopted, 1), found(&again, &adopted, 2));
            adopted.into_iter().for_each(Writer::leave);
            assert!(
                possible.one.contains(&is.0),
                "{when}: {:?}, possible: {:?}",
                is.0,
                possible.one
            );
            assert!(
                possible.other.contains(&is.1),
                "{when}: {:?}, possible: {:?}",
                is.1,
                possible.other
            );
            let spoiled = matches!(is.0, Some((_, UNREADABLE)));
            assert_eq!(
                report.corrupt,
                u64::from(spoiled),
                "{when}: {:?}",
                report.findings
            );
            (operations, is)
        };
        let (operations, _) = run(None, 0);
        for died in 0..=operations {
            for seed in 0..SEEDS {
                outcomes.insert((sequence, run(Some(died), seed).1));
                cuts += 1;
            }
        }
    }
    println!(
        "{} sequences of {LENGTH} operations, {cuts} crash states, {} different outcomes",
        sequences().len(),
        outcomes.len()
    );
    assert!(outcomes.len() > sequences().len(), "too tame");
}
