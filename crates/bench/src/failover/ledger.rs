//! What was lost, and what was applied twice, counted on names that one process alone works on.
//!
//! Whoever works alone on a name, one operation after the other, knows every answer beforehand. So each answer that is
//! another one can be named, without a search:
//! - a change that was acknowledged and is not there later was **lost**;
//! - a change that is refused as one that has been made already, or something that is there again after it was removed, was
//!   **applied twice**.
//!
//! From the first such answer on, and from an operation without an answer on, the names that it touched are left to the
//! checker.

use std::collections::HashSet;

use oracle::{Call, History, Name, Namespace, Operation, Outcome};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    /// Answers that were compared.
    pub compared: u64,
    /// Each in words.
    pub lost: Vec<String>,
    pub twice: Vec<String>,
}

/// Goes through the operations on names below `/own` and `/probe`.
pub(super) fn audit(history: &History) -> Ledger {
    let alone = |operation: &&Operation| {
        let (first, _) = operation.call.names();
        let path = history.text(first);
        path.starts_with("/own/") || path.starts_with("/probe/")
    };
    let mut operations: Vec<&Operation> = history.operations().iter().filter(alone).collect();
    operations.sort_by_key(|operation| operation.called);
    let mut ledger = Ledger::default();
    let mut namespace = Namespace::default();
    let mut doubtful: HashSet<Name> = HashSet::new();
    for operation in operations {
        let (first, second) = operation.call.names();
        let names = [Some(first), second].into_iter().flatten();
        let doubt = names.clone().any(|name| doubtful.contains(&name));
        let Some(answer) = operation.answer.filter(|_| !doubt) else {
            // A look that nobody answered changes nothing.
            if doubt || !matches!(operation.call, Call::Stat { .. }) {
                doubtful.extend(names);
            }
            continue;
        };
        if answer.outcome == Outcome::Refused {
            continue;
        }
        ledger.compared += 1;
        let expected = namespace.apply(&operation.call);
        if expected == answer.outcome {
            continue;
        }
        doubtful.extend(names);
        let what = format!(
            "{}: {:?} was answered with \"{}\" and not with \"{expected}\"",
            history.text(first),
            operation.call,
            answer.outcome
        );
        if twice(&operation.call, expected, answer.outcome) {
            ledger.twice.push(what);
        } else {
            ledger.lost.push(what);
        }
    }
    ledger
}

/// Whether an answer that is wrong says "made already", and not "not there".
fn twice(call: &Call, expected: Outcome, answered: Outcome) -> bool {
    match (call, expected, answered) {
        // There, where it should not be.
        (Call::Stat { .. }, Outcome::NotFound, Outcome::Found(_)) => true,
        (Call::Stat { .. }, _, _) => false,
        // Its own earlier attempt has made it, moved it or removed it.
        (Call::Create { .. } | Call::Rename { .. }, Outcome::Done, Outcome::Exists) => true,
        (Call::Delete { .. } | Call::Rename { .. }, Outcome::Done, Outcome::NotFound) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use oracle::{Entry, Kind};

    use super::*;

    const MADE: Entry = Entry {
        kind: Kind::Directory,
        mode: 0o700,
        mark: 0,
    };

    /// Operations on one name, one after the other.
    fn audited(operations: &[(Call, Option<Outcome>)]) -> (u64, usize, usize) {
        let mut history = History::default();
        history.name("/own/1/1");
        history.name("/own/1/2");
        for (at, (call, outcome)) in (0u64..).step_by(10).zip(operations) {
            history.push(match outcome {
                Some(outcome) => Operation::answered(1, at, *call, at + 5, *outcome),
                None => Operation::unanswered(1, at, *call),
            });
        }
        let ledger = audit(&history);
        (ledger.compared, ledger.lost.len(), ledger.twice.len())
    }

    const A: Name = Name(0);
    const CREATE: Call = Call::Create { name: A, entry: MADE };
    const DELETE: Call = Call::Delete { name: A };
    const STAT: Call = Call::Stat { name: A };
    const RENAME: Call = Call::Rename {
        from: A,
        to: Name(1),
        replace: false,
    };
    const DONE: Option<Outcome> = Some(Outcome::Done);

    #[test]
    fn what_is_as_it_should_be_counts_for_nothing() {
        let right = [
            (CREATE, DONE),
            (STAT, Some(Outcome::Found(MADE))),
            (RENAME, DONE),
            (STAT, Some(Outcome::NotFound)),
            (DELETE, Some(Outcome::NotFound)),
        ];
        assert_eq!(audited(&right), (5, 0, 0));
    }

    #[test]
    fn what_is_gone_was_lost() {
        assert_eq!(
            audited(&[(CREATE, DONE), (STAT, Some(Outcome::NotFound))]),
            (2, 1, 0)
        );
        let mark = Call::SetMark { name: A, mark: 5 };
        let old = [(CREATE, DONE), (mark, DONE), (STAT, Some(Outcome::Found(MADE)))];
        assert_eq!(audited(&old), (3, 1, 0));
    }

    #[test]
    fn what_had_been_made_already_was_applied_twice() {
        assert_eq!(audited(&[(CREATE, Some(Outcome::Exists))]), (1, 0, 1));
        assert_eq!(
            audited(&[(CREATE, DONE), (DELETE, Some(Outcome::NotFound))]),
            (2, 0, 1)
        );
        let back = [(CREATE, DONE), (DELETE, DONE), (STAT, Some(Outcome::Found(MADE)))];
        assert_eq!(audited(&back), (3, 0, 1));
        assert_eq!(
            audited(&[(CREATE, DONE), (RENAME, Some(Outcome::NotFound))]),
            (2, 0, 1)
        );
    }

    #[test]
    fn one_fault_is_counted_once_and_doubt_is_no_fault() {
        let lost = [
            (CREATE, DONE),
            (STAT, Some(Outcome::NotFound)),
            (STAT, Some(Outcome::NotFound)),
        ];
        assert_eq!(audited(&lost), (2, 1, 0));
        let unknown = [(CREATE, None), (STAT, Some(Outcome::NotFound))];
        assert_eq!(audited(&unknown), (0, 0, 0));
        let silent_look = [(CREATE, DONE), (STAT, None), (STAT, Some(Outcome::Found(MADE)))];
        assert_eq!(audited(&silent_look), (2, 0, 0));
    }
}
