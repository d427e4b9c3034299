//! The program that is handed out: built twice, the second time for what the first was seen to do.
//!
//! Profile-guided optimisation: a build that counts how often each branch is taken works through the benchmarks as a cluster of real
//! processes, and the compiler then lays out and inlines by these counts. What it is worth is in `docs/benchmarks.md`.
//!
//! ```text
//! target/pgo/counting/         the build that counts
//! target/pgo/counts/           what its processes wrote, a file for each program
//! target/pgo/work.log          what the benchmarks said; nothing of it is a measurement
//! target/pgo/merged.profdata   all counts
//! target/pgo/built/            the build that knows them
//! target/pgo/distrifs, bench   its programs
//! ```

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::step::{cargo, finish, step};
use crate::workspace;

/// The programs.
const PROGRAMS: [&str; 2] = ["distrifs", "bench"];

/// What the build that counts is made to do: benchmarks of names, of small files and of large ones.
const WORK: [&[&str]; 3] = [
    &["metadata", "--rounds", "1", "--seconds", "3", "--callers", "64"],
    &["small", "--rounds", "1"],
    &["data", "--rounds", "1", "--size", "256MiB"],
];

/// Counts, builds, and says where the programs are.
pub(crate) fn run() -> anyhow::Result<()> {
    let compiler = Compiler::ask()?;
    let merger = compiler.tool("llvm-profdata")?;
    let place = workspace::root().join("target/pgo");
    let (counts, merged) = (place.join("counts"), place.join("merged.profdata"));
    let (counting, built) = (place.join("counting"), place.join("built"));
    fs::create_dir_all(&place)?;

    step("a build that counts", || {
        let flag = format!("-Cprofile-generate={}", counts.display());
        build(&compiler, &counting, &flag)
    })?;
    step("work", || {
        // Of an earlier run.
        empty(&counts)?;
        work(
            &counting.join(&compiler.host).join("dist"),
            &place.join("work.log"),
        )
    })?;
    step("counts", || merge(&merger, &counts, &merged))?;
    step("the build", || {
        // That the counts are others than before is not for cargo to see.
        empty(&built)?;
        let flag = format!("-Cprofile-use={}", merged.display());
        build(&compiler, &built, &flag)
    })?;
    for program in PROGRAMS {
        let from = built.join(&compiler.host).join("dist").join(program);
        fs::copy(&from, place.join(program)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    println!("{}", place.join("distrifs").display());
    Ok(())
}

/// The compiler in use.
struct Compiler {
    /// The target that it builds for.
    host: String,
    /// Where it is installed.
    root: PathBuf,
}

impl Compiler {
    fn ask() -> anyhow::Result<Self> {
        let host = said(&["-vV"])?
            .lines()
            .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
            .context("`rustc -vV` names no host")?;
        let root = PathBuf::from(said(&["--print", "sysroot"])?.trim());
        Ok(Self { host, root })
    }

    /// A tool of LLVM's that fits this compiler: another version may not read what it writes.
    fn tool(&self, name: &str) -> anyhow::Result<PathBuf> {
        let tool = self
            .root
            .join("lib/rustlib")
            .join(&self.host)
            .join("bin")
            .join(name);
        ensure!(
            tool.is_file(),
            "this compiler has no {name}; `rustup component add llvm-tools` installs it"
        );
        Ok(tool)
    }
}

/// What the compiler answers.
fn said(arguments: &[&str]) -> anyhow::Result<String> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler)
        .args(arguments)
        .current_dir(workspace::root())
        .output()
        .context("cannot start rustc")?;
    ensure!(
        output.status.success(),
        "`rustc {}`: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// Builds the programs with one more flag. The target is named so that the flag is not for build scripts.
fn build(compiler: &Compiler, into: &Path, flag: &str) -> anyhow::Result<()> {
    // Flags that are given apart may have spaces, as paths do.
    let given = std::env::var("RUSTFLAGS").unwrap_or_default();
    let flags: Vec<&str> = given.split_ascii_whitespace().chain([flag]).collect();
    let into = into.to_str().context("the path of this repository is no text")?;
    cargo(
        &[
            "build",
            "--locked",
            "--profile",
            "dist",
            "--package",
            "cli",
            "--package",
            "bench",
            "--target",
            &compiler.host,
        ],
        &[
            ("CARGO_ENCODED_RUSTFLAGS", &flags.join("\x1f")),
            ("CARGO_TARGET_DIR", into),
        ],
    )
}

/// Has the benchmarks run, each with the programs in `programs`.
fn work(programs: &Path, log: &Path) -> anyhow::Result<()> {
    let mut said = File::create(log)?;
    for arguments in WORK {
        writeln!(said, "bench {}", arguments.join(" "))?;
        let mut bench = Command::new(programs.join("bench"));
        bench
            .args(arguments)
            .stdout(said.try_clone()?)
            .stderr(said.try_clone()?);
        finish(&mut bench, &format!("`bench {}`", arguments.join(" ")))
            .with_context(|| format!("what it said is in {}", log.display()))?;
    }
    Ok(())
}

/// Puts all counts into one file.
fn merge(merger: &Path, counts: &Path, into: &Path) -> anyhow::Result<()> {
    let mut files: Vec<OsString> = Vec::new();
    let read = fs::read_dir(counts).with_context(|| format!("no counts in {}", counts.display()))?;
    for entry in read {
        files.push(entry?.path().into());
    }
    ensure!(
        files.len() >= PROGRAMS.len(),
        "only {} of {} programs have left counts in {}",
        files.len(),
        PROGRAMS.len(),
        counts.display()
    );
    let mut merger = Command::new(merger);
    merger.args(["merge", "-o"]).arg(into).args(&files);
    finish(&mut merger, "llvm-profdata")
}

/// Removes the directory and all that is in it.
fn empty(directory: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}
