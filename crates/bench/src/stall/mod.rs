//! `bench stall`: what requests feel of a checkpoint, of a huge directory that is listed, and of one that is removed.
//!
//! A master is filled with millions of files. Then files are created at a fixed rate, each by a call of its own and durable,
//! and names are looked up beside them; for some seconds, while a checkpoint is written, and for some seconds again. A call's
//! time counts from the moment at which it was *due*, so that one that is late delays nobody's clock. The longest time in
//! which nothing at all was answered is a stall of the server; what it is without a checkpoint is the noise of the machine.

mod load;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use proto::v1;
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use self::load::{Answered, Load, Rates};
use crate::Common;
use crate::cluster::{self, Cluster, Shape};
use crate::machine::Machine;
use crate::metadata::{Caller, Ground, Operation};
use crate::report::{Report, print_columns};
use crate::stats::{Durations, Percentiles};
use crate::wire::{self, Wire};

/// Callers that fill the master, each with a directory.
const FILLERS: u64 = 8;
/// Files in a message while it is filled.
const BATCH: u64 = 512;
/// Connections to the master.
const CONNECTIONS: usize = 4;

/// What `bench stall` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// How many files the master has before it begins.
    #[arg(long, default_value_t = 10_000_000, value_name = "COUNT")]
    files: u64,
    /// Files created a second.
    #[arg(long, default_value_t = 10_000, value_name = "COUNT")]
    creates: u32,
    /// Names looked up a second.
    #[arg(long, default_value_t = 1_000, value_name = "COUNT")]
    stats: u32,
    /// How long it is measured before a checkpoint, and after it.
    #[arg(long, default_value_t = 20.0, value_name = "SECONDS")]
    seconds: f64,
    /// How many checkpoints.
    #[arg(long, default_value_t = 2, value_name = "COUNT")]
    checkpoints: u32,
}

#[derive(Debug, Serialize)]
struct Written {
    files: u64,
    creates: u32,
    stats: u32,
    seconds: f64,
}

/// What was seen in one stretch of time.
#[derive(Debug, Serialize)]
struct Phase {
    name: String,
    seconds: f64,
    creates: Percentiles,
    stats: Percentiles,
    /// The longest time in which nothing was answered.
    longest_gap_ms: f64,
}

/// Measures, prints, writes down.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    ensure!(
        options.seconds > 0.0 && options.creates > 0 && options.stats > 0,
        "rates and times must be more than zero"
    );
    let binary = cluster::binary(options.common.distrifs.as_deref())?;
    let machine = Machine::this();
    println!("machine: {}", machine.line());
    let base = crate::base(&options.common)?;
    let shape = Shape {
        datanodes: 1,
        ..Shape::default()
    };
    let cluster = Cluster::with(&binary, base.path(), shape, &[])?;
    let runtime = Runtime::new()?;
    let phases = runtime.block_on(measure(options, &cluster))?;
    print(&phases);
    let report = Report {
        benchmark: "stall",
        machine,
        options: Written {
            files: options.files,
            creates: options.creates,
            stats: options.stats,
            seconds: options.seconds,
        },
        results: phases,
    };
    report.write(options.common.json.as_deref())
}

async fn measure(options: &Options, cluster: &Cluster) -> anyhow::Result<Vec<Phase>> {
    let leader = wire::wait_for_leader(cluster.addresses()).await?;
    let wire = Wire::connect(&leader.address, CONNECTIONS).await?;
    fill(&wire, options.files).await?;
    let rates = Rates {
        creates: options.creates,
        stats: options.stats,
    };
    // The log of what was filled in would else be cut by a checkpoint in the middle of the first stretch.
    checkpoint(&wire).await?;
    let mut phases = Vec::new();
    let load = Load::start(&wire, rates, "/load").await?;
    let quiet = Duration::from_secs_f64(options.seconds);
    // The first second has pages to warm and connections to settle.
    tokio::time::sleep(Duration::from_secs(2)).await;
    load.take()?;
    for number in 1..=options.checkpoints.max(1) {
        phases.push(
            phase("nothing else", &load, async {
                tokio::time::sleep(quiet).await;
                Ok(())
            })
            .await?,
        );
        let name = format!("checkpoint {number} is written");
        phases.push(phase(&name, &load, checkpoint(&wire)).await?);
    }
    phases.push(
        phase("nothing else", &load, async {
            tokio::time::sleep(quiet).await;
            Ok(())
        })
        .await?,
    );
    phases.push(
        phase(
            "a directory is listed to its end",
            &load,
            list(&wire, "/filled/0"),
        )
        .await?,
    );
    let removed = async {
        let request = v1::DeleteRequest {
            caller: wire.caller(),
            path: "/filled".to_owned(),
            recursive: true,
        };
        wire.namespace(0)?.delete(request).await?;
        // What it held goes bit by bit.
        tokio::time::sleep(quiet).await;
        Ok(())
    };
    phases.push(phase("all that was filled in is removed", &load, removed).await?);
    load.stop().await?;
    Ok(phases)
}

