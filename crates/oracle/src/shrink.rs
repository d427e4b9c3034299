//! From a violation to the smallest one that can be found in it.
//!
//! Only what is sound is left out: everything before a moment at which nothing was under way (what might have been then is
//! kept instead), everything that was called after the answer that can not be, and operations that changed nothing. An
//! operation that made a change, or may have made one, stays: without it, others might only seem wrong.

use crate::operation::{Call, Operation, Outcome};
use crate::search::{Found, Start, Stuck, search};

/// What is left.
#[derive(Debug, Clone)]
pub(crate) struct Small {
    /// Those that were called before `before` come first.
    pub(crate) operations: Vec<Operation>,
    /// The one whose answer can not be, by its place.
    pub(crate) wrong: usize,
    /// What might have been before.
    pub(crate) before: Start,
}

/// Shrinks the violation `stuck` of `operations`.
pub(crate) fn shrink(operations: &[Operation], stuck: Stuck, effort: u64) -> Small {
    let mut small = since_quiet(operations, stuck);
    let mut place = small.operations.len();
    while let Some(next) = place.checked_sub(1) {
        place = next;
        if !small.operations.get(place).is_some_and(changes_nothing) {
            continue;
        }
        let mut fewer = without(&small, place);
        if let (Found::None(stuck), _) = search(&fewer.operations, &fewer.before, effort) {
            fewer.wrong = usize::try_from(stuck.operation).unwrap_or(fewer.wrong);
            small = fewer;
        }
    }
    small
}

/// An answered operation that left everything as it was.
fn changes_nothing(operation: &Operation) -> bool {
    operation
        .answer
        .is_some_and(|answer| matches!(operation.call, Call::Stat { .. }) || answer.outcome != Outcome::Done)
}

/// What was open at the last quiet moment, and what was called from then on until the answer that can not be.
fn since_quiet(operations: &[Operation], stuck: Stuck) -> Small {
    let end = usize::try_from(stuck.operation)
        .ok()
        .and_then(|place| operations.get(place)?.answer)
        .map_or(u64::MAX, |answer| answer.at);
    let open = |place: u32| stuck.then.iter().any(|before| before.open.contains(&place));
    let mut small = Small {
        operations: Vec::new(),
        wrong: 0,
        before: Start::default(),
    };
    let mut places = Vec::new();
    for (place, operation) in (0u32..).zip(operations) {
        let before = open(place);
        let since = stuck.since.is_none_or(|since| operation.called > since) && operation.called <= end;
        if !before && !since {
            continue;
        }
        small.before.called += u32::from(before);
        if place == stuck.operation {
            small.wrong = places.len();
        }
        places.push(place);
        small.operations.push(*operation);
    }
    small.before.configurations = stuck.then;
    renumber(&mut small.before, |old| places.binary_search(&old).ok());
    small
}

fn without(small: &Small, removed: usize) -> Small {
    let mut fewer = small.clone();
    fewer.operations.remove(removed);
    let shift = |place: usize| place - usize::from(place > removed);
    fewer.wrong = shift(small.wrong);
    let was_called = usize::try_from(small.before.called).is_ok_and(|called| removed < called);
    fewer.before.called -= u32::from(was_called);
    renumber(&mut fewer.before, |old| {
        let old = usize::try_from(old).ok()?;
        (old != removed).then_some(shift(old))
    });
    fewer
}

fn renumber(start: &mut Start, new: impl Fn(u32) -> Option<usize>) {
    for configuration in &mut start.configurations {
        let open = std::mem::take(&mut configuration.open);
        configuration.open = open
            .into_iter()
            .filter_map(|old| u32::try_from(new(old)?).ok())
            .collect();
    }
}
