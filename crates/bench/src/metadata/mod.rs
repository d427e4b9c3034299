//! `bench metadata`: operations on names per second, over the wire, durable.
//!
//! - Every operation goes through generated gRPC calls on plain connections, as does the *empty call* that it is held
//!   against, measured in the same round on the same server. What a change answers is on disk on a majority of the masters.
//! - The *bare call* is one of the gRPC library alone, to a process that does nothing else, over connections as they come: it tells
//!   how much of an empty call is DistriFS's own doing, for better or worse.
//! - How much an empty call costs depends on how many connections the callers share (`--connections`): one has one task at
//!   each end, and that is the limit then, for empty calls and not for changes.
//! - `create` is the call that makes a file appear, open for writing; `close` is the call that ends it. HDFS has the same
//!   two. With `--peers hdfs` they are measured in the same run through its own Java client (`ClientProtocol`, as
//!   `NNThroughputBenchmark` uses it: without the threads of its output streams). What it answers is on one disk; with
//!   `--peers hdfs-journals` on those of two of three journal nodes, as a change that a majority of three masters has.
//! - CPU is that of all threads of the client's process, and of all processes of the servers, for each operation.

mod figures;
mod goals;
mod hdfs;
mod operation;
mod round;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio::runtime::Runtime;

use crate::Common;
use crate::bare;
use crate::cluster::{self, Cluster, Shape};
use crate::machine::Machine;
use crate::report::Report;
use crate::system::System;
use crate::wire::{self, Wire};
use figures::{Figures, Setting};
pub(crate) use operation::{Caller, Ground, Operation};
use round::Plan;

const DISTRIFS: &str = "DistriFS";

/// Files with a chunk, to be looked at.
const FILES: u64 = 200;
/// What each of these holds.
const FILE_BYTES: usize = 4 << 10;
/// Entries of the directory that is listed.
const LISTED: u64 = 100;

/// What else is measured in the same run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peer {
    /// Apache HDFS, one NameNode.
    Hdfs,
    /// Apache HDFS, one NameNode whose log is on three JournalNodes.
    HdfsJournals,
}

impl Peer {
    const fn name(self) -> &'static str {
        match self {
            Self::Hdfs => "HDFS",
            Self::HdfsJournals => "HDFS, 3 journal nodes",
        }
    }
}

/// What `bench metadata` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// Numbers of masters, one cluster after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 3], value_name = "COUNT")]
    masters: Vec<usize>,
    /// Numbers of callers at once.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64], value_name = "COUNT")]
    callers: Vec<usize>,
    /// Operations in one message, where they come in batches; 1 leaves batches out.
    #[arg(long, default_value_t = 256, value_name = "COUNT")]
    batch: u64,
    /// How many callers send batches at once.
    #[arg(long, default_value_t = 8, value_name = "COUNT")]
    batch_callers: usize,
    /// Connections to the leader, shared by the callers.
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    connections: usize,
    /// How long each operation is repeated.
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    seconds: f64,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3, value_name = "COUNT")]
    rounds: u32,
    /// Also measure these in the same run, one after the other.
    #[arg(long, value_delimiter = ',', value_name = "PEER")]
    peers: Vec<Peer>,
    /// The script that starts and stops HDFS with one NameNode.
    #[arg(long, default_value = "../shared/peers/hdfs", value_name = "FILE")]
    hdfs_script: PathBuf,
}

/// The options, as they are written down.
#[derive(Debug, Serialize)]
struct Written {
    masters: Vec<usize>,
    callers: Vec<usize>,
    batch: u64,
    batch_callers: usize,
    connections: usize,
    seconds: f64,
    rounds: u32,
}

