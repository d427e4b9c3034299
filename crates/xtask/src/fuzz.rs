//! Every decoder that meets bytes from outside, under coverage-guided fuzzing (libFuzzer, AddressSanitizer).
//!
//! It takes a nightly toolchain and nothing else: what `cargo fuzz` would tell the compiler is told here. A run begins with the
//! corpus in `fuzz/corpus/TARGET`, keeps what it finds in `fuzz/target/corpus/TARGET`, and ends at the first input that breaks
//! something; that input is in `fuzz/artifacts/TARGET` then.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::step::{finish, step};
use crate::workspace;

/// What instruments the code for libFuzzer.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address -Ccodegen-units=1 \
                     -Cdebug-assertions";

/// The target: this machine. It is named because the flags are not for build scripts, which are built without them then.
fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// The longest input.
const INPUT_BYTES_MAX: u32 = 16 << 10;

/// Runs one target, or all, for so many seconds each.
pub(crate) fn run(target: Option<&str>, seconds: u64) -> anyhow::Result<()> {
    let fuzz = workspace::root().join("fuzz");
    let all = targets(&fuzz)?;
    let chosen: Vec<&String> = all
        .iter()
        .filter(|name| target.is_none_or(|target| target == *name))
        .collect();
    ensure!(
        !chosen.is_empty(),
        "there is no such target; there are: {}",
        all.join(", ")
    );
    step("build", || build(&fuzz))?;
    for name in chosen {
        step(name, || one(&fuzz, name, seconds))?;
    }
    Ok(())
}

/// The names of all targets, sorted.
fn targets(fuzz: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(fuzz.join("fuzz_targets"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn build(fuzz: &Path) -> anyhow::Result<()> {
    let mut cargo = Command::new("rustup");
    cargo
        .args([
            "run",
            "nightly",
            "cargo",
            "build",
            "--release",
            "--locked",
            "--target",
            &triple(),
        ])
        .env("RUSTFLAGS", FLAGS)
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .current_dir(fuzz);
    finish(&mut cargo, "the build").context("`rustup toolchain install nightly` installs what is needed")
}

fn one(fuzz: &Path, name: &str, seconds: u64) -> anyhow::Result<()> {
    let found = fuzz.join("target/corpus").join(name);
    let broken = fuzz.join("artifacts").join(name);
    let kept = fuzz.join("corpus").join(name);
    for directory in [&found, &broken] {
        fs::create_dir_all(directory)?;
    }
    let mut target = Command::new(program(fuzz, name));
    target
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-artifact_prefix={}/", broken.display()))
        .arg("-print_final_stats=1")
        .arg("-verbosity=0")
        .arg(&found);
    if kept.is_dir() {
        target.arg(&kept);
    }
    finish(&mut target, "the target").context("an input breaks something: it is in fuzz/artifacts")
}

fn program(fuzz: &Path, name: &str) -> PathBuf {
    fuzz.join("target").join(triple()).join("release").join(name)
}
