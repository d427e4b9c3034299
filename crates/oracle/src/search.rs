//! Just-in-time linearization of one component.
//!
//! Invariant: after each event, [`Search::configurations`] holds, for every order of operations that explains the events so
//! far, one from which everything can go on that can go on from that order. No configuration is there twice.

use std::collections::HashSet;

use crate::operation::{Name, Operation};
use crate::spec::Namespace;

/// What may be, at some moment: the namespace, and the operations that were called and have not happened yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Configuration {
    pub(crate) namespace: Namespace,
    /// Places in the list of operations, ascending.
    pub(crate) open: Vec<u32>,
}

/// How a search ended.
#[derive(Debug)]
pub(crate) enum Found {
    /// There is an order.
    Order,
    /// There is none.
    None(Stuck),
    /// It would have taken too much.
    TooMuch,
}

/// Where no order could go on.
#[derive(Debug)]
pub(crate) struct Stuck {
    /// The operation whose answer can not be.
    pub(crate) operation: u32,
    /// The last moment at which only unanswered operations were open; none: the beginning.
    pub(crate) since: Option<u64>,
    /// What might have been at that moment.
    pub(crate) then: Vec<Configuration>,
}

/// Where a search begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start {
    /// What may be.
    pub(crate) configurations: Vec<Configuration>,
    /// So many operations, the first ones, were called before.
    pub(crate) called: u32,
}

impl Start {
    /// With nothing there.
    pub(crate) fn empty() -> Self {
        Self {
            configurations: vec![Configuration::default()],
            called: 0,
        }
    }
}

/// A call or an answer. At the same time calls come first: then the two are concurrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: u64,
    answer: bool,
    operation: u32,
}

struct Search<'a> {
    operations: &'a [Operation],
    configurations: Vec<Configuration>,
    /// How many configurations may still be looked at.
    left: u64,
}

/// Searches for an order of `operations` that begins with one of `start`, looking at no more than `effort` configurations.
/// The second value is how many are left of these.
pub(crate) fn search(operations: &[Operation], start: &Start, effort: u64) -> (Found, u64) {
    let mut search = Search {
        operations,
        configurations: start.configurations.clone(),
        left: effort,
    };
    let mut quiet = Quiet {
        since: None,
        then: start.configurations.clone(),
        running: 0,
    };
    for event in events(operations) {
        if !event.answer {
            if event.operation < start.called {
                continue;
            }
            search.call(event.operation);
            quiet.running += u32::from(search.is_answered(event.operation));
            continue;
        }
        match search.answer(event.operation) {
            Some(true) => {}
            Some(false) => {
                let stuck = Stuck {
                    operation: event.operation,
                    since: quiet.since,
                    then: quiet.then,
                };
                return (Found::None(stuck), search.left);
            }
            None => return (Found::TooMuch, 0),
        }
        quiet.running = quiet.running.saturating_sub(1);
        if quiet.running == 0 {
            quiet.since = Some(event.at);
            quiet.then.clone_from(&search.configurations);
        }
    }
    (Found::Order, search.left)
}

/// The last moment at which nothing that is answered was under way.
struct Quiet {
    since: Option<u64>,
    then: Vec<Configuration>,
    running: u32,
}

fn events(operations: &[Operation]) -> Vec<Event> {
    let mut events = Vec::with_capacity(operations.len() * 2);
    for (operation, recorded) in (0u32..).zip(operations) {
        events.push(Event {
            at: recorded.called,
            answer: false,
            operation,
        });
        if let Some(answer) = recorded.answer {
            events.push(Event {
                // An answer never comes before its call, whatever a clock says.
                at: answer.at.max(recorded.called),
                answer: true,
                operation,
            });
        }
    }
    events.sort_unstable();
    events
}

impl Search<'_> {
    fn get(&self, operation: u32) -> Option<&Operation> {
        self.operations.get(usize::try_from(operation).ok()?)
    }

    fn is_answered(&self, operation: u32) -> bool {
        self.get(operation)
            .is_some_and(|recorded| recorded.answer.is_some())
    }

    /// An operation is called: it may happen from now on.
    fn call(&mut self, operation: u32) {
        let mut configurations = std::mem::take(&mut self.configurations);
        for configuration in &mut configurations {
            let place = configuration.open.partition_point(|open| *open < operation);
            configuration.open.insert(place, operation);
            self.take_without_effect(configuration);
        }
        // Two that differed by an operation that now has no effect differ still: by their namespaces.
        self.configurations = configurations;
    }

    /// An operation is answered: it has happened by now. False when that can not be; none when it would take too much.
    fn answer(&mut self, operation: u32) -> Option<bool> {
        let mut seen: HashSet<Configuration> = std::mem::take(&mut self.configurations).into_iter().collect();
        let mut unvisited: Vec<Configuration> = seen.iter().cloned().collect();
        let mut happened = Vec::new();
        while let Some(configuration) = unvisited.pop() {
            self.left = self.left.checked_sub(1)?;
            if configuration.open.binary_search(&operation).is_err() {
                happened.push(configuration);
                continue;
            }
            for next in self.related(&configuration, operation) {
                if let Some(reached) = self.happen(&configuration, next)
                    && seen.insert(reached.clone())
                {
                    unvisited.push(reached);
                }
            }
        }
        self.configurations = happened;
        Some(!self.configurations.is_empty())
    }

    /// The open operations that share a name with `operation`, also through others of them. The rest can wait: it changes
    /// nothing for these, nor these for it.
    fn related(&self, configuration: &Configuration, operation: u32) -> Vec<u32> {
        let mut related = vec![operation];
        let mut names: Vec<Name> = Vec::new();
        let mut at = 0;
        while let Some(recorded) = related.get(at).copied().and_then(|place| self.get(place)) {
            at += 1;
            let (first, second) = recorded.call.names();
            for name in [Some(first), second].into_iter().flatten() {
                if names.contains(&name) {
                    continue;
                }
                names.push(name);
                for open in &configuration.open {
                    if !related.contains(open)
                        && self.get(*open).is_some_and(|other| other.call.touches(name))
                    {
                        related.push(*open);
                    }
                }
            }
        }
        related
    }

    /// What is after `operation` has happened; none when its answer would be another one, or when nobody could tell that it
    /// has.
    fn happen(&self, configuration: &Configuration, operation: u32) -> Option<Configuration> {
        let recorded = self.get(operation)?;
        let mut next = configuration.clone();
        let outcome = next.namespace.apply(&recorded.call);
        match recorded.answer {
            Some(answer) if answer.outcome != outcome => return None,
            None if next.namespace == configuration.namespace => return None,
            Some(_) | None => {}
        }
        next.open.retain(|open| *open != operation);
        self.take_without_effect(&mut next);
        Some(next)
    }

    /// Takes the open operations whose answer is right now and that change nothing: whatever can follow when one happens
    /// later can follow when it happens now.
    fn take_without_effect(&self, configuration: &mut Configuration) {
        let namespace = &configuration.namespace;
        configuration.open.retain(|open| {
            let Some(recorded) = self.get(*open) else {
                return false;
            };
            let Some(answer) = recorded.answer else {
                return true;
            };
            let mut after = namespace.clone();
            after.apply(&recorded.call) != answer.outcome || after != *namespace
        });
    }
}
