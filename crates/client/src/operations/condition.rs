//! How data is, in one word.

use std::collections::BTreeMap;
use std::fmt;

use proto::v1;

use crate::Error;

/// How a chunk is; a file is as its worst chunk. The worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataClass {
    /// No replica, and nobody is left who could have one.
    Lost,
    /// No replica that can be reached; one may come back.
    Unavailable,
    /// Fewer copies than wanted: only so many.
    AtRisk {
        /// How many.
        copies: u32,
    },
    /// Enough copies, and a bad replica beside them.
    Corrupt,
    /// Enough copies, all in one rack.
    Misplaced,
    /// Enough copies, but some on datanodes that leave.
    Draining,
    /// More replicas than wanted.
    Surplus,
    /// It is being written.
    BeingWritten,
    /// As it should be.
    Healthy,
}

/// How a chunk or file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Condition {
    /// In one word.
    pub class: DataClass,
    /// Whether a replica of it is known to be bad, whatever the class.
    pub corrupt: bool,
}

/// How many are how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConditionCounts(BTreeMap<Condition, u64>);

/// How many are of which class: what people and programs are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct ClassCounts {
    /// All.
    pub total: u64,
    /// As they should be.
    pub healthy: u64,
    /// Being written.
    pub being_written: u64,
    /// With more replicas than wanted.
    pub surplus: u64,
    /// On datanodes that leave.
    pub draining: u64,
    /// All in one rack.
    pub misplaced: u64,
    /// With a bad replica beside enough good ones.
    pub corrupt: u64,
    /// With fewer copies than wanted.
    pub at_risk: u64,
    /// The same by the copies that are left.
    pub at_risk_by_copies_left: BTreeMap<u32, u64>,
    /// That nobody can be asked for now.
    pub unavailable: u64,
    /// That are gone.
    pub lost: u64,
    /// With a bad replica, whatever their class.
    pub with_corrupt_replica: u64,
}

impl DataClass {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
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

    /// Whether all bytes can be read now.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        !matches!(self, Self::Lost | Self::Unavailable)
    }

    /// Whether there are fewer copies than wanted, and at least one.
    #[must_use]
    pub const fn is_at_risk(self) -> bool {
        matches!(self, Self::AtRisk { .. })
    }
}

