//! Against a search of all permutations, for small histories.

use fastrand::Rng;
use oracle::{Call, Effort, Namespace, Operation, Outcome};

use crate::support::{A, B, create, delete, directory, history, mark, marked, rename, stat};

/// Tries every order, with and without each unanswered operation.
fn linearizable(operations: &[Operation], happened: u32, namespace: &Namespace) -> bool {
    let place_of = |place: usize| 1u32 << place;
    let missing = |place: usize| happened & place_of(place) == 0;
    let done = operations
        .iter()
        .enumerate()
        .all(|(place, operation)| !missing(place) || operation.answer.is_none());
    if done {
        return true;
    }
    (0..operations.len())
        .filter(|place| missing(*place))
        .any(|place| {
            let operation = operations[place];
            // Nothing that was answered before its call may be missing.
            let too_early = operations.iter().enumerate().any(|(other, before)| {
                missing(other) && before.answer.is_some_and(|answer| answer.at < operation.called)
            });
            if too_early {
                return false;
            }
            let mut next = namespace.clone();
            let outcome = next.apply(&operation.call);
            let right = operation.answer.is_none_or(|answer| answer.outcome == outcome);
            right && linearizable(operations, happened | place_of(place), &next)
        })
}

fn call(random: &mut Rng) -> Call {
    let name = if random.bool() { A } else { B };
    match random.u32(..8) {
        0 | 1 => create(name),
        2 => delete(name),
        3 => rename(A, B),
        4 => Call::Rename {
            from: B,
            to: A,
            replace: true,
        },
        5 => mark(name, random.u64(1..3)),
        _ => stat(name),
    }
}

/// Any answer that could be to such a call.
fn outcome(random: &mut Rng, call: &Call) -> Outcome {
    let refusal = match call {
        Call::Create { .. } => Outcome::Exists,
        Call::Rename { .. } if random.bool() => Outcome::Exists,
        _ => Outcome::NotFound,
    };
    match (call, random.u32(..3)) {
        (_, 0) => refusal,
        (Call::Stat { .. }, 1) => Outcome::Found(directory(0o755)),
        (Call::Stat { .. }, _) => Outcome::Found(marked(random.u64(1..3))),
        _ => Outcome::Done,
    }
}

fn random_history(random: &mut Rng) -> Vec<Operation> {
    let count = random.usize(1..=7);
    (0..count)
        .map(|_| {
            let call = call(random);
            let called = random.u64(..20);
            if random.u32(..8) == 0 {
                return Operation::unanswered(0, called, call);
            }
            let outcome = outcome(random, &call);
            Operation::answered(0, called, call, called + random.u64(..8), outcome)
        })
        .collect()
}

#[test]
fn all_small_histories_get_the_verdict_of_brute_force() {
    let mut verdicts = [0u32; 2];
    for seed in 0..30_000 {
        let operations = random_history(&mut Rng::with_seed(seed));
        let expected = linearizable(&operations, 0, &Namespace::default());
        verdicts[usize::from(expected)] += 1;
        let verdict = history(&operations).check(Effort::default());
        assert_eq!(
            verdict.is_linearizable(),
            expected,
            "seed {seed}: {verdict:?} {operations:#?}"
        );
        // What is shown can not be explained with everything that was known before it left out either, unless that is
        // shown too: at least it never has more in it than there was.
        if let Some(violation) = verdict.violation() {
            assert!(
                violation
                    .operations()
                    .iter()
                    .all(|shown| operations.contains(shown)),
                "seed {seed}"
            );
        }
    }
    assert!(
        verdicts.iter().all(|count| *count > 1_000),
        "{verdicts:?} is no test"
    );
}
