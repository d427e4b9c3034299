//! The same seed gives the same simulation: byte by byte, and in whatever process.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::Command;

/// Simulates a seed for so many seconds; gives the trace.
fn trace(dir: &Path, name: &str, seed: u64, arguments: &[&str]) -> Vec<u8> {
    let path = dir.join(name);
    let simulated = Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(["--seed", &seed.to_string(), "--time", "10", "--trace"])
        .arg(&path)
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&simulated.stdout).into_owned();
    assert!(simulated.status.success(), "{said}");
    assert!(said.contains(&format!("seed {seed}: ")), "{said}");
    std::fs::read(path).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_one_another() {
    let dir = tempfile::tempdir().unwrap();
    let first = trace(dir.path(), "first", 1, &[]);
    let again = trace(dir.path(), "again", 1, &[]);
    let other = trace(dir.path(), "other", 2, &[]);
    assert!(first.len() > 100_000, "something happens");
    assert!(first == again, "the traces of one seed differ");
    assert!(first != other);
}

#[test]
fn a_cluster_without_faults_writes_and_reads() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["--quiet", "--masters", "1", "--datanodes", "3"];
    let trace = String::from_utf8(trace(dir.path(), "quiet", 3, &arguments)).unwrap();
    assert!(trace.contains("the cluster is whole"));
    assert!(
        trace.contains("datanode-1 -> datanode-"),
        "replicas are forwarded"
    );
    assert!(trace.contains("the end"));
}
