//! What operators want of a node.

use std::time::Duration;

/// What operators want of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Admin {
    /// It serves.
    #[default]
    InService,
    /// It drains: what it has is read, and copied elsewhere, and does not count.
    Decommissioning,
    /// It has been drained: it may be switched off.
    Decommissioned,
    /// It is expected to be away, and to be back in time: what it has counts, and is not copied elsewhere.
    Maintenance {
        /// When that ends, on the clock that heartbeats are stamped with. From then on it is a node like any other.
        until: Duration,
    },
}

impl Admin {
    /// What is wanted at `now`: a maintenance may be over.
    #[must_use]
    pub fn at(self, now: Duration) -> Self {
        match self {
            Self::Maintenance { until } if until <= now => Self::InService,
            other => other,
        }
    }

    /// Whether it gets new replicas.
    #[must_use]
    pub const fn takes_chunks(self) -> bool {
        matches!(self, Self::InService)
    }

    /// Whether it is on its way out: its replicas do not count.
    #[must_use]
    pub const fn is_draining(self) -> bool {
        matches!(self, Self::Decommissioning | Self::Decommissioned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maintenance_ends_by_itself() {
        let until = Duration::from_secs(10);
        let admin = Admin::Maintenance { until };
        assert_eq!(admin.at(Duration::from_secs(9)), admin);
        assert!(!admin.at(Duration::from_secs(9)).takes_chunks());
        assert_eq!(admin.at(until), Admin::InService);
    }
}
