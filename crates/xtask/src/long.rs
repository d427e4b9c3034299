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

/// Seeds in which something was wrong once, and then an hour of new ones; then half an hour of seeds in which less happens in more time.
pub(crate) fn soak_simulation() -> anyhow::Result<()> {
    let known = ["--known", "crates/sim/seeds.txt"];
    let fresh = ["--seeds", "1000000", "--within", "3600"];
    step("soak simulation", || {
        sim(&[], &[known.as_slice(), &fresh].concat())
    })?;
    let slow = [
        "--pace", "60", "--time", "3600", "--seeds", "1000000", "--within", "1800",
    ];
    step("soak simulation, slowly", || sim(&[], &slow))
}

/// The bugs that can be planted, and in how many seeds each must be found: about three times as many as it took.
const PLANTS: [(&str, u64); 8] = [
    ("replica-sync", 25),
    ("replica-name-sync", 25),
    ("log-sync", 15),
    ("acknowledge-early", 15),
    ("ignore-fence", 5),
    ("destroy-unverified", 5),
    ("reuse-generation", 5),
    ("obey-former", 65),
];

/// Looks for every bug on purpose, each from seed 1 on, in as many as it must be found in.
pub(crate) fn plants() -> anyhow::Result<()> {
    for (plant, seeds) in PLANTS {
        step(plant, || {
            let seeds = seeds.to_string();
            let wanted = ["--find", "--from", "1", "--seeds", &seeds, "--plant", plant];
            sim(&["--features", "bugs"], &wanted)
        })?;
    }
    Ok(())
}

/// Runs the simulator.
fn sim(build: &[&str], arguments: &[&str]) -> anyhow::Result<()> {
    let run = ["run", "--release", "--locked", "--package", "sim"];
    cargo(&[&run, build, &["--"], arguments].concat(), &[])
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
