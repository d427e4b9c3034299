//! The policies by their names.

use std::str::FromStr;

use crate::{Choice, ClusterView, First, Placement, Request, Ring, Spread};

/// The name of a policy, as it is configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum PolicyName {
    /// See [`Spread`].
    #[default]
    Spread,
    /// See [`Ring`].
    Ring,
    /// See [`First`].
    First,
}

/// A name that no policy has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no placement policy {name:?}; there are {}", PolicyName::ALL.join(", "))]
pub struct UnknownPolicy {
    /// What was asked for.
    pub name: String,
}

impl PolicyName {
    /// Their names, the default first.
    pub const ALL: [&'static str; 3] = ["spread", "ring", "first"];
}

impl FromStr for PolicyName {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        match name {
            "spread" => Ok(Self::Spread),
            "ring" => Ok(Self::Ring),
            "first" => Ok(Self::First),
            _ => Err(UnknownPolicy {
                name: name.to_owned(),
            }),
        }
    }
}

/// One of the policies that there are.
#[derive(Debug)]
pub enum Policy {
    /// See [`Spread`].
    Spread(Spread),
    /// See [`Ring`].
    Ring(Ring),
    /// See [`First`].
    First(First),
}

impl Policy {
    /// The points on a ring of a node of mean capacity, where nobody says another number.
    pub const RING_POINTS: u32 = 256;

    /// The policy of that name; `ring_points` is for `ring` alone.
    #[must_use]
    pub fn new(name: PolicyName, ring_points: u32) -> Self {
        match name {
            PolicyName::Spread => Self::Spread(Spread),
            PolicyName::Ring => Self::Ring(Ring::new(ring_points)),
            PolicyName::First => Self::First(First),
        }
    }

    fn inner(&self) -> &dyn Placement {
        match self {
            Self::Spread(spread) => spread,
            Self::Ring(ring) => ring,
            Self::First(first) => first,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::Spread(Spread)
    }
}

impl Placement for Policy {
    fn name(&self) -> &'static str {
        self.inner().name()
    }

    fn choose(&self, view: &ClusterView, request: &Request<'_>, rng: &mut fastrand::Rng) -> Choice {
        self.inner().choose(view, request, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_the_name_that_it_is_found_by() {
        for name in PolicyName::ALL {
            assert_eq!(Policy::new(name.parse().unwrap(), 1).name(), name);
        }
        assert_eq!(Policy::default().name(), PolicyName::ALL[0]);
        assert_eq!(
            "best".parse::<PolicyName>().unwrap_err().to_string(),
            "there is no placement policy \"best\"; there are spread, ring, first"
        );
    }
}
