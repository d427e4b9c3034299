//! `bench failover`: the leader dies again and again under load, and a checker reads the record.
//!
//! Real `distrifs` processes, on this machine: masters, each with its own directory (and, for cuts, with its own network),
//! and datanodes. Through the SDK, clients do about a thousand operations a second on names: some on names that all share, in
//! groups that renames connect, some on names of their own. Everything that was called and answered is recorded, with the
//! times of one clock. Beside them, readers ask each master by itself, without following anybody: a leader of the past that
//! still answered would be found out by these.
//!
//! For each attack, the *time of a failover* is that from the moment before the leader is killed, stopped or cut off to the
//! acknowledgement of a write that was called after that moment, as a writer sees it that never pauses for long ([`probe`]).
//!
//! At the end every name is read again, and the record is checked:
//! - **lost**: an acknowledged change that is not there later ([`ledger`]);
//! - **applied twice**: a change that was refused because it had been made already by its own earlier attempt, or that came
//!   back after it had been undone ([`ledger`]);
//! - **linearizable**: whether one order of all operations explains every answer (the crate `oracle`).
//!
//! Elections that nobody asked for are terms that rose while no leader was attacked. The program fails when something was
//! lost or applied twice, when the record is not linearizable, or when no write was acknowledged any more.

mod attack;
mod client;
mod elections;
mod ledger;
pub(crate) mod neighbour;
mod probe;
mod readers;
mod record;
mod reread;
mod result;
mod workload;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Common;
use crate::cluster::{self, Cluster, Shape};
use crate::machine::Machine;
use crate::report::Report;
use crate::wire;
use attack::Attack;
use elections::Elections;
use neighbour::Neighbours;
use probe::Probe;
use record::Record;
use result::Results;

/// What happens to leaders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// `SIGKILL`, and a new start on the same directory.
    Kill,
    /// `SIGSTOP`, and `SIGCONT` when another leads.
    Stop,
    /// Its network is cut, and mended when another leads.
    Cut,
    /// One after the other.
    Mixed,
}

/// What `bench failover` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// How often the leader is attacked.
    #[arg(long, default_value_t = 100, value_name = "COUNT")]
    kills: usize,
    /// How.
    #[arg(long, value_enum, default_value_t = Mode::Kill)]
    mode: Mode,
    #[arg(long, default_value_t = 3, value_name = "COUNT")]
    masters: usize,
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    datanodes: usize,
    /// Operations a second.
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    rate: u32,
    /// Tasks that do them.
    #[arg(long, default_value_t = 32, value_name = "COUNT")]
    workers: u32,
    /// How long to watch for elections that nobody asked for, before the first attack.
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    calm: f64,
    /// Busy neighbours: twice as many threads as there are processors, and one that writes and syncs to the same disk
    /// without a pause.
    #[arg(long)]
    load: bool,
    /// Further arguments of the masters, for example `--master-args=--election-timeout=500ms`.
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    master_args: Vec<String>,
    /// Also write the whole record to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// The seed of everything that is chosen at random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The options, as they are written down.
#[derive(Debug, Serialize)]
struct Written {
    kills: usize,
    mode: Mode,
    masters: usize,
    datanodes: usize,
    rate: u32,
    workers: u32,
    calm_seconds: f64,
    load: bool,
    master_args: Vec<String>,
    seed: u64,
}

/// Attacks, checks, prints, writes down.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    ensure!(
        options.workers > 0 && options.rate > 0 && options.masters > 0,
        "counts must be more than zero"
    );
    let binary = cluster::binary(options.common.distrifs.as_deref())?;
    let machine = Machine::this();
    println!("machine: {}", machine.line());
    let base = crate::base(&options.common)?;
    let (mut cluster, attacks) = start(options, &binary, base.path())?;
    println!(
        "{} masters, {} datanodes, {} operations/s from {} tasks{}; client and all servers on this machine",
        options.masters,
        options.datanodes,
        options.rate,
        options.workers,
        if options.load { ", busy neighbours" } else { "" }
    );
    let runtime = Runtime::new()?;
    let results = runtime.block_on(attacked(options, &mut cluster, &attacks, base.path()))?;
    results.print();
    let written = Written {
        kills: options.kills,
        mode: options.mode,
        masters: options.masters,
        datanodes: options.datanodes,
        rate: options.rate,
        workers: options.workers,
        calm_seconds: options.calm,
        load: options.load,
        master_args: options.master_args.clone(),
        seed: options.seed,
    };
    let failure = results.failure();
    let report = Report {
        benchmark: "failover",
        machine,
        options: written,
        results,
    };
    report.write(options.common.json.as_deref())?;
    match failure {
        Some(failure) => Err(anyhow::Error::msg(failure)),
        None => Ok(()),
    }
}

