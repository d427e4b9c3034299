//! What the source code of each crate names.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::Context as _;

use super::Violation;
use super::ladder::{Standing, World, standing};
use super::lexer::{tokens, without_tests};
use super::paths::{Path as Named, paths};
use crate::workspace::{Metadata, root};

/// A thing that code must not name.
struct Ban {
    /// The segments of a path.
    path: &'static [&'static str],
    place: Place,
    /// What to use instead.
    instead: &'static str,
}

/// Where in a path a banned one is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At its beginning.
    Start,
    /// Anywhere in it: the name may have come in by an import.
    Anywhere,
    /// Exactly it: the module itself, from which anything could be named.
    Whole,
}

use Place::{Anywhere, Start, Whole};

const CLOCK: &str = "take the time as an argument, or ask `env`'s clock";
const DISK: &str = "files are reached through `env`'s disk";
const NETWORK: &str = "sockets are reached through `env`'s network";
const RANDOM: &str = "take random numbers as an argument, or ask `env`'s randomness";
const THREADS: &str = "threads come from `env`";
const PROCESS: &str = "the process belongs to the binary";

/// What no code between the pure crates and the binaries may name: the world has seams.
const SEAMS: &[Ban] = &[
    ban(&["std", "fs"], Start, DISK),
    ban(&["tokio", "fs"], Start, DISK),
    ban(&["tokio", "net"], Start, NETWORK),
    ban(&["std", "net"], Whole, NETWORK),
    ban(&["std", "net", "*"], Start, NETWORK),
    ban(&["std", "net", "self"], Start, NETWORK),
    ban(&["std", "net", "TcpStream"], Start, NETWORK),
    ban(&["std", "net", "TcpListener"], Start, NETWORK),
    ban(&["std", "net", "UdpSocket"], Start, NETWORK),
    ban(&["std", "net", "ToSocketAddrs"], Start, NETWORK),
    ban(&["std", "process"], Start, PROCESS),
    ban(&["std", "env"], Start, PROCESS),
    ban(&["std", "thread"], Start, THREADS),
    ban(&["std", "time", "Instant"], Start, CLOCK),
    ban(&["SystemTime", "now"], Anywhere, CLOCK),
    ban(&["getrandom"], Start, RANDOM),
    // Generators with a given seed are fine; these draw from the thread's or the system's own.
    ban(&["rand"], Whole, RANDOM),
    ban(&["rand", "*"], Start, RANDOM),
    ban(&["rand", "self"], Start, RANDOM),
    ban(&["rand", "random"], Start, RANDOM),
    ban(&["rand", "rng"], Start, RANDOM),
    ban(&["rand", "make_rng"], Start, RANDOM),
    ban(&["rand", "rngs", "ThreadRng"], Start, RANDOM),
    ban(&["rand", "rngs", "SysRng"], Start, RANDOM),
    ban(&["rand", "rngs", "OsRng"], Start, RANDOM),
    ban(&["from_rng"], Anywhere, RANDOM),
    ban(&["Uuid", "new_v4"], Anywhere, RANDOM),
    ban(&["Uuid", "now_v7"], Anywhere, RANDOM),
];

/// What a pure crate may not name besides.
const PURE: &[Ban] = &[
    ban(&["tokio"], Start, "no runtime in a pure crate"),
    ban(&["std", "net"], Start, NETWORK),
    ban(&["std", "os"], Start, "no operating system in a pure crate"),
    ban(&["std", "io", "stdin"], Start, PROCESS),
    ban(&["std", "io", "stdout"], Start, PROCESS),
    ban(&["std", "io", "stderr"], Start, PROCESS),
    ban(&["std", "time", "SystemTime"], Start, CLOCK),
    ban(&["Instant", "now"], Anywhere, CLOCK),
    ban(&["thread", "spawn"], Anywhere, THREADS),
    ban(&["thread", "sleep"], Anywhere, THREADS),
    ban(&["Rng", "new"], Anywhere, RANDOM),
    ban(&["RandomState", "new"], Anywhere, RANDOM),
];

/// `fastrand` is for generators with a given seed; its free functions draw from the thread's own.
const SEEDED: &str = "fastrand";

const fn ban(path: &'static [&'static str], place: Place, instead: &'static str) -> Ban {
    Ban { path, place, instead }
}

impl Ban {
    fn hits(&self, named: &[String]) -> bool {
        match self.place {
            Start => named.len() >= self.path.len() && named.iter().zip(self.path).all(|(a, b)| a == b),
            Anywhere => named
                .windows(self.path.len())
                .any(|window| window.iter().zip(self.path).all(|(a, b)| a == b)),
            Whole => named == self.path,
        }
    }
}

/// Reads the sources of every crate that the ladder restrains.
pub(super) fn check(metadata: &Metadata) -> anyhow::Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for package in metadata.members() {
        let Standing::On(rung) = standing(&package.name) else {
            continue;
        };
        if rung.world == World::Open {
            continue;
        }
        let sources = package.manifest_path.with_file_name("src");
        for file in files(&sources)? {
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let shown = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
            violations.extend(violations_in(&text, &shown, rung.world));
        }
    }
    Ok(violations)
}

