//! The fewest faults with which a seed still fails.
//!
//! What happens follows from everything that happened before, so a seed with a fault less is another run: often it fails all the same,
//! sometimes it does not. What is left out is left out only when the run without it was seen to fail in the same way.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use anyhow::Context as _;

use crate::report::{Happened, Report};
use crate::sweep;

/// What came of it.
#[derive(Debug)]
pub struct Shrunk {
    /// The run with the fewest faults that was seen to fail.
    pub report: Report,
    /// How it is seen again: arguments beside the seed.
    pub arguments: Vec<String>,
    /// Faults of the first run.
    pub faults: usize,
    /// Runs.
    pub tries: usize,
}

/// Simulates `seed` with `arguments` again and again, with ever fewer faults, up to `tries` times. `tell` hears after each how
/// many runs there were, and how many faults are left. None: it does not fail.
///
/// # Errors
/// When a process can not be started.
pub fn shrink(
    seed: u64,
    arguments: &[String],
    tries: usize,
    tell: impl Fn(usize, usize),
) -> anyhow::Result<Option<Shrunk>> {
    let program = std::env::current_exe().context("this program is not known to itself")?;
    let first = sweep::one(&program, seed, arguments)?;
    let Some(kind) = kind_of(&first) else {
        return Ok(None);
    };
    let mut search = Search {
        program: &program,
        seed,
        arguments: arguments.to_vec(),
        kind,
        tries: 1,
        tries_max: tries,
        best: first.clone(),
        tell: &tell,
    };
    tell(search.tries, first.happened.len());
    // Nothing that came after it has a part in it.
    if let (Some(begun), Some(found)) = (first.begun_s, first.found_s)
        && found > begun
    {
        let time = (found - begun).ceil();
        let mut shorter = arguments.to_vec();
        shorter.extend(["--time".to_owned(), format!("{time:.0}")]);
        let before = std::mem::replace(&mut search.arguments, shorter);
        if !search.fails_without(&BTreeSet::new())? {
            search.arguments = before;
        }
    }
    let all: Vec<String> = keys(&search.best.happened);
    let kept = fewest(&all, |kept| {
        let skip = all.iter().filter(|key| !kept.contains(key)).cloned().collect();
        search.fails_without(&skip)
    })?;
    let skip: BTreeSet<String> = all.iter().filter(|key| !kept.contains(key)).cloned().collect();
    let mut arguments = search.arguments.clone();
    arguments.extend(skipping(&skip));
    Ok(Some(Shrunk {
        faults: first.happened.len(),
        report: search.best,
        arguments,
        tries: search.tries,
    }))
}

struct Search<'a> {
    program: &'a Path,
    seed: u64,
    arguments: Vec<String>,
    kind: String,
    tries: usize,
    tries_max: usize,
    /// The last run that failed.
    best: Report,
    tell: &'a dyn Fn(usize, usize),
}

impl Search<'_> {
    /// Whether it still fails in the same way without these faults. When there were enough tries, it does not.
    fn fails_without(&mut self, skip: &BTreeSet<String>) -> anyhow::Result<bool> {
        if self.tries >= self.tries_max {
            return Ok(false);
        }
        self.tries += 1;
        let mut arguments = self.arguments.clone();
        arguments.extend(skipping(skip));
        let report = sweep::one(self.program, self.seed, &arguments)?;
        let same = kind_of(&report).as_ref() == Some(&self.kind);
        if same {
            self.best = report;
        }
        (self.tell)(self.tries, self.best.happened.len());
        Ok(same)
    }
}

/// The arguments that leave faults out.
fn skipping(skip: &BTreeSet<String>) -> Vec<String> {
    if skip.is_empty() {
        return Vec::new();
    }
    let keys: Vec<&str> = skip.iter().map(String::as_str).collect();
    vec!["--skip".to_owned(), keys.join(",")]
}

/// What was found first, in one word.
fn kind_of(report: &Report) -> Option<String> {
    let first = report.findings.first()?;
    Some(first.split_whitespace().next().unwrap_or_default().to_owned())
}

fn keys(happened: &[Happened]) -> Vec<String> {
    happened.iter().map(|fault| fault.key.clone()).collect()
}

/// The fewest of `all` with which it still `fails`, as far as leaving out parts, halved again and again, finds them (Zeller's ddmin).
fn fewest<E>(all: &[String], mut fails: impl FnMut(&[String]) -> Result<bool, E>) -> Result<Vec<String>, E> {
    let mut kept = all.to_vec();
    let mut parts = 1;
    while !kept.is_empty() {
        let size = kept.len().div_ceil(parts);
        let mut smaller = None;
        for part in 0..kept.len().div_ceil(size) {
            let gone = part * size..(part + 1) * size;
            let rest: Vec<String> = kept
                .iter()
                .enumerate()
                .filter(|(place, _)| !gone.contains(place))
                .map(|(_, key)| key.clone())
                .collect();
            if fails(&rest)? {
                smaller = Some(rest);
                break;
            }
        }
        match smaller {
            Some(rest) => {
                kept = rest;
                parts = parts.saturating_sub(1).max(2);
            }
            None if size == 1 => break,
            None => parts *= 2,
        }
    }
    Ok(kept)
}

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} of {} faults are left after {} runs:",
            self.report.happened.len(),
            self.faults,
            self.tries
        )?;
        for fault in &self.report.happened {
            writeln!(f, "  {:>10.3}  {:<5} {}", fault.at_s, fault.key, fault.what)?;
        }
        write!(
            f,
            "see it again: cargo run --release -p sim -- --seed {} {}",
            self.report.seed,
            self.arguments.join(" ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(count: usize, needed: &[usize]) -> (Vec<String>, usize) {
        let all: Vec<String> = (0..count).map(|number| format!("f{number}")).collect();
        let needed: Vec<String> = needed.iter().map(|number| format!("f{number}")).collect();
        let mut tries = 0;
        let kept = fewest(&all, |kept| {
            tries += 1;
            Ok::<_, ()>(needed.iter().all(|key| kept.contains(key)))
        });
        (kept.unwrap(), tries)
    }

    #[test]
    fn what_has_no_part_in_it_is_left_out() {
        assert_eq!(found(50, &[7, 31]).0, ["f7", "f31"]);
        assert_eq!(found(50, &[49]).0, ["f49"]);
        assert_eq!(found(3, &[0, 1, 2]).0.len(), 3);
        assert_eq!(found(0, &[]).0.len(), 0);
    }

    #[test]
    fn a_failure_that_needs_no_fault_is_seen_at_once() {
        assert_eq!(found(50, &[]), (Vec::new(), 1));
    }

    #[test]
    fn it_takes_few_tries() {
        let (_, tries) = found(60, &[40]);
        assert!(tries < 20, "{tries}");
    }
}
