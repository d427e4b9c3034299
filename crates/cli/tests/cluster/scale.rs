//! How much of a test to run.

/// Whether the variable `name` asks for all of it; the gate runs the thinned form.
pub(crate) fn full(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| value == "full")
}

pub(crate) const KIB: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const GIB: u64 = 1 << 30;
