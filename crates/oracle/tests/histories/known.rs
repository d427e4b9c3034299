//! Histories written by hand.

use oracle::{Effort, Outcome, Verdict};

use crate::support::{
    A, B, accepts, create, delete, directory, history, lost, mark, marked, op, rejects, rename, stat, verdict,
};

const DONE: Outcome = Outcome::Done;
const NOTHING: Outcome = Outcome::NotFound;

fn found(mark: u64) -> Outcome {
    Outcome::Found(marked(mark))
}

#[test]
fn an_empty_history_is_linearizable() {
    accepts(&[]);
}

#[test]
fn one_after_another() {
    accepts(&[
        op(0, 1, stat(A), NOTHING),
        op(2, 3, create(A), DONE),
        op(4, 5, create(A), Outcome::Exists),
        op(6, 7, mark(A, 5), DONE),
        op(8, 9, stat(A), found(5)),
        op(10, 11, delete(A), DONE),
        op(12, 13, delete(A), NOTHING),
    ]);
}

#[test]
fn a_read_beside_a_write_sees_either() {
    for outcome in [found(0), found(5)] {
        accepts(&[
            op(0, 1, create(A), DONE),
            op(2, 9, mark(A, 5), DONE),
            op(3, 4, stat(A), outcome),
        ]);
    }
}

#[test]
fn but_not_the_new_and_then_the_old() {
    let left = rejects(&[
        op(0, 1, create(A), DONE),
        op(2, 9, mark(A, 5), DONE),
        op(3, 4, stat(A), found(5)),
        op(5, 6, stat(A), found(0)),
    ]);
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn a_stale_read_is_found_and_shrunk() {
    let mut operations = vec![op(0, 1, create(A), DONE)];
    // Much that is right before it, and beside it.
    for number in 1..50 {
        let at = number * 10;
        operations.push(op(at, at + 1, mark(A, number), DONE));
        operations.push(op(at + 2, at + 3, stat(A), found(number)));
        operations.push(op(
            at + 2,
            at + 4,
            create(B),
            if number == 1 { DONE } else { Outcome::Exists },
        ));
    }
    accepts(&operations);
    operations.push(op(600, 601, stat(A), found(48)));
    let left = rejects(&operations);
    assert_eq!(left, [op(600, 601, stat(A), found(48))]);
}

#[test]
fn a_lost_update() {
    let left = rejects(&[
        op(0, 1, create(A), DONE),
        op(2, 5, mark(A, 1), DONE),
        op(3, 6, mark(A, 2), DONE),
        op(7, 8, mark(A, 3), DONE),
        op(9, 10, stat(A), found(2)),
    ]);
    assert_eq!(left.len(), 1, "{left:?}");
    rejects(&[op(0, 1, create(A), DONE), op(2, 3, stat(A), NOTHING)]);
    rejects(&[op(0, 1, create(A), DONE), op(2, 3, create(A), DONE)]);
}

#[test]
fn applied_twice() {
    // A create whose retry came after the delete.
    rejects(&[
        op(0, 5, create(A), DONE),
        op(1, 2, delete(A), DONE),
        op(6, 7, stat(A), Outcome::Found(directory(0o755))),
    ]);
    // A mark that came back.
    rejects(&[
        op(0, 1, create(A), DONE),
        op(2, 3, mark(A, 1), DONE),
        op(4, 5, mark(A, 2), DONE),
        op(6, 7, stat(A), found(2)),
        op(8, 9, stat(A), found(1)),
    ]);
    // An unanswered one happens once at most.
    rejects(&[
        lost(0, create(A)),
        op(1, 2, delete(A), DONE),
        op(3, 4, delete(A), DONE),
    ]);
}

#[test]
fn two_writes_that_readers_see_in_different_orders() {
    rejects(&[
        op(0, 1, create(A), DONE),
        op(2, 20, mark(A, 1), DONE),
        op(2, 20, mark(A, 2), DONE),
        op(3, 4, stat(A), found(1)),
        op(5, 6, stat(A), found(2)),
        op(7, 8, stat(A), found(1)),
    ]);
}

#[test]
fn without_an_answer_all_is_possible() {
    let seen_late = [
        lost(0, create(A)),
        op(5, 6, stat(A), NOTHING),
        op(7, 8, stat(A), found(0)),
    ];
    accepts(&seen_late);
    accepts(&[lost(0, create(A)), op(5, 6, stat(A), NOTHING)]);
    // But only after the call, and it does not go away by itself.
    rejects(&[op(0, 1, stat(A), found(0)), lost(2, create(A))]);
    rejects(&[
        lost(0, create(A)),
        op(5, 6, stat(A), found(0)),
        op(7, 8, stat(A), NOTHING),
    ]);
}

#[test]
fn a_rename_moves_what_is_there() {
    accepts(&[
        op(0, 1, create(A), DONE),
        op(2, 3, mark(A, 9), DONE),
        op(4, 5, rename(A, B), DONE),
        op(6, 7, stat(A), NOTHING),
        op(8, 9, stat(B), found(9)),
    ]);
    // Never at both, never at neither.
    rejects(&[
        op(0, 1, create(A), DONE),
        op(2, 9, rename(A, B), DONE),
        op(3, 4, stat(B), found(0)),
        op(5, 6, stat(A), found(0)),
    ]);
    rejects(&[
        op(0, 1, create(A), DONE),
        op(2, 9, rename(A, B), DONE),
        op(3, 4, stat(A), NOTHING),
        op(5, 6, stat(B), NOTHING),
    ]);
}

#[test]
fn events_at_the_same_time_are_concurrent() {
    accepts(&[op(0, 5, create(A), DONE), op(5, 6, stat(A), NOTHING)]);
    rejects(&[op(0, 5, create(A), DONE), op(6, 7, stat(A), NOTHING)]);
}

#[test]
fn too_much_is_not_decided() {
    // Thirty writes at once and a reader who sees one of them: most orders have to be looked at.
    let mut operations = vec![op(0, 1, create(A), DONE)];
    operations.extend((1..=30).map(|number| op(2, 100, mark(A, number), DONE)));
    operations.extend((1..=30).map(|number| op(3 + number, 4 + number, stat(A), found(number))));
    operations.push(op(200, 201, stat(A), found(77)));
    let effort = Effort { configurations: 100 };
    let verdict = history(&operations).check(effort);
    assert!(
        matches!(verdict, Verdict::Undecided { components: 1 }),
        "{verdict:?}"
    );
}

#[test]
fn a_violation_is_shown() {
    let Verdict::Violation(violation) = verdict(&[
        op(0, 1, create(A), DONE),
        op(2, 3, mark(A, 5), DONE),
        op(4, 5, stat(A), found(0)),
        lost(4, delete(A)),
        op(0, 1, stat(B), found(0)),
    ]) else {
        panic!("it must be found");
    };
    assert_eq!(violation.in_all(), 2);
    let text = violation.to_string();
    for part in [
        "stat /1",
        "found directory 0755",
        "nothing",
        "(the smallest of 2 violations)",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
