//! From a history to a verdict.

use crate::component::components;
use crate::history::History;
use crate::search::{Found, Start, search};
use crate::shrink::shrink;
use crate::violation::Violation;

/// How long to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Configurations that may be looked at in each component: a few hundred bytes of memory and a few microseconds each.
    pub configurations: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            configurations: 2_000_000,
        }
    }
}

/// What came of a check.
#[derive(Debug)]
pub enum Verdict {
    /// There is an order that explains every answer.
    Linearizable {
        /// Sets of names that were checked apart from each other.
        components: usize,
    },
    /// There is none.
    Violation(Box<Violation>),
    /// No violation was found, but the search was given up in some places.
    Undecided {
        /// In how many sets of names.
        components: usize,
    },
}

impl Verdict {
    /// Whether every answer is explained.
    #[must_use]
    pub const fn is_linearizable(&self) -> bool {
        matches!(self, Self::Linearizable { .. })
    }

    /// Why not, if so.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        match self {
            Self::Violation(violation) => Some(violation),
            Self::Linearizable { .. } | Self::Undecided { .. } => None,
        }
    }
}

/// Checks every component. Of several violations, the smallest is kept.
pub(crate) fn check(history: &History, effort: Effort) -> Verdict {
    let components = components(history.operations());
    let mut undecided = 0;
    let mut violations = 0;
    let mut smallest: Option<Violation> = None;
    for operations in &components {
        match search(operations, &Start::empty(), effort.configurations).0 {
            Found::Order => {}
            Found::TooMuch => undecided += 1,
            Found::None(stuck) => {
                violations += 1;
                let small = shrink(operations, stuck, effort.configurations);
                let violation = Violation::new(history, small);
                if smallest
                    .as_ref()
                    .is_none_or(|known| violation.len() < known.len())
                {
                    smallest = Some(violation);
                }
            }
        }
    }
    match smallest {
        Some(violation) => Verdict::Violation(Box::new(violation.of(violations))),
        None if undecided > 0 => Verdict::Undecided {
            components: undecided,
        },
        None => Verdict::Linearizable {
            components: components.len(),
        },
    }
}