/// The files of a crate that are not for tests only.
fn files(sources: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    walk(sources, &mut all).with_context(|| format!("cannot list {}", sources.display()))?;
    all.sort();
    let mut tests = Vec::new();
    for file in &all {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let code = without_tests(&tokens(&text));
        let children = children(file);
        for module in code.test_modules {
            tests.push(children.join(format!("{module}.rs")));
            tests.push(children.join(module));
        }
    }
    all.retain(|file| !tests.iter().any(|test| file.starts_with(test)));
    Ok(all)
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// Where the modules that `file` declares are.
fn children(file: &Path) -> PathBuf {
    match file.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "mod" | "main") | None => file.with_file_name(""),
        Some(_) => file.with_extension(""),
    }
}

fn violations_in(text: &str, file: &str, world: World) -> Vec<Violation> {
    let code = without_tests(&tokens(text));
    let mut violations: Vec<Violation> = paths(&code.tokens)
        .iter()
        .filter_map(|named| {
            let instead = banned(named, world)?;
            Some(Violation {
                place: format!("{file}:{}", named.line),
                what: format!("names `{}`; {instead}", named.segments.join("::")),
            })
        })
        .collect();
    violations.dedup();
    violations
}

/// Why `named` is banned, if it is.
fn banned(named: &Named, world: World) -> Option<&'static str> {
    let pure: &[Ban] = if world == World::Pure { PURE } else { &[] };
    if let Some(ban) = SEAMS.iter().chain(pure).find(|ban| ban.hits(&named.segments)) {
        return Some(ban.instead);
    }
    match named.segments.as_slice() {
        [krate, item, ..] if krate == SEEDED && item != "Rng" => Some(RANDOM),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, world: World) -> Vec<String> {
        violations_in(text, "a.rs", world)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn planted_violations_are_found_in_a_pure_crate() {
        for planted in [
            "use tokio::sync::mpsc;",
            "use std::{collections::BTreeMap, fs};",
            "let x = std::fs::read(p);",
            "use std::net::TcpStream;",
            "fn f(a: std::net::SocketAddr) {}",
            "use std::process::Command;",
            "use std::time::Instant; fn f() { Instant::now() }",
            "let t = SystemTime::now();",
            "let v = std::env::var(\"HOME\");",
            "use std::thread; fn f() { thread::spawn(g) }",
            "let n = rand::random::<u64>();",
            "let n = rand::rng().next_u64();",
            "use rand::rngs::{SmallRng, OsRng};",
            "getrandom::fill(&mut b)",
            "fastrand::u64(..)",
            "fastrand::Rng::new()",
            "uuid::Uuid::new_v4()",
        ] {
            assert!(!found(planted, World::Pure).is_empty(), "{planted}");
        }
    }

    #[test]
    fn what_is_only_spoken_of_or_tested_passes() {
        let nothing: Vec<String> = Vec::new();
        for fine in [
            "// std::fs::read\nfn f() { \"std::fs::read\" }",
            "#[cfg(test)] mod tests { use std::fs; }",
            "use std::time::Duration; use std::io::Write; use std::fmt;",
            "fastrand::Rng::with_seed(seed)",
            "use rand::rngs::SmallRng; use rand::SeedableRng;",
            "use crate::env::Thing; use crate::thread; fn rand() {}",
        ] {
            assert_eq!(found(fine, World::Pure), nothing, "{fine}");
        }
    }

    #[test]
    fn shells_meet_the_world_through_the_seams() {
        for planted in [
            "use tokio::net::TcpStream;",
            "tokio::fs::read(p).await",
            "use std::net::{SocketAddr, TcpListener};",
            "use std::net;",
            "use std::{net, io};",
            "std::thread::sleep(d)",
            "use std::time::{Duration, Instant};",
        ] {
            assert_eq!(found(planted, World::Seams).len(), 1, "{planted}");
        }
        let nothing: Vec<String> = Vec::new();
        for fine in [
            "use tokio::time::Instant; fn f() { Instant::now() }",
            "use std::net::SocketAddr;",
            "use tokio::sync::mpsc;",
        ] {
            assert_eq!(found(fine, World::Seams), nothing, "{fine}");
        }
    }

    #[test]
    fn a_violation_says_where_what_and_what_instead() {
        assert_eq!(
            found("\n\nuse std::fs::File;", World::Pure),
            ["a.rs:3: names `std::fs::File`; files are reached through `env`'s disk"]
        );
    }

    #[test]
    fn files_of_test_modules_are_left_out() {
        let directory = std::env::temp_dir().join(format!("xtask-sources-{}", std::process::id()));
        let nested = directory.join("lease");
        fs::create_dir_all(&nested).unwrap();
        fs::write(directory.join("lib.rs"), "mod lease; #[cfg(test)] mod tests;").unwrap();
        fs::write(directory.join("tests.rs"), "use std::fs;").unwrap();
        fs::write(directory.join("lease.rs"), "#[cfg(test)] mod harness;").unwrap();
        fs::write(nested.join("harness.rs"), "use std::fs;").unwrap();
        let mut names: Vec<String> = files(&directory)
            .unwrap()
            .iter()
            .map(|file| file.strip_prefix(&directory).unwrap().display().to_string())
            .collect();
        fs::remove_dir_all(&directory).unwrap();
        names.sort();
        assert_eq!(names, ["lease.rs", "lib.rs"]);
    }
}
