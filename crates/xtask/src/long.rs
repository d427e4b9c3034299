//! The long runs of the cluster tests. The gate runs the same tests thinned out; these take the thinning away.

use crate::step::{cargo, step};

/// Every file size with every chunk size.
pub(crate) fn matrix() -> anyhow::Result<()> {
    full("matrix", "matrix::", "DISTRIFS_TEST_MATRIX")
}

/// 10,000 small files in one recursive put and get.
pub(crate) fn small_files() -> anyhow::Result<()> {
    full("small files", "small_files::", "DISTRIFS_TEST_SMALL_FILES")
}

/// Every stage of writing with every participant killed.
pub(crate) fn deaths() -> anyhow::Result<()> {
    full("deaths", "deaths::", "DISTRIFS_TEST_DEATHS")
}

/// 10 GiB through a pipe.
pub(crate) fn soak_pipe() -> anyhow::Result<()> {
    full("soak pipe", "pipe::", "DISTRIFS_TEST_SOAK_PIPE")
}

/// Runs one module of the cluster tests in a release build, with the variable that asks for all of it.
fn full(name: &str, module: &str, variable: &str) -> anyhow::Result<()> {
    step(name, || {
        cargo(
            &[
                "test",
                "--release",
                "--package",
                "cli",
                "--test",
                "cluster",
                "--",
                module,
                "--nocapture",
            ],
            &[(variable, "full")],
        )
    })
}
