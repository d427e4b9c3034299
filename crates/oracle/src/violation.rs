//! What can not be, for a person to read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::history::History;
use crate::operation::{Call, Name, Operation};
use crate::shrink::Small;
use crate::spec::Namespace;

/// So many possible beginnings are shown.
const BEGINNINGS_SHOWN: usize = 4;

/// Operations that no order explains.
#[derive(Debug, Clone)]
pub struct Violation {
    small: Small,
    names: BTreeMap<Name, String>,
    in_all: usize,
}

impl Violation {
    pub(crate) fn new(history: &History, small: Small) -> Self {
        let mut names = BTreeMap::new();
        for operation in &small.operations {
            let (first, second) = operation.call.names();
            for name in [Some(first), second].into_iter().flatten() {
                names.insert(name, history.text(name).to_owned());
            }
        }
        Self {
            small,
            names,
            in_all: 1,
        }
    }

    /// The same, as one of so many.
    pub(crate) fn of(self, in_all: usize) -> Self {
        Self { in_all, ..self }
    }

    /// The operations, in the order of their calls.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.small.operations
    }

    /// The operation whose answer can not be.
    #[must_use]
    pub fn wrong(&self) -> Option<&Operation> {
        self.small.operations.get(self.small.wrong)
    }

    /// In how many sets of names, which nothing connects, there is a violation.
    #[must_use]
    pub const fn in_all(&self) -> usize {
        self.in_all
    }

    pub(crate) fn len(&self) -> usize {
        self.small.operations.len()
    }

    fn text(&self, name: Name) -> &str {
        self.names.get(&name).map_or("?", String::as_str)
    }

    fn call(&self, call: &Call) -> String {
        match *call {
            Call::Create { name, entry } => format!("create {}: {entry}", self.text(name)),
            Call::Delete { name } => format!("delete {}", self.text(name)),
            Call::Rename { from, to, replace } => {
                let how = if replace { ", replacing" } else { "" };
                format!("rename {} to {}{how}", self.text(from), self.text(to))
            }
            Call::SetMode { name, mode } => format!("set mode of {}: {mode:04o}", self.text(name)),
            Call::SetMark { name, mark } => format!("set mark of {}: {mark}", self.text(name)),
            Call::Stat { name } => format!("stat {}", self.text(name)),
        }
    }

    fn beginning(&self, namespace: &Namespace) -> String {
        let there: Vec<String> = namespace
            .entries()
            .filter_map(|(name, entry)| Some(format!("{}: {entry}", self.names.get(&name)?)))
            .collect();
        match there.as_slice() {
            [] => "nothing".to_owned(),
            there => there.join(", "),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong = self
            .wrong()
            .map_or_else(String::new, |wrong| self.call(&wrong.call));
        writeln!(f, "no order of these operations explains the answer to `{wrong}`")?;
        let beginnings: BTreeSet<String> = self
            .small
            .before
            .configurations
            .iter()
            .map(|before| self.beginning(&before.namespace))
            .collect();
        for (place, beginning) in beginnings.iter().take(BEGINNINGS_SHOWN).enumerate() {
            let what = if place == 0 {
                "there was before"
            } else {
                "              or"
            };
            writeln!(f, "{what}  {beginning}")?;
        }
        if let Some(more) = beginnings
            .len()
            .checked_sub(BEGINNINGS_SHOWN)
            .filter(|more| *more > 0)
        {
            writeln!(f, "              or  {more} more")?;
        }
        let calls: Vec<String> = self
            .operations()
            .iter()
            .map(|operation| self.call(&operation.call))
            .collect();
        let width = calls.iter().map(String::len).max().unwrap_or_default();
        writeln!(
            f,
            "  {:>7}  {:>13}  {:>13}  {:width$}  answer",
            "process", "called, s", "answered, s", "operation"
        )?;
        for (place, (operation, call)) in self.operations().iter().zip(&calls).enumerate() {
            let (at, outcome) = match operation.answer {
                Some(answer) => (seconds(answer.at), answer.outcome.to_string()),
                None => ("never".to_owned(), "?".to_owned()),
            };
            let sign = if place == self.small.wrong { '>' } else { ' ' };
            writeln!(
                f,
                "{sign} {:>7}  {:>13}  {at:>13}  {call:width$}  {outcome}",
                operation.process,
                seconds(operation.called)
            )?;
        }
        match self.in_all {
            0 | 1 => Ok(()),
            several => writeln!(f, "(the smallest of {several} violations)"),
        }
    }
}

/// Nanoseconds as seconds.
fn seconds(nanos: u64) -> String {
    format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}
