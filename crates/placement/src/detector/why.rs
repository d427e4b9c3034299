//! Why a node is held to be as alive as it is: for people.

use std::fmt;
use std::time::Duration;

use crate::refusal::rounded;

/// Why a node is held to be as alive as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its heartbeats come.
    Heard,
    /// Its heartbeats come, but it has been dead and back too often.
    Unsteady {
        /// How often it came back.
        comebacks: u32,
        /// How much longer it gets no new replicas.
        wait: Duration,
    },
    /// More than one heartbeat is missing.
    Late {
        /// For how long.
        silent_for: Duration,
    },
    /// It has been silent for too long.
    Silent {
        /// For how long.
        silent_for: Duration,
    },
    /// It has been silent for too long, but together with too many others.
    NotBelieved {
        /// For how long.
        silent_for: Duration,
        /// How many fell silent.
        silent: usize,
        /// Of how many.
        of: usize,
    },
    /// It has not registered since this master started.
    NeverRegistered,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heard => f.write_str("its heartbeats come in time"),
            Self::Unsteady { comebacks, wait } => write!(
                f,
                "it came back from the dead {comebacks} times; it gets new chunks after another {} without a missed \
                 heartbeat",
                rounded(*wait)
            ),
            Self::Late { silent_for } => write!(f, "no heartbeat for {}", rounded(*silent_for)),
            Self::Silent { silent_for } => write!(f, "no heartbeat for {}: too long", rounded(*silent_for)),
            Self::NotBelieved {
                silent_for,
                silent,
                of,
            } => write!(
                f,
                "no heartbeat for {}, but {silent} of {of} nodes fell silent together: it may be this master that is cut \
                 off, so nobody is declared dead",
                rounded(*silent_for)
            ),
            Self::NeverRegistered => f.write_str("it has not registered since this master started"),
        }
    }
}
