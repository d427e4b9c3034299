//! The command that writes: what machines can repair.

use crate::step::{cargo, step};

/// Formats the code and applies clippy's suggestions, also to files that are not committed yet.
pub(crate) fn run() -> anyhow::Result<()> {
    step("lints", || {
        cargo(
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--fix",
                "--allow-dirty",
                "--allow-staged",
            ],
            &[],
        )
    })?;
    step("format", || {
        cargo(&["fmt", "--all"], &[])?;
        cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml"], &[])
    })
}
