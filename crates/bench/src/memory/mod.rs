//! What a master's memory holds: bytes a file by part, and what operations on it take, without wire, log and threads.
//!
//! Files with random names of 20 characters, one chunk each with three replicas, in directories that are 1 % as many;
//! made, changed and removed by the commands that a master logs. All that is done is done to the state itself, in
//! one thread: these are the costs of the state machine, not of a cluster.

mod figures;
mod files;
mod stall;
mod state;

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};

use anyhow::{Context as _, ensure};
use clap::Args;
use fastrand::Rng;
use namespace::Namespace;
use serde::Serialize;

use self::figures::{Pace, Sizes};
use self::files::Files;
use self::stall::Stall;
use self::state::{State, caller};
use crate::machine::Machine;
use crate::report::Report;
use crate::took::Took;
use crate::{Common, process};

/// One directory for so many files.
const FILES_PER_DIRECTORY: u64 = 100;
/// How many operations are measured of those that look at files here and there.
const SAMPLE: u64 = 100_000;
/// How many snapshots are taken.
const SNAPSHOTS: u64 = 1_000;
/// How many changes are made with a snapshot after each.
const PUBLISHED: u64 = 20_000;
/// Buffer of the file that the state is saved to.
const BUFFER_BYTES: usize = 1 << 20;

/// What `bench namespace` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// How many files; 1000000 and 10000000 when nothing is said. 100000000 take 10 GB of memory and an hour.
    #[arg(long, value_name = "COUNT")]
    files: Vec<u64>,
    /// Leave out the churn: half of the files deleted and made again. It takes as long as making all of them.
    #[arg(long)]
    no_churn: bool,
}

/// One size.
#[derive(Debug, Serialize)]
struct Result {
    files: u64,
    sizes: Vec<Sizes>,
    paces: Vec<Pace>,
    stalls: Vec<Stall>,
    /// Bytes a file after the churn, as a share of those of the fresh build; none when it was left out.
    churned_to_fresh: Option<f64>,
    saved_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Written {
    files: Vec<u64>,
}

/// Measures, prints, writes down.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let machine = Machine::this();
    println!("machine: {}", machine.line());
    let counts = match options.files.as_slice() {
        [] => vec![1_000_000, 10_000_000],
        counts => counts.to_vec(),
    };
    let mut results = Vec::new();
    for &files in &counts {
        println!("\n== {files} files ==");
        results.push(measure(options, files)?);
    }
    let report = Report {
        benchmark: "namespace",
        machine,
        options: Written { files: counts },
        results,
    };
    report.write(options.common.json.as_deref())
}

fn measure(options: &Options, count: u64) -> anyhow::Result<Result> {
    let rss = process::own_rss_kib()?;
    let files = Files {
        directories: (count / FILES_PER_DIRECTORY).max(1),
    };
    let mut state = State::new()?;
    let (mut sizes, mut paces) = (Vec::new(), Vec::new());

    for number in 0..files.directories {
        state.mkdir(files.directory(number)?)?;
    }
    paces.push(Pace::of("create (3 commands)", count, || {
        (0..count).try_for_each(|number| state.create(files.path(number)?))
    })?);
    sizes.push(printed(Sizes::of("built", &state, count, rss)?));
    look(&mut state, files, count, &mut paces)?;

    let built = sizes.last().map_or(0.0, |sizes| sizes.bytes_per_file);
    let mut churned_to_fresh = None;
    if !options.no_churn {
        churn(&mut state, files, count, rss, &mut sizes, &mut paces)?;
        churned_to_fresh = sizes.last().map(|sizes| sizes.bytes_per_file / built);
    }

    let stalls = Stall::measure(&mut state, files, 4 * count)?;
    let saved_bytes = save_and_load(&options.common, &mut state, &mut paces)?;
    ensure!(state.namespace.totals().files == count, "files got lost");
    sizes.push(printed(Sizes::of("loaded", &state, count, rss)?));
    Pace::print(&paces);
    Stall::print(&stalls);
    if let Some(share) = churned_to_fresh {
        println!("after the churn {share:.2} times the bytes of the fresh build");
    }
    Ok(Result {
        files: count,
        sizes,
        paces,
        stalls,
        churned_to_fresh,
        saved_bytes,
    })
}

