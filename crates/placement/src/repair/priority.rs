//! In which order chunks are repaired.

use crate::{Class, Condition};

/// How urgent it is. The most urgent comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// One copy is left: begun at once, with more streams.
    LastCopy,
    /// Fewer copies are left than an acknowledgement promises: with more streams.
    BelowMinimum,
    /// A bad replica is to be replaced.
    Corrupt,
    /// Fewer copies are left than wanted.
    UnderReplicated,
    /// All copies are in one rack.
    Misplaced,
    /// Copies are on nodes that are to leave.
    Draining,
    /// Nothing is missing; something is to be destroyed that is too much, or bad.
    Surplus,
}

impl Priority {
    /// All, the most urgent first.
    pub const ALL: [Self; 7] = [
        Self::LastCopy,
        Self::BelowMinimum,
        Self::Corrupt,
        Self::UnderReplicated,
        Self::Misplaced,
        Self::Draining,
        Self::Surplus,
    ];

    /// Of a chunk in a condition, when an acknowledgement promises `min_replicas`; none when nothing can or need be done.
    #[must_use]
    pub fn of(condition: Condition, min_replicas: usize) -> Option<Self> {
        match condition.class {
            Class::Lost | Class::Unavailable | Class::BeingWritten | Class::Healthy => None,
            Class::AtRisk { left: 0 | 1 } => Some(Self::LastCopy),
            Class::AtRisk { left } if usize::from(left) < min_replicas => Some(Self::BelowMinimum),
            Class::AtRisk { .. } if condition.corrupt => Some(Self::Corrupt),
            Class::AtRisk { .. } => Some(Self::UnderReplicated),
            Class::Misplaced => Some(Self::Misplaced),
            Class::Draining => Some(Self::Draining),
            Class::Corrupt | Class::Surplus => Some(Self::Surplus),
        }
    }

    /// Whether it may take more streams and bandwidth than the rest.
    #[must_use]
    pub const fn is_urgent(self) -> bool {
        matches!(self, Self::LastCopy | Self::BelowMinimum)
    }

    /// The words for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LastCopy => "last copy",
            Self::BelowMinimum => "below the minimum",
            Self::Corrupt => "corrupt",
            Self::UnderReplicated => "under-replicated",
            Self::Misplaced => "misplaced",
            Self::Draining => "draining",
            Self::Surplus => "surplus",
        }
    }
}
