//! What operators have said of a datanode.

use serde::{Deserialize, Serialize};

use crate::UnixMillis;

/// How a datanode takes part, by an operator's word. Whether it is alive is another question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AdminState {
    /// As every datanode from its first registration on.
    #[default]
    InService,
    /// It drains: takes nothing new, and its replicas are read and copied but do not count as redundancy.
    Decommissioning {
        /// When that was ordered.
        since: UnixMillis,
    },
    /// It is drained: nothing is missing when it is switched off.
    Decommissioned {
        /// When that was found.
        since: UnixMillis,
    },
    /// It is expected to be away for a while: its replicas are not copied elsewhere, unless one is the last.
    Maintenance {
        /// When it is in service again by itself.
        until: UnixMillis,
    },
}

impl AdminState {
    /// The word for it, for programs and people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InService => "in-service",
            Self::Decommissioning { .. } => "decommissioning",
            Self::Decommissioned { .. } => "decommissioned",
            Self::Maintenance { .. } => "maintenance",
        }
    }

    /// Whether its replicas do not count as redundancy, because it leaves or has left.
    #[must_use]
    pub const fn is_leaving(self) -> bool {
        matches!(self, Self::Decommissioning { .. } | Self::Decommissioned { .. })
    }

    /// Whether it is in maintenance at this moment.
    #[must_use]
    pub fn is_in_maintenance(self, now: UnixMillis) -> bool {
        matches!(self, Self::Maintenance { until } if now < until)
    }

    /// Whether new replicas may be put on it at this moment.
    #[must_use]
    pub fn takes_replicas(self, now: UnixMillis) -> bool {
        !self.is_leaving() && !self.is_in_maintenance(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maintenance_ends_by_itself() {
        let until = UnixMillis(1_000);
        let state = AdminState::Maintenance { until };
        assert!(state.is_in_maintenance(UnixMillis(999)) && !state.takes_replicas(UnixMillis(999)));
        assert!(!state.is_in_maintenance(until) && state.takes_replicas(until));
    }

    #[test]
    fn who_leaves_takes_nothing() {
        let since = UnixMillis(5);
        for state in [
            AdminState::Decommissioning { since },
            AdminState::Decommissioned { since },
        ] {
            assert!(state.is_leaving() && !state.takes_replicas(UnixMillis(9)));
        }
        assert!(AdminState::InService.takes_replicas(UnixMillis(9)));
    }
}
