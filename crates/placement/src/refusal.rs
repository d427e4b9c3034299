//! Why a node does not take a chunk: what a person reads when a write is denied.

use std::fmt;
use std::time::Duration;

use types::{ByteSize, DatanodeId, format_duration};

use crate::Slow;

/// Why one node was not chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A member that has not registered since the master started.
    Absent,
    /// No heartbeat for too long.
    Dead {
        /// For how long.
        silent_for: Duration,
    },
    /// The client asked not to use it: it failed there.
    Excluded {
        /// The time since its last heartbeat, when that is conspicuous.
        silent_for: Option<Duration>,
    },
    /// It has a replica of the chunk already.
    HasReplica,
    /// No storage has room.
    Full {
        /// What the emptiest storage has left, less what is reserved for writes that go on now.
        left: u64,
        /// What a chunk needs.
        needed: u64,
        /// What is kept free on every storage.
        reserve: u64,
    },
    /// All storages have failed.
    Failed {
        /// What is wrong with the first of them.
        why: String,
    },
    /// It has reported no storage.
    NoStorage,
    /// It serves as many streams as it may.
    Busy {
        /// How many run or are about to.
        streams: u32,
        /// How many are allowed.
        max: u32,
    },
    /// It is on its way out.
    Draining {
        /// Whether nothing is left to be copied from it.
        drained: bool,
    },
    /// It is in maintenance.
    Maintenance {
        /// How much longer.
        for_another: Duration,
    },
    /// It is slower than its peers, and others can take the chunk.
    Slow(Slow),
    /// It came back from the dead too often, and others can take the chunk.
    Unsteady {
        /// How often, of late.
        comebacks: u32,
        /// How much longer it has to be heard without a gap.
        wait: Duration,
    },
}

/// Which node was not chosen, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which.
    pub datanode: DatanodeId,
    /// Its `host:port`.
    pub address: String,
    /// Why.
    pub reason: Reason,
}

/// A time in whole seconds or minutes: nobody needs `12003ms`.
pub(crate) fn rounded(time: Duration) -> String {
    match time.as_secs() {
        0 => format_duration(time),
        1..600 => format!("{:.0} s", time.as_secs_f64()),
        _ => format!("{:.0} min", time.as_secs_f64() / 60.0),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("has not registered since the master started"),
            Self::Dead { silent_for } => write!(f, "dead: no heartbeat for {}", rounded(*silent_for)),
            Self::Excluded { silent_for: None } => {
                f.write_str("excluded by the client, which could not write to it")
            }
            Self::Excluded {
                silent_for: Some(age),
            } => write!(
                f,
                "excluded by the client, which could not write to it; no heartbeat for {}",
                rounded(*age)
            ),
            Self::HasReplica => f.write_str("has a replica of the chunk already"),
            Self::Full {
                left,
                needed,
                reserve: 0,
            } => {
                write!(
                    f,
                    "full: {} left, a chunk needs {}",
                    ByteSize(*left),
                    ByteSize(*needed)
                )
            }
            Self::Full {
                left,
                needed,
                reserve,
            } => write!(
                f,
                "full: {} left, a chunk needs {} above a reserve of {}",
                ByteSize(*left),
                ByteSize(*needed),
                ByteSize(*reserve)
            ),
            Self::Failed { why } => write!(f, "volume failed: {why}"),
            Self::NoStorage => f.write_str("has no storage"),
            Self::Busy { streams, max } => {
                write!(f, "busy: {streams} data streams, at most {max} are allowed")
            }
            Self::Draining { drained: false } => f.write_str("is being decommissioned: takes no new chunks"),
            Self::Draining { drained: true } => f.write_str("is decommissioned"),
            Self::Maintenance { for_another } => {
                write!(f, "in maintenance for another {}", rounded(*for_another))
            }
            Self::Slow(slow) => write!(f, "slow: {slow}; used only when there is nothing else"),
            Self::Unsteady { comebacks, wait } => write!(
                f,
                "unsteady: it came back from the dead {comebacks} times; for another {} used only when there is nothing \
                 else",
                rounded(*wait)
            ),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_name_the_figures() {
        let dead = Reason::Dead {
            silent_for: Duration::from_millis(12_003),
        };
        assert_eq!(dead.to_string(), "dead: no heartbeat for 12 s");
        let full = Reason::Full {
            left: 3 << 20,
            needed: 64 << 20,
            reserve: 1 << 30,
        };
        assert_eq!(
            full.to_string(),
            "full: 3 MiB left, a chunk needs 64 MiB above a reserve of 1 GiB"
        );
        let busy = Reason::Busy {
            streams: 256,
            max: 256,
        };
        assert_eq!(
            busy.to_string(),
            "busy: 256 data streams, at most 256 are allowed"
        );
    }
}
