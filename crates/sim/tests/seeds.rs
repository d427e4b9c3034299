//! The short run: every seed in which something was wrong once, and then some that nobody has tried.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::Command;

/// So many that the suite takes minutes. `cargo xtask soak-simulation` takes an hour of them.
const FRESH: &str = "2";

/// Runs that look for the fewest faults when something is wrong: a debug build takes more than a minute for each.
const TRIES: &str = "8";

#[test]
fn nothing_is_wrong_in_the_seeds_that_ever_failed_nor_in_fresh_ones() {
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds.txt");
    let swept = Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(["--seeds", FRESH, "--shrink", TRIES, "--known"])
        .arg(known)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&swept.stdout);
    let complaint = String::from_utf8_lossy(&swept.stderr);
    assert!(swept.status.success(), "{said}{complaint}");
    assert!(said.contains(" seeds; "), "{said}{complaint}");
    println!("{said}");
}
