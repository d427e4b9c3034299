//! Long histories that are linearizable because they were made from one order, and the same with something wrong in them.

use fastrand::Rng;
use oracle::{Answer, Call, Effort, Entry, History, Kind, Name, Namespace, Operation, Outcome};

use crate::support::{accepts, rejects};

/// Names in a group; only within a group there are renames.
const GROUP: u32 = 4;

fn call(random: &mut Rng, groups: u32, unique: u64) -> Call {
    let group = random.u32(..groups) * GROUP;
    let name = Name(group + random.u32(..GROUP));
    match random.u32(..10) {
        0..=2 => Call::Create {
            name,
            entry: Entry {
                kind: if random.bool() {
                    Kind::File
                } else {
                    Kind::Directory
                },
                mode: random.u16(..0o1000),
                mark: 0,
            },
        },
        3 => Call::Delete { name },
        4 => Call::Rename {
            from: name,
            to: Name(group + (name.0 + 1) % GROUP),
            replace: random.bool(),
        },
        5 | 6 => Call::SetMark { name, mark: unique },
        7 => Call::SetMode {
            name,
            mode: random.u16(..0o1000),
        },
        _ => Call::Stat { name },
    }
}

/// A history of one order of operations: each spans the moment at which it happened, `processes` deep on average. One in
/// `unanswered` has no answer, and half of these do not happen. The second value is what is there in the end.
fn linearizable(
    random: &mut Rng,
    length: u64,
    groups: u32,
    processes: u64,
    unanswered: u32,
) -> (Vec<Operation>, Namespace) {
    let mut namespace = Namespace::default();
    let mut operations = Vec::new();
    for number in 0..length {
        let call = call(random, groups, number + 1);
        let happens = 1_000_000 + number * 1_000;
        let called = happens - random.u64(..=processes * 1_000);
        if random.u32(..unanswered) == 0 {
            if random.bool() {
                namespace.apply(&call);
            }
            operations.push(Operation::unanswered(0, called, call));
            continue;
        }
        let outcome = namespace.apply(&call);
        let at = happens + random.u64(..=processes * 1_000);
        operations.push(Operation::answered(0, called, call, at, outcome));
    }
    random.shuffle(&mut operations);
    (operations, namespace)
}

#[test]
fn whatever_was_made_from_an_order_is_accepted() {
    for seed in 0..200 {
        let mut random = Rng::with_seed(seed);
        let groups = random.u32(1..10);
        accepts(&linearizable(&mut random, 400, groups, 4, 50).0);
    }
}

#[test]
fn a_mark_that_nobody_set_is_found_out() {
    for seed in 0..100 {
        let mut random = Rng::with_seed(seed);
        let (mut operations, _) = linearizable(&mut random, 300, 5, 4, 50);
        let answers: Vec<_> = operations
            .iter_mut()
            .filter_map(|operation| match &mut operation.answer {
                Some(Answer {
                    outcome: Outcome::Found(entry),
                    ..
                }) => Some(entry),
                _ => None,
            })
            .collect();
        let count = answers.len();
        let planted = answers.into_iter().nth(random.usize(..count)).unwrap();
        planted.mark = u64::MAX;
        let left = rejects(&operations);
        let shown = |operation: &Operation| matches!(operation.answer, Some(Answer { outcome: Outcome::Found(entry), .. }) if entry.mark == u64::MAX);
        assert!(left.iter().any(shown), "seed {seed}: {left:?}");
        assert!(left.len() < 100, "seed {seed}: {} are left", left.len());
    }
}

#[test]
fn an_acknowledged_write_that_is_lost_is_found_out_at_the_end() {
    for seed in 0..100 {
        let mut random = Rng::with_seed(seed);
        // All are answered, so that what is there in the end is known.
        let (mut operations, mut namespace) = linearizable(&mut random, 300, 3, 4, u32::MAX);
        let (name, before) = namespace.entries().nth(random.usize(..3)).unwrap();
        let call = Call::SetMark { name, mark: 1 << 40 };
        assert_eq!(namespace.apply(&call), Outcome::Done);
        let after = namespace.entry(name).unwrap();
        let end = operations
            .iter()
            .filter_map(|operation| operation.answer)
            .map(|answer| answer.at)
            .max()
            .unwrap();
        operations.push(Operation::answered(0, end + 1, call, end + 2, Outcome::Done));
        let look =
            |entry| Operation::answered(1, end + 3, Call::Stat { name }, end + 4, Outcome::Found(entry));
        operations.push(look(after));
        accepts(&operations);
        operations.pop();
        operations.push(look(before));
        rejects(&operations);
    }
}

#[test]
fn a_hundred_thousand_operations_are_checked() {
    let mut random = Rng::with_seed(7);
    let mut history = History::default();
    for operation in linearizable(&mut random, 100_000, 2_000, 16, 200).0 {
        history.push(operation);
    }
    let verdict = history.check(Effort::default());
    assert!(verdict.is_linearizable(), "{verdict:?}");
}
