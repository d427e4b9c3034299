//! Every command of the operator's book is run: see `book.py` beside this file.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Chapters that are run together, on the same machines. Each with what it builds on.
const TOGETHER: [&[&str]; 6] = [
    &[
        "healing.md",
        "metrics.md",
        "console.md",
        "webhdfs.md",
        "audit.md",
        "monitoring.md",
    ],
    &["nodes.md", "disks.md"],
    &["masters.md"],
    &["upgrades.md", "backup.md"],
    &["disasters.md"],
    &["chaos.md"],
];

/// Chapters that others build on, and that are run with these.
const BEFORE: [&str; 2] = ["install.md", "first-cluster.md"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn run(chapters: &[&str]) {
    if Command::new("python3").arg("--version").output().is_err() {
        return eprintln!("SKIPPED: there is no python3 to run the book with");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/book/book.py");
    let mut command = Command::new("python3");
    command
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_distrifs"))
        .arg(repository());
    let output = command.args(chapters).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    eprintln!("{told}");
}

#[test]
fn looking_at_a_cluster() {
    run(TOGETHER[0]);
}

#[test]
fn datanodes_and_their_disks() {
    run(TOGETHER[1]);
}

#[test]
fn masters() {
    run(TOGETHER[2]);
}

#[test]
fn upgrades_and_backups() {
    run(TOGETHER[3]);
}

#[test]
fn disasters() {
    run(TOGETHER[4]);
}

#[test]
fn chaos() {
    run(TOGETHER[5]);
}

#[test]
fn every_command_of_the_book_is_run_or_says_why_not() {
    let run: BTreeSet<_> = TOGETHER.into_iter().flatten().copied().chain(BEFORE).collect();
    for entry in fs::read_dir(repository().join("docs/operations")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let has = text.contains("\n```console");
        assert_eq!(has, run.contains(name), "{name} is run, or has nothing to run");
        let mut before = "";
        for line in text.lines() {
            let shell = line.starts_with("```sh") || line.starts_with("```bash");
            assert!(
                !shell || before.starts_with("<!-- not run"),
                "{name}: commands that nobody runs"
            );
            before = line;
        }
    }
}