/// Measures, prints, writes down.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    ensure!(
        options.seconds > 0.0 && options.batch > 0 && options.masters.iter().all(|count| *count > 0),
        "times and counts must be more than zero"
    );
    let binary = cluster::binary(options.common.distrifs.as_deref())?;
    let machine = Machine::this();
    println!("machine: {}", machine.line());
    println!(
        "{} s for each operation, {} rounds, {} connections; client and all servers on this machine",
        options.seconds, options.rounds, options.connections
    );
    let time = Duration::from_secs_f64(options.seconds);
    let mut figures = Figures::default();
    for &masters in &options.masters {
        let base = crate::base(&options.common)?;
        let shape = Shape {
            masters,
            ..Shape::default()
        };
        let cluster = Cluster::with(&binary, base.path(), shape, &[])?;
        let bench = Bench::prepare(&cluster, options.connections)?;
        for number in 0..options.rounds {
            for plan in plans(options, time) {
                let setting = Setting {
                    system: DISTRIFS,
                    masters,
                    callers: plan.callers,
                    batch: plan.batch,
                };
                figures.push(setting, &bench.round(&cluster, plan, number)?);
            }
            println!("{masters} master(s): round {} of {}", number + 1, options.rounds);
        }
        drop(bench);
        cluster.end();
    }
    for &peer in Peer::value_variants() {
        if !options.peers.contains(&peer) {
            continue;
        }
        let base = crate::base(&options.common)?;
        if let Err(error) = hdfs::measure(peer, options, time, base.path(), &mut figures) {
            println!("{} is left out: {error:#}", peer.name());
        }
    }
    figures.print();
    let callers = options.callers.iter().copied().max().unwrap_or_default();
    goals::print(
        &figures,
        &options.masters,
        callers,
        (options.batch, options.batch_callers),
    );
    let written = Written {
        masters: options.masters.clone(),
        callers: options.callers.clone(),
        batch: options.batch,
        batch_callers: options.batch_callers,
        connections: options.connections,
        seconds: options.seconds,
        rounds: options.rounds,
    };
    let report = Report {
        benchmark: "metadata",
        machine,
        options: written,
        results: figures,
    };
    report.write(options.common.json.as_deref())
}

fn plans(options: &Options, time: Duration) -> Vec<Plan> {
    let mut plans: Vec<Plan> = options
        .callers
        .iter()
        .map(|&callers| Plan {
            callers,
            batch: 1,
            time,
        })
        .collect();
    if options.batch > 1 {
        plans.push(Plan {
            callers: options.batch_callers,
            batch: options.batch,
            time,
        });
    }
    plans
}

/// A cluster that has what is looked at, and connections to its leader.
struct Bench {
    runtime: Runtime,
    wire: Wire,
    bare: bare::Calls,
    system: System,
}

impl Bench {
    fn prepare(cluster: &Cluster, connections: usize) -> anyhow::Result<Self> {
        let system = System::of(cluster.addresses(), cluster::DATANODES)?;
        for dir in ["/read", "/list", "/work"] {
            system.mkdir(dir)?;
        }
        let payload = crate::payload::incompressible(FILE_BYTES);
        system.write_many("/read", usize::try_from(FILES)?, 16, &payload, 3)?;
        for entry in 0..LISTED {
            system.mkdir(&format!("/list/{entry}"))?;
        }
        let runtime = Runtime::new()?;
        let wire = runtime.block_on(async {
            let leader = wire::wait_for_leader(cluster.addresses()).await?;
            Wire::connect(&leader.address, connections).await
        })?;
        Ok(Self {
            bare: bare::Calls::start(&runtime, connections)?,
            runtime,
            wire,
            system,
        })
    }

    fn round(&self, cluster: &Cluster, plan: Plan, number: u32) -> anyhow::Result<Vec<round::Measured>> {
        let own = format!("/work/{number}-{}-{}", plan.callers, plan.batch);
        self.system.mkdir(&own)?;
        for caller in 0..plan.callers {
            self.system.mkdir(&format!("{own}/{caller}"))?;
        }
        let ground = Ground {
            read: "/read".to_owned(),
            files: FILES,
            list: "/list".to_owned(),
            own: own.clone(),
        };
        let measured = round::round(&self.runtime, cluster, &self.wire, &self.bare, plan, &ground)
            .context("did the leader change? a benchmark of metadata stays with one")?;
        self.system.remove(&own)?;
        Ok(measured)
    }
}