/// Deletes half of the files, and makes as many others.
fn churn(
    state: &mut State,
    files: Files,
    count: u64,
    rss: u64,
    sizes: &mut Vec<Sizes>,
    paces: &mut Vec<Pace>,
) -> anyhow::Result<()> {
    let odd = (1..count).step_by(2);
    let removed = count / 2;
    paces.push(Pace::of("delete", removed, || {
        odd.clone()
            .try_for_each(|number| state.delete(files.path(number)?))
    })?);
    sizes.push(printed(Sizes::of("half deleted", state, count - removed, rss)?));
    paces.push(Pace::of("create again, other names", removed, || {
        (count..count + removed).try_for_each(|number| state.create(files.path(number)?))
    })?);
    sizes.push(printed(Sizes::of("created again", state, count, rss)?));
    Ok(())
}

fn printed(sizes: Sizes) -> Sizes {
    sizes.print();
    sizes
}

/// Operations that leave everything as it was.
fn look(state: &mut State, files: Files, count: u64, paces: &mut Vec<Pace>) -> anyhow::Result<()> {
    let who = caller();
    let mut random = Rng::with_seed(1);
    let some: Vec<u64> = (0..SAMPLE.min(count)).map(|_| random.u64(..count)).collect();
    let sample = u64::try_from(some.len())?;
    let paths = some.iter().map(|number| files.path(*number));
    let paths = paths.collect::<anyhow::Result<Vec<_>>>()?;

    paces.push(Pace::of("stat", sample, || {
        for path in &paths {
            state.namespace.stat(&who, path)?;
        }
        Ok(())
    })?);
    paces.push(Pace::of("locate, with replicas", sample, || {
        for path in &paths {
            for chunk in state.namespace.locate(&who, path)?.chunks {
                ensure!(
                    state.replicas.replicas(chunk.chunk).len() == 3,
                    "replicas are missing"
                );
            }
        }
        Ok(())
    })?);
    let mut listed = 0;
    let (took, ()) = Took::of(
        || Ok(0.0),
        || {
            for _ in 0..SAMPLE.min(count) / FILES_PER_DIRECTORY {
                let directory = files.directory(random.u64(..files.directories))?;
                listed += state.namespace.list(&who, &directory, None, 0)?.entries.len();
            }
            Ok(())
        },
    )?;
    paces.push(Pace::took("list, entries", u64::try_from(listed)?, took));
    let mut unique = some;
    unique.sort_unstable();
    unique.dedup();
    let renames = u64::try_from(unique.len())?;
    paces.push(Pace::of("rename, there and back", 2 * renames, || {
        for number in &unique {
            let (here, there) = (files.path(*number)?, files.path(number + 2 * count)?);
            state.rename(here.clone(), there.clone())?;
            state.rename(there, here)?;
        }
        Ok(())
    })?);
    paces.push(Pace::of("snapshot", SNAPSHOTS, || {
        for _ in 0..SNAPSHOTS {
            std::hint::black_box(state.namespace.clone());
        }
        Ok(())
    })?);
    let mut published = state.namespace.clone();
    let fresh = 3 * count..3 * count + PUBLISHED.min(count);
    paces.push(Pace::of(
        "create, a snapshot after each",
        PUBLISHED.min(count),
        || {
            for number in fresh.clone() {
                state.create(files.path(number)?)?;
                published = state.namespace.clone();
            }
            Ok(())
        },
    )?);
    drop(published);
    fresh
        .into_iter()
        .try_for_each(|number| state.delete(files.path(number)?))
}

/// Saves the namespace, forgets it, and loads it. The answer is how many bytes it was.
fn save_and_load(common: &Common, state: &mut State, paces: &mut Vec<Pace>) -> anyhow::Result<u64> {
    let base = crate::base(common)?;
    let path = base.path().join("namespace");
    let file = File::create(&path).context("cannot make a file for the namespace")?;
    paces.push(Pace::of("save", 1, || {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
        state.namespace.save(&mut out)?;
        Ok(out.flush()?)
    })?);
    state.namespace = Namespace::new();
    let file = File::open(&path).context("cannot open what was saved")?;
    let bytes = file.metadata()?.len();
    paces.push(Pace::of("load", 1, || {
        let mut input = BufReader::with_capacity(BUFFER_BYTES, file);
        state.namespace = Namespace::load(&mut input)?;
        Ok(())
    })?);
    Ok(bytes)
}
