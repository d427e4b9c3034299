//! Simulates clusters. See the library.

#[expect(unsafe_code, reason = "an allocator")]
mod counting;
#[expect(unsafe_code, reason = "functions of the C library are defined anew")]
mod interpose;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::Parser;
use sim::{Options, Plant, Report, Sweep};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// The last events of a seed of many in which something is wrong: the rest is to be seen by simulating it alone.
const EVENTS: usize = 200;

/// A whole cluster in one process and one thread, from one seed.
///
/// With `--seed` it simulates that seed, and tells what happened before something was wrong. With `--seeds` it simulates many.
#[derive(Debug, Parser)]
#[command(name = "sim")]
struct Arguments {
    /// Simulates this seed.
    #[arg(long, required_unless_present = "seeds", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Simulates so many seeds, each in a process of its own.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first one of many; else one that nobody has thought of.
    #[arg(long, requires = "seeds")]
    from: Option<u64>,
    /// Simulates the seeds in this file first: one a line, with a comment behind a '#'.
    #[arg(long, requires = "seeds")]
    known: Option<PathBuf>,
    /// Begins no new seed after so many seconds.
    #[arg(long, requires = "seeds")]
    within: Option<u64>,
    /// Ends with the first seed in which something is wrong. That there is one is what is wanted: for bugs on purpose.
    #[arg(long, requires = "seeds")]
    find: bool,
    /// Processes at a time; else one for each processor.
    #[arg(long, requires = "seeds")]
    jobs: Option<usize>,
    /// Seconds in which faults happen.
    #[arg(long)]
    time: Option<u64>,
    /// Clients and faults take so many times as long between two things. With `--time`: hours in which as much happens as else in
    /// minutes.
    #[arg(long)]
    pace: Option<u32>,
    /// Masters; else as the seed says.
    #[arg(long)]
    masters: Option<usize>,
    /// Datanodes; else as the seed says.
    #[arg(long)]
    datanodes: Option<usize>,
    /// With a bug on purpose: replica-sync, replica-name-sync or log-sync (these do not happen); in a build with the feature
    /// `bugs` also acknowledge-early, ignore-fence, destroy-unverified, reuse-generation or obey-former.
    #[arg(long, value_parser = plant)]
    plant: Option<Plant>,
    /// Without faults.
    #[arg(long)]
    quiet: bool,
    /// Without these faults: their numbers with an 'f', of small ones with a 'w', and commas between.
    #[arg(long, value_delimiter = ',', requires = "seed")]
    skip: Vec<String>,
    /// When something is wrong, looks for the fewest faults with which the seed (of many: the first) still fails, in so many runs
    /// at most. 0 does not look; nor do `--trace`, `--json`, `--skip` and `--find`.
    #[arg(long, default_value_t = 24)]
    shrink: usize,
    /// Writes all that happened here.
    #[arg(long, conflicts_with = "seeds")]
    trace: Option<PathBuf>,
    /// What the servers say, as in RUST_LOG.
    #[arg(long, default_value = sim::options::LOG)]
    log: String,
    /// Tells the outcome as JSON.
    #[arg(long)]
    json: bool,
}

