//! Histories in short.

use oracle::{Call, Effort, Entry, History, Kind, Name, Operation, Outcome, Verdict};

pub(crate) const A: Name = Name(0);
pub(crate) const B: Name = Name(1);

pub(crate) const fn directory(mode: u16) -> Entry {
    Entry {
        kind: Kind::Directory,
        mode,
        mark: 0,
    }
}

pub(crate) const fn marked(mark: u64) -> Entry {
    Entry {
        mark,
        ..directory(0o755)
    }
}

pub(crate) const fn create(name: Name) -> Call {
    Call::Create {
        name,
        entry: directory(0o755),
    }
}

pub(crate) const fn mark(name: Name, mark: u64) -> Call {
    Call::SetMark { name, mark }
}

pub(crate) const fn rename(from: Name, to: Name) -> Call {
    Call::Rename {
        from,
        to,
        replace: false,
    }
}

pub(crate) const fn delete(name: Name) -> Call {
    Call::Delete { name }
}

pub(crate) const fn stat(name: Name) -> Call {
    Call::Stat { name }
}

/// Called and answered at these times.
pub(crate) const fn op(called: u64, at: u64, call: Call, outcome: Outcome) -> Operation {
    Operation::answered(0, called, call, at, outcome)
}

/// Never answered.
pub(crate) const fn lost(called: u64, call: Call) -> Operation {
    Operation::unanswered(0, called, call)
}

pub(crate) fn history(operations: &[Operation]) -> History {
    let mut history = History::default();
    for name in 0..8 {
        history.name(&format!("/{name}"));
    }
    for operation in operations {
        history.push(*operation);
    }
    history
}

pub(crate) fn verdict(operations: &[Operation]) -> Verdict {
    history(operations).check(Effort::default())
}

pub(crate) fn accepts(operations: &[Operation]) {
    let verdict = verdict(operations);
    assert!(verdict.is_linearizable(), "{verdict:?}");
}

/// Rejects it, and gives what is left of it.
pub(crate) fn rejects(operations: &[Operation]) -> Vec<Operation> {
    match verdict(operations) {
        Verdict::Violation(violation) => {
            assert!(violation.wrong().is_some());
            violation.operations().to_vec()
        }
        other => panic!("{other:?}: {operations:#?}"),
    }
}