impl Condition {
    pub(super) fn from_wire(operation: &'static str, message: Option<&v1::Condition>) -> Result<Self, Error> {
        let malformed = |why: &str| Error::Protocol {
            operation,
            why: why.to_owned(),
        };
        let message = message.ok_or_else(|| malformed("no condition in it"))?;
        let class = match message.class() {
            v1::DataClass::Unspecified => return Err(malformed("a condition of a kind that is not known")),
            v1::DataClass::Healthy => DataClass::Healthy,
            v1::DataClass::BeingWritten => DataClass::BeingWritten,
            v1::DataClass::Surplus => DataClass::Surplus,
            v1::DataClass::Draining => DataClass::Draining,
            v1::DataClass::Misplaced => DataClass::Misplaced,
            v1::DataClass::Corrupt => DataClass::Corrupt,
            v1::DataClass::AtRisk => DataClass::AtRisk {
                copies: message.copies_left,
            },
            v1::DataClass::Unavailable => DataClass::Unavailable,
            v1::DataClass::Lost => DataClass::Lost,
        };
        Ok(Self {
            class,
            corrupt: message.corrupt,
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = self.class.as_str();
        match self.class {
            DataClass::AtRisk { copies: 1 } => write!(f, "{class}, 1 copy left")?,
            DataClass::AtRisk { copies } => write!(f, "{class}, {copies} copies left")?,
            _ => f.write_str(class)?,
        }
        if self.corrupt && self.class != DataClass::Corrupt {
            f.write_str(", a replica is corrupt")?;
        }
        Ok(())
    }
}

impl ConditionCounts {
    /// The same by class.
    #[must_use]
    pub fn by_class(&self) -> ClassCounts {
        let mut counts = ClassCounts::default();
        for (condition, count) in self.iter() {
            let of_class = match condition.class {
                DataClass::Healthy => &mut counts.healthy,
                DataClass::BeingWritten => &mut counts.being_written,
                DataClass::Surplus => &mut counts.surplus,
                DataClass::Draining => &mut counts.draining,
                DataClass::Misplaced => &mut counts.misplaced,
                DataClass::Corrupt => &mut counts.corrupt,
                DataClass::AtRisk { copies } => {
                    *counts.at_risk_by_copies_left.entry(copies).or_default() += count;
                    &mut counts.at_risk
                }
                DataClass::Unavailable => &mut counts.unavailable,
                DataClass::Lost => &mut counts.lost,
            };
            *of_class += count;
            counts.total += count;
            if condition.corrupt {
                counts.with_corrupt_replica += count;
            }
        }
        counts
    }

    pub(super) fn add_wire(
        &mut self,
        operation: &'static str,
        messages: &[v1::ConditionCount],
    ) -> Result<(), Error> {
        for message in messages {
            let condition = Condition::from_wire(operation, message.condition.as_ref())?;
            let count = self.0.entry(condition).or_default();
            *count = count.saturating_add(message.count);
        }
        Ok(())
    }

    pub(super) fn from_wire(operation: &'static str, messages: &[v1::ConditionCount]) -> Result<Self, Error> {
        let mut counts = Self::default();
        counts.add_wire(operation, messages)?;
        Ok(counts)
    }

    /// Adds those of a part.
    pub fn add(&mut self, other: &Self) {
        for (condition, more) in &other.0 {
            let count = self.0.entry(*condition).or_default();
            *count = count.saturating_add(*more);
        }
    }

    /// Each condition that something is in, the worst first.
    pub fn iter(&self) -> impl Iterator<Item = (Condition, u64)> + '_ {
        self.0
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(condition, count)| (*condition, *count))
    }

    /// How many are in a condition for which `is` is true.
    pub fn count(&self, is: impl Fn(Condition) -> bool) -> u64 {
        let matching = self.iter().filter(|(condition, _)| is(*condition));
        matching.map(|(_, count)| count).sum()
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.count(|_| true)
    }

    /// The worst condition that something is in.
    #[must_use]
    pub fn worst(&self) -> Option<Condition> {
        self.iter().next().map(|(condition, _)| condition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(class: v1::DataClass, copies_left: u32, corrupt: bool, count: u64) -> v1::ConditionCount {
        v1::ConditionCount {
            condition: Some(v1::Condition {
                class: class.into(),
                copies_left,
                corrupt,
            }),
            count,
        }
    }

    #[test]
    fn counts_add_up_and_the_worst_comes_first() {
        let part = [
            count(v1::DataClass::Healthy, 0, false, 5),
            count(v1::DataClass::AtRisk, 2, true, 1),
            count(v1::DataClass::AtRisk, 1, false, 2),
        ];
        let mut counts = ConditionCounts::from_wire("test", &part).unwrap();
        counts.add(&counts.clone());
        let seen: Vec<_> = counts
            .iter()
            .map(|(condition, count)| (condition.to_string(), count))
            .collect();
        let expected = [
            ("at risk, 1 copy left", 4),
            ("at risk, 2 copies left, a replica is corrupt", 2),
            ("healthy", 10),
        ];
        assert_eq!(seen, expected.map(|(text, count)| (text.to_owned(), count)));
        assert_eq!(counts.total(), 16);
        assert_eq!(counts.count(|condition| condition.class.is_at_risk()), 6);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let unknown = [count(v1::DataClass::Unspecified, 0, false, 1)];
        assert!(ConditionCounts::from_wire("test", &unknown).is_err());
        assert!(Condition::from_wire("test", None).is_err());
    }
}
