//! The policies by their names.

use crate::{Choice, ClusterView, First, Placement, Request, Ring, Spread};

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

/// A name that no policy has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no placement policy {name:?}; there are {}", Policy::NAMES.join(", "))]
pub struct UnknownPolicy {
    /// What was asked for.
    pub name: String,
}

impl Policy {
    /// Their names, the default first.
    pub const NAMES: [&'static str; 3] = ["spread", "ring", "first"];

    /// The points on a ring of a node of mean capacity, where nobody says another number.
    pub const RING_POINTS: u32 = 256;

    /// The policy of that name; `ring_points` is for `ring` alone.
    ///
    /// # Errors
    /// When there is none.
    pub fn by_name(name: &str, ring_points: u32) -> Result<Self, UnknownPolicy> {
        match name {
            "spread" => Ok(Self::Spread(Spread)),
            "ring" => Ok(Self::Ring(Ring::new(ring_points))),
            "first" => Ok(Self::First(First)),
            _ => Err(UnknownPolicy {
                name: name.to_owned(),
            }),
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
        for name in Policy::NAMES {
            assert_eq!(Policy::by_name(name, 1).unwrap().name(), name);
        }
        assert_eq!(Policy::default().name(), Policy::NAMES[0]);
        assert_eq!(
            Policy::by_name("best", 1).unwrap_err().to_string(),
            "there is no placement policy \"best\"; there are spread, ring, first"
        );
    }
}
