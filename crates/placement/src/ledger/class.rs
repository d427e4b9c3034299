//! How a chunk is.

use super::Facts;

/// Copies of a chunk at risk are told apart up to so many.
pub const LEFT_MAX: u8 = 8;

/// How a chunk is, in one word. The worst comes first; a chunk is in the first class that it fits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Nobody has a valid replica, and everybody has told what he has.
    Lost,
    /// Nobody who can be reached has a valid replica. But there is one on a node or storage that is away, or there may be
    /// one where not everything has been told yet.
    Unavailable,
    /// It has fewer copies than wanted: only so many are left (1 to [`LEFT_MAX`], which is that or more). Copies are on
    /// different nodes.
    AtRisk {
        /// How many.
        left: u8,
    },
    /// It has as many copies as wanted, and beside them bad replicas.
    Corrupt,
    /// It has as many copies as wanted, but all in one rack, while more than one rack could have them.
    Misplaced,
    /// It has as many copies as wanted, but too many of them on nodes that are to leave.
    Draining,
    /// It has more replicas than wanted, or beside enough copies such as are of no use.
    Surplus,
    /// It is being written: its length is not known yet.
    BeingWritten,
    /// It is as it should be.
    Healthy,
}

/// How a chunk or file is, and whether there are bad replicas of it, whatever its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Condition {
    /// Its class; of a file, the worst of its chunks.
    pub class: Class,
    /// Whether a replica is known to be bad; of a file, of any of its chunks.
    pub corrupt: bool,
}

/// How many different codes there are.
pub(super) const CODES: usize = 32;
const CORRUPT: u8 = 16;

impl Class {
    /// Every class, the worst first.
    pub const ALL: [Self; 16] = {
        let mut all = [Self::Healthy; 16];
        let mut code = 0;
        #[expect(clippy::indexing_slicing, reason = "at compile time")]
        #[expect(clippy::cast_possible_truncation, reason = "up to 16")]
        while code < all.len() {
            all[code] = Self::of(code as u8);
            code += 1;
        }
        all
    };

    const fn code(self) -> u8 {
        match self {
            Self::Lost => 0,
            Self::Unavailable => 1,
            Self::AtRisk { left } => {
                1 + if left == 0 {
                    1
                } else if left > LEFT_MAX {
                    LEFT_MAX
                } else {
                    left
                }
            }
            Self::Corrupt => LEFT_MAX + 2,
            Self::Misplaced => LEFT_MAX + 3,
            Self::Draining => LEFT_MAX + 4,
            Self::Surplus => LEFT_MAX + 5,
            Self::BeingWritten => LEFT_MAX + 6,
            Self::Healthy => LEFT_MAX + 7,
        }
    }

    const fn of(code: u8) -> Self {
        match code {
            0 => Self::Lost,
            1 => Self::Unavailable,
            2..=9 => Self::AtRisk { left: code - 1 },
            10 => Self::Corrupt,
            11 => Self::Misplaced,
            12 => Self::Draining,
            13 => Self::Surplus,
            14 => Self::BeingWritten,
            _ => Self::Healthy,
        }
    }

    /// Whether all bytes can be read now.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        !matches!(self, Self::Lost | Self::Unavailable)
    }

    /// Whether there are too few copies, of which some can be read.
    #[must_use]
    pub const fn is_at_risk(self) -> bool {
        matches!(self, Self::AtRisk { .. })
    }

    /// Whether that is something to be told as wrong.
    #[must_use]
    pub const fn is_wrong(self) -> bool {
        !matches!(
            self,
            Self::Healthy | Self::BeingWritten | Self::Surplus | Self::Draining
        )
    }

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Unavailable => "unavailable",
            Self::AtRisk { .. } => "at risk",
            Self::Corrupt => "corrupt",
            Self::Misplaced => "misplaced",
            Self::Draining => "draining",
            Self::Surplus => "surplus",
            Self::BeingWritten => "being written",
            Self::Healthy => "healthy",
        }
    }
}

impl Condition {
    /// As it should be, with nothing bad.
    pub const HEALTHY: Self = Self {
        class: Class::Healthy,
        corrupt: false,
    };

    pub(super) const fn code(self) -> u8 {
        self.class.code() | if self.corrupt { CORRUPT } else { 0 }
    }

    pub(super) const fn of(code: u8) -> Self {
        Self {
            class: Class::of(code & (CORRUPT - 1)),
            corrupt: code & CORRUPT != 0,
        }
    }

    /// Of two chunks of one file: of the file.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        Self {
            class: self.class.min(other.class),
            corrupt: self.corrupt || other.corrupt,
        }
    }
}

/// How a chunk is, by what is known of its replicas.
#[must_use]
pub fn classify(facts: &Facts) -> Condition {
    Condition {
        class: class(facts),
        corrupt: facts.corrupt > 0,
    }
}

fn class(facts: &Facts) -> Class {
    if !facts.committed {
        return Class::BeingWritten;
    }
    let copies = facts.copies();
    if facts.readable() == 0 {
        let somewhere = facts.away + facts.silent + facts.gone > 0;
        return match somewhere || facts.unheard {
            true => Class::Unavailable,
            false => Class::Lost,
        };
    }
    if copies < facts.wanted {
        return Class::AtRisk {
            left: u8::try_from(copies).unwrap_or(LEFT_MAX).min(LEFT_MAX),
        };
    }
    if facts.corrupt > 0 {
        return Class::Corrupt;
    }
    // One that serves is enough while others are in maintenance.
    if facts.redundancy() < facts.wanted || facts.serving == 0 {
        return Class::Draining;
    }
    if facts.wanted >= 2 && facts.racks == 1 && facts.serving_racks >= 2 {
        return Class::Misplaced;
    }
    if facts.serving > facts.wanted || facts.useless > 0 {
        return Class::Surplus;
    }
    Class::Healthy
}

#[cfg(test)]
#[path = "class_tests.rs"]
mod tests;
