//! Bugs on purpose: a simulator that does not find them is broken.
//!
//! # What it costs, and what it can not do
//! Without the feature `bugs` (which only the simulator has, and which is off there, too, until somebody asks for it) [`is_planted`] is
//! `false` for the compiler: the branch behind it is not in the program. With the feature there is one bug at most, in the process that
//! has called `plant`; nothing reads it from a file, an argument or the environment. The `distrifs` binary asserts at compile time that
//! bugs are not [`POSSIBLE`].

#[cfg(feature = "bugs")]
use std::sync::atomic::{AtomicU8, Ordering};

/// Whether this build can have bugs on purpose.
pub const POSSIBLE: bool = cfg!(feature = "bugs");

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// A master acknowledges what it has written to its log, and syncs it with what comes next.
    AcknowledgeEarly = 1,
    /// A leader goes on to answer when its lease is over, as if it still were the only one.
    IgnoreFence,
    /// Replicas too many are destroyed without those that stay having been read.
    DestroyUnverified,
    /// A repair of a pipeline gets the generation that the broken one has.
    ReuseGeneration,
    /// A datanode obeys a leader although it has seen a later one.
    ObeyFormer,
}

#[cfg(feature = "bugs")]
static PLANTED: AtomicU8 = AtomicU8::new(0);

/// Plants a bug in this process.
#[cfg(feature = "bugs")]
pub fn plant(bug: Bug) {
    PLANTED.store(bug as u8, Ordering::Relaxed);
}

/// Whether this bug is planted.
#[cfg(feature = "bugs")]
#[must_use]
pub fn is_planted(bug: Bug) -> bool {
    PLANTED.load(Ordering::Relaxed) == bug as u8
}

/// Whether this bug is planted: never.
#[cfg(not(feature = "bugs"))]
#[inline(always)]
#[must_use]
pub const fn is_planted(_bug: Bug) -> bool {
    false
}
