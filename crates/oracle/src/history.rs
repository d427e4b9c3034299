//! A whole history, with its names.

use std::collections::HashMap;

use crate::check::{self, Effort, Verdict};
use crate::operation::{Name, Operation};

/// Operations in any order, and what their names stand for.
#[derive(Debug, Clone, Default)]
pub struct History {
    operations: Vec<Operation>,
    numbers: HashMap<String, Name>,
    names: Vec<String>,
}

impl History {
    /// The number of a name; the same one every time.
    pub fn name(&mut self, text: &str) -> Name {
        if let Some(name) = self.numbers.get(text) {
            return *name;
        }
        // More than four thousand million names do not fit in memory.
        let name = Name(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        self.names.push(text.to_owned());
        self.numbers.insert(text.to_owned(), name);
        name
    }

    /// What a number stands for.
    #[must_use]
    pub fn text(&self, name: Name) -> &str {
        let at = usize::try_from(name.0).unwrap_or(usize::MAX);
        self.names.get(at).map_or("?", String::as_str)
    }

    /// One more operation.
    pub fn push(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// All operations, as they were given.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Whether the history is linearizable, beginning with an empty namespace.
    #[must_use]
    pub fn check(&self, effort: Effort) -> Verdict {
        check::check(self, effort)
    }
}
