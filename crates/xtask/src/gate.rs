//! The gate: every check, in the order in which a mistake is cheapest to hear of. It changes nothing.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::layers;
use crate::step::{cargo, seconds, step};
use crate::workspace;

/// Runs every check and stops at the first that fails.
pub(crate) fn run() -> anyhow::Result<()> {
    let start = Instant::now();
    step("format", || {
        cargo(&["fmt", "--all", "--check"], &[])?;
        // The fuzz targets are a workspace of their own; they need nightly to run, but not to be formatted.
        cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"], &[])
    })?;
    step("layers", layers::run)?;
    step("lints", || {
        cargo(
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ],
            &[],
        )
    })?;
    step("docs", || {
        cargo(
            &["doc", "--workspace", "--no-deps", "--locked"],
            &[("RUSTDOCFLAGS", "-D warnings")],
        )
    })?;
    step("examples in docs", || {
        cargo(&["test", "--workspace", "--doc", "--locked"], &[])
    })?;
    step("tests", tests)?;
    println!("gate: passed in {}", seconds(start.elapsed()));
    Ok(())
}

/// The test suite, by nextest where it is installed (every test in a process of its own), else by cargo's runner.
fn tests() -> anyhow::Result<()> {
    if has_nextest() {
        cargo(&["nextest", "run", "--workspace", "--locked"], &[])
    } else {
        cargo(
            &["test", "--workspace", "--lib", "--bins", "--tests", "--locked"],
            &[],
        )
    }
}

fn has_nextest() -> bool {
    Command::new(workspace::cargo())
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