fn plant(name: &str) -> Result<Plant, String> {
    Plant::ALL
        .into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, plant)| plant)
        .ok_or_else(|| {
            format!(
                "there is no such bug; there are {}",
                Plant::ALL.map(|(known, _)| known).join(", ")
            )
        })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.seed {
        Some(seed) => one(&arguments, seed),
        None => many(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Simulates one seed. Answers whether all is well.
fn one(arguments: &Arguments, seed: u64) -> anyhow::Result<bool> {
    let mut options = Options::of(seed);
    options.masters = arguments.masters.unwrap_or(options.masters);
    options.datanodes = arguments.datanodes.unwrap_or(options.datanodes);
    options.time = arguments.time.map_or(options.time, Duration::from_secs);
    options.pace = arguments.pace.unwrap_or(options.pace);
    options.plant = arguments.plant;
    options.quiet = arguments.quiet;
    options.skip = arguments.skip.iter().cloned().collect();
    options.trace.clone_from(&arguments.trace);
    options.log.clone_from(&arguments.log);
    let report = sim::run(&options)?;
    let is_well = report.findings.is_empty();
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
        return Ok(is_well);
    }
    for event in &report.events {
        print!("{event}");
    }
    print!("{report}");
    if !is_well && arguments.trace.is_none() && arguments.skip.is_empty() {
        fewest(arguments, seed)?;
    }
    Ok(is_well)
}

/// What each process of many is to be told, beside its seed.
fn further(arguments: &Arguments) -> Vec<String> {
    let mut further = Vec::new();
    for (name, value) in [
        ("--time", arguments.time),
        ("--pace", arguments.pace.map(u64::from)),
        ("--masters", arguments.masters.map(|count| count as u64)),
        ("--datanodes", arguments.datanodes.map(|count| count as u64)),
    ] {
        further.extend(
            value
                .into_iter()
                .flat_map(|value| [name.to_owned(), value.to_string()]),
        );
    }
    let planted = Plant::ALL
        .into_iter()
        .find(|(_, plant)| Some(*plant) == arguments.plant);
    if let Some((name, _)) = planted {
        further.extend(["--plant".to_owned(), name.to_owned()]);
    }
    if arguments.quiet {
        further.push("--quiet".to_owned());
    }
    further
}

/// Looks for the fewest faults with which a seed still fails, and tells what happened then.
fn fewest(arguments: &Arguments, seed: u64) -> anyhow::Result<()> {
    if arguments.shrink == 0 {
        return Ok(());
    }
    let tries = arguments.shrink;
    println!("looking for the fewest faults with which seed {seed} fails, in {tries} runs at most");
    let tell = |tried: usize, left: usize| eprintln!("  {tried} of {tries} runs, {left} faults left");
    let Some(shrunk) = sim::shrink(seed, &further(arguments), tries, tell)? else {
        println!(
            "seed {seed} did not fail again: the simulation is not deterministic, which is a bug of its own"
        );
        return Ok(());
    };
    println!("the shortest trace that was found:");
    tell_last(&shrunk.report);
    print!("{}", shrunk.report);
    println!("{shrunk}");
    Ok(())
}

/// Prints the events before the first finding.
fn tell_last(report: &Report) {
    let before = report.events.len().saturating_sub(EVENTS);
    for event in report.events.iter().skip(before) {
        print!("{event}");
    }
}

/// Simulates many. Answers whether all is well.
fn many(arguments: &Arguments) -> anyhow::Result<bool> {
    let fresh = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or_default()
    };
    let sweep = Sweep {
        known: arguments
            .known
            .as_deref()
            .map(known)
            .transpose()?
            .unwrap_or_default(),
        from: arguments.from.unwrap_or_else(fresh),
        count: arguments.seeds.unwrap_or_default(),
        time: arguments.within.map(Duration::from_secs),
        until_found: arguments.find,
        jobs: arguments
            .jobs
            .unwrap_or_else(|| available_parallelism().map_or(1, std::num::NonZero::get)),
        arguments: further(arguments),
    };
    let tell = |report: &Report| {
        if let Some(first) = report.findings.first() {
            if !arguments.find {
                tell_last(report);
            }
            println!("seed {} FAILED: {first}", report.seed);
        } else {
            println!(
                "seed {}: {}; {:.0} s in {:.1} s, {} calls",
                report.seed,
                report.cluster,
                report.simulated_s,
                report.took_s,
                report.calls()
            );
        }
    };
    let swept = sim::sweep(&sweep, tell)?;
    println!("{swept}");
    for seed in swept.failed.keys() {
        let further = sweep.arguments.join(" ");
        println!("see it again: cargo run --release -p sim -- --seed {seed} {further}");
    }
    if let Some(first) = swept.failed.keys().next()
        && !arguments.find
    {
        fewest(arguments, *first)?;
    }
    if arguments.find {
        let found = if swept.failed.is_empty() {
            "nothing found"
        } else {
            "found"
        };
        println!("{found} in {} seeds", swept.seeds);
    }
    Ok(swept.failed.is_empty() != arguments.find)
}

/// The seeds in a file.
fn known(path: &Path) -> anyhow::Result<Vec<u64>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(|line| line.parse().with_context(|| format!("{line} is no seed")))
        .collect()
}