/// Starts the cluster; the attacks to choose from. Without the means to cut networks, mixed attacks are those without cuts.
fn start(
    options: &Options,
    binary: &std::path::Path,
    base: &std::path::Path,
) -> anyhow::Result<(Cluster, Vec<Attack>)> {
    let shape = |apart| Shape {
        masters: options.masters,
        datanodes: options.datanodes,
        apart,
        ..Shape::default()
    };
    let cluster = |apart| Cluster::with(binary, base, shape(apart), &options.master_args);
    Ok(match options.mode {
        Mode::Kill => (cluster(false)?, vec![Attack::Kill]),
        Mode::Stop => (cluster(false)?, vec![Attack::Stop]),
        Mode::Cut => (cluster(true)?, vec![Attack::Cut]),
        Mode::Mixed => match crate::netns::possible() {
            Ok(()) => (cluster(true)?, vec![Attack::Kill, Attack::Stop, Attack::Cut]),
            Err(error) => {
                println!("without cuts: {error:#}");
                (cluster(false)?, vec![Attack::Kill, Attack::Stop])
            }
        },
    })
}

/// Everything that happens while the cluster runs.
async fn attacked(
    options: &Options,
    cluster: &mut Cluster,
    attacks: &[Attack],
    base: &std::path::Path,
) -> anyhow::Result<Results> {
    let addresses = cluster.addresses().to_vec();
    wire::wait_for_leader(&addresses).await?;
    let record = Arc::new(Record::new());
    let (end, ended) = watch::channel(false);
    let mut tasks = JoinSet::new();

    let ground = workload::prepare(&addresses, options.workers).await?;
    let plan = workload::Plan {
        workers: options.workers,
        rate: options.rate,
        seed: options.seed,
    };
    workload::spawn(&mut tasks, &addresses, &ground, plan, &record, &ended)?;
    readers::spawn(&mut tasks, &addresses, &ground, &record, &ended);
    let probe = Probe::spawn(&mut tasks, &addresses, &record, &ended)?;
    let elections = Elections::spawn(&mut tasks, &addresses, &record, &ended);
    let neighbours = options.load.then(|| Neighbours::start(base)).transpose()?;

    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs_f64(options.calm.max(0.0))).await;
    let mut random = fastrand::Rng::with_seed(options.seed);
    let mut failovers = Vec::new();
    for (number, attack) in (1..=options.kills).zip(attacks.iter().cycle()) {
        let failover = attack::failover(*attack, cluster, &probe, &record)
            .await
            .with_context(|| format!("attack {number} ({})", attack.name()))?;
        if number.is_multiple_of(10) || number == options.kills {
            println!(
                "{number} of {}: the last took {} ms, {} operations so far",
                options.kills,
                failover.took.as_millis(),
                record.len()
            );
        }
        failovers.push(failover);
        let calm = Duration::from_millis(random.u64(500..1_500));
        tokio::time::sleep(calm).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    drop(neighbours);

    // Whoever waits for an answer still gets it, as long as that may take.
    let _ = end.send(true);
    while let Some(done) = tasks.join_next().await {
        done.context("a task panicked")??;
    }
    let seen = elections.seen();
    let counts = record.counts();
    reread::all(&addresses, &record).await?;
    let history = record.take();
    if let Some(file) = &options.history {
        record::write(&history, file)?;
    }
    Ok(Results::new(&history, counts, failovers, &seen, seconds))
}
