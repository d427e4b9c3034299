//! Many seeds, each in a process of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};

use crate::coverage::State;
use crate::faults;
use crate::report::Report;

/// Of a cluster, in a day of one processor.
const YEARS_AIMED_AT: f64 = 2.0;
const HOURS_OF_A_YEAR: f64 = 8_766.0;

/// What is to be swept.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// These seeds first.
    pub known: Vec<u64>,
    /// Then those from here on.
    pub from: u64,
    /// So many.
    pub count: u64,
    /// No new one after so long.
    pub time: Option<Duration>,
    /// No new one when something was found.
    pub until_found: bool,
    /// Processes at a time.
    pub jobs: usize,
    /// Further arguments for each.
    pub arguments: Vec<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Swept {
    /// Seeds that were simulated.
    pub seeds: u64,
    /// Those in which something is wrong, with the first finding.
    pub failed: BTreeMap<u64, String>,
    simulated_s: f64,
    took_s: f64,
    calls: u64,
    bytes: u64,
    peaks: BTreeMap<String, u64>,
    faults: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Sweeps. `tell` is called with each report.
///
/// # Errors
/// When a process can not be started. One that ends without a report is a seed that failed.
pub fn sweep(sweep: &Sweep, tell: impl Fn(&Report) + Sync) -> anyhow::Result<Swept> {
    let program = std::env::current_exe().context("this program is not known to itself")?;
    let begun = Instant::now();
    let next = Mutex::new((0_usize, 0_u64));
    let swept = Mutex::new(Swept::default());
    let take = || {
        let found = !swept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .failed
            .is_empty();
        if sweep.until_found && found {
            return None;
        }
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seed) = sweep.known.get(next.0) {
            next.0 += 1;
            return Some(*seed);
        }
        let over = next.1 >= sweep.count || sweep.time.is_some_and(|time| begun.elapsed() >= time);
        if over {
            return None;
        }
        next.1 += 1;
        Some(sweep.from.wrapping_add(next.1 - 1))
    };
    let work = || -> anyhow::Result<()> {
        while let Some(seed) = take() {
            let report = one(&program, seed, &sweep.arguments)?;
            tell(&report);
            swept.lock().unwrap_or_else(PoisonError::into_inner).add(&report);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..sweep.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .map_err(|_| anyhow!("a thread of the sweep panicked"))?
        })
    })?;
    Ok(swept.into_inner().unwrap_or_else(PoisonError::into_inner))
}

pub(crate) fn one(program: &Path, seed: u64, arguments: &[String]) -> anyhow::Result<Report> {
    let output = Command::new(program)
        .args(["--seed", &seed.to_string(), "--json"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not start {}", program.display()))?;
    let report = serde_json::from_slice(&output.stdout);
    Ok(report.unwrap_or_else(|_| Report {
        seed,
        findings: vec![format!(
            "the simulation ended without a report ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        )],
        ..Report::default()
    }))
}

impl Swept {
    fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.simulated_s += report.simulated_s;
        self.took_s += report.took_s;
        self.calls += report.calls();
        self.bytes += report.bytes_verified;
        for (name, states) in &report.faults {
            let sums = self.faults.entry(name.clone()).or_default();
            for (state, count) in states {
                *sums.entry(state.clone()).or_default() += count;
            }
        }
        for (name, count) in &report.peaks {
            let peak = self.peaks.entry(name.clone()).or_default();
            *peak = (*peak).max(*count);
        }
        if let Some(first) = report.findings.first() {
            self.failed.insert(report.seed, first.clone());
        }
    }
}

impl Swept {
    /// A line for each kind of fault, also for those that have not happened: how often in which state of the cluster.
    fn write_faults(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<28} {:>8}", "faults", "all")?;
        for state in State::ALL {
            write!(f, " {:>14}", state.name())?;
        }
        writeln!(f)?;
        let mut missing = 0;
        let kinds = faults::kinds();
        for kind in &kinds {
            let states = self.faults.get(kind);
            let of = |state: State| {
                let count = states.and_then(|states| states.get(state.name()));
                count.copied().unwrap_or_default()
            };
            let all: u64 = State::ALL.into_iter().map(of).sum();
            write!(f, "  {kind:<26} {all:>8}")?;
            for state in State::ALL {
                missing += usize::from(of(state) == 0);
                write!(f, " {:>14}", of(state))?;
            }
            writeln!(f)?;
        }
        let cells = kinds.len() * State::ALL.len();
        writeln!(
            f,
            "{} of {cells} pairs of fault and state have happened",
            cells - missing
        )
    }
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = if self.took_s > 0.0 {
            self.simulated_s / self.took_s
        } else {
            0.0
        };
        writeln!(
            f,
            "{} seeds; {:.2} simulated hours in {:.1} minutes of processor time",
            self.seeds,
            self.simulated_s / 3600.0,
            self.took_s / 60.0,
        )?;
        writeln!(
            f,
            "{hours:.0} hours in a core-hour, {:.3} cluster-years in a core-day; the aim is {YEARS_AIMED_AT:.0}",
            hours * 24.0 / HOURS_OF_A_YEAR,
        )?;
        writeln!(f, "{} calls, {} bytes read and compared", self.calls, self.bytes)?;
        self.write_faults(f)?;
        for (name, count) in &self.peaks {
            writeln!(f, "{name:<28} {count:>8} at most")?;
        }
        for (seed, finding) in &self.failed {
            writeln!(f, "FAILED seed {seed}: {finding}")?;
        }
        write!(f, "{} seeds failed", self.failed.len())
    }
}
