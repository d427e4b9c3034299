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

/// Seeds in which something was wrong once, and then an hour of new ones.
pub(crate) fn soak_simulation() -> anyhow::Result<()> {
    step("soak simulation", || {
        cargo(
            &[
                "run",
                "--release",
                "--locked",
                "--package",
                "sim",
                "--",
                "--seeds",
                "1000000",
                "--within",
                "3600",
                "--known",
                "crates/sim/seeds.txt",
            ],
            &[],
        )
    })
}

/// The bugs that can be planted.
const PLANTS: [&str; 7] = [
    "replica-sync",
    "replica-name-sync",
    "log-sync",
    "acknowledge-early",
    "ignore-fence",
    "destroy-unverified",
    "reuse-generation",
];

/// Looks for every bug on purpose, each in up to so many seeds, and says in how many it was found.
pub(crate) fn plants(seeds: u32) -> anyhow::Result<()> {
    let seeds = seeds.to_string();
    for plant in PLANTS {
        step(plant, || {
            cargo(
                &[
                    "run",
                    "--release",
                    "--locked",
                    "--package",
                    "sim",
                    "--features",
                    "bugs",
                    "--",
                    "--find",
                    "--from",
                    "1",
                    "--seeds",
                    &seeds,
                    "--plant",
                    plant,
                ],
                &[],
            )
        })?;
    }
    Ok(())
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