/// What is answered while `work` lasts.
async fn phase(
    name: &str,
    load: &Load,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Phase> {
    let start = Instant::now();
    work.await?;
    let seconds = start.elapsed().as_secs_f64();
    let Answered {
        creates,
        stats,
        longest_gap,
    } = load.take()?;
    println!("{name}: {seconds:.1} s");
    Ok(Phase {
        name: name.to_owned(),
        seconds,
        creates: Durations::new(creates).percentiles(),
        stats: Durations::new(stats).percentiles(),
        longest_gap_ms: longest_gap.as_secs_f64() * 1e3,
    })
}

async fn checkpoint(wire: &Wire) -> anyhow::Result<()> {
    let request = v1::CheckpointRequest {
        caller: wire.caller(),
    };
    let written = wire.admin(0)?.checkpoint(request).await;
    written.context("no checkpoint was written")?;
    Ok(())
}

/// Makes the files, closed and empty, evenly in some directories.
async fn fill(wire: &Wire, files: u64) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut fillers = JoinSet::new();
    for number in 0..FILLERS {
        let own = format!("/filled/{number}");
        let request = v1::MkdirRequest {
            caller: wire.caller(),
            path: own.clone(),
            mode: 0o755,
            parents: true,
        };
        wire.namespace(0)?.mkdir(request).await?;
        let ground = Ground {
            read: String::new(),
            files: 0,
            list: String::new(),
            own,
        };
        let mut caller = Caller::new(wire, usize::try_from(number)?, ground)?;
        let count = files / FILLERS + u64::from(number < files % FILLERS);
        fillers.spawn(async move {
            let mut first = 0;
            while first < count {
                let next = BATCH.min(count - first);
                caller.batch(Operation::Create, first, next).await?;
                caller.batch(Operation::Close, first, next).await?;
                first += next;
            }
            anyhow::Ok(())
        });
    }
    while let Some(filled) = fillers.join_next().await {
        filled.context("a caller panicked")??;
    }
    println!("{files} files made in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

async fn list(wire: &Wire, path: &str) -> anyhow::Result<()> {
    let mut client = wire.namespace(0)?;
    let mut start_after = String::new();
    loop {
        let request = v1::ListRequest {
            caller: wire.caller(),
            path: path.to_owned(),
            start_after,
            limit: 0,
        };
        let page = client.list(request).await?.into_inner();
        match page.entries.last() {
            Some(last) if page.more => start_after = last.name.clone(),
            _ => return Ok(()),
        }
    }
}

fn print(phases: &[Phase]) {
    let mut rows = vec![
        [
            "ms",
            "s",
            "creates",
            "p50",
            "p99",
            "max",
            "stats",
            "p50",
            "p99",
            "max",
            "longest gap",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for phase in phases {
        let mut row = vec![phase.name.clone(), format!("{:.1}", phase.seconds)];
        for figures in [&phase.creates, &phase.stats] {
            row.push(figures.count.to_string());
            row.extend([figures.p50_ms, figures.p99_ms, figures.max_ms].map(|ms| format!("{ms:.2}")));
        }
        row.push(format!("{:.2}", phase.longest_gap_ms));
        rows.push(row);
    }
    println!();
    print_columns(&rows);
}
