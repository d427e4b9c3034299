//! Datanodes die, lose their disks, fill up, rot, slow down and are cut off, while files are written and read: does everything
//! heal, how fast, and does `health` say at each moment what is on the disks?
//!
//! All of it is real: processes of `distrifs`, each datanode on a host of its own (a network namespace) with a directory of its
//! own. What is on the disks is counted by a walk of our own ([`walk`]) that asks nobody; `health --json` is held against it after
//! every event, while copies are made, and at the end. After every step all that was acknowledged is read back and compared; at
//! the end, every replica on every disk.
//!
//! The rate of repair is that of the bytes that were missing, over the time in which copies came; beside it stands what the disk
//! takes at most (written, synced, renamed, by eight threads) beside the same writer and reader, measured before and after each
//! step, for disks of virtual machines change their mind within minutes. All datanodes of a run share one disk, so that it is
//! the limit of them all together. Fails when something acknowledged can not be read, is other than it was written, is not healed
//! in time, or is not known to `health`.

mod cluster;
mod files;
mod limit;
mod load;
mod result;
mod rot;
mod steps;
mod truth;
mod walk;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Config, FileSystem};
use env::Env;
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::sync::watch as channel;
use tokio::task::JoinSet;
use types::{ByteSize, ChunkSize, FsPath};

use crate::machine::Machine;
use crate::report::Report;
use crate::system::USER;
use crate::wire::Wire;
use crate::{Common, shown};
use cluster::{Cluster, Shape};
use files::{Content, FILE_MAX};
use limit::Limit;
use load::Shared;
use result::{Results, Step};

/// Copies of every chunk.
const REPLICATION: u16 = 3;

/// The datanode whose disk has a size of its own.
const SMALL: usize = 3;

/// Bytes of a small file: it is packed with others.
const SMALL_FILE: u64 = 16 << 10;

/// Files that are stored at once before the first step.
const WRITERS: u64 = 4;

/// What is written at most to see what the disk takes.
const LIMIT_BYTES: u64 = 2 << 30;

/// What `bench heal` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// How much is stored before the first step, three times.
    #[arg(long, default_value = "10GiB", value_name = "SIZE")]
    size: ByteSize,
    /// Small files beside it, which are packed.
    #[arg(long, default_value_t = 2_000, value_name = "COUNT")]
    small: u64,
    /// The longest chunk.
    #[arg(long, default_value = "16MiB", value_name = "SIZE")]
    chunk_size: ByteSize,
    /// Datanodes, at least five.
    #[arg(long, default_value_t = 5, value_name = "COUNT")]
    datanodes: usize,
    /// What is written all the time, a second.
    #[arg(long, default_value = "4MiB", value_name = "SIZE")]
    write_rate: ByteSize,
    /// Only these steps: kill, wipe, fill, rot, slow, cut, two, three [default: all].
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    steps: Vec<String>,
    /// How long a step may take, in seconds.
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    patience: u64,
}

/// The options, as they are written down.
#[derive(Debug, Serialize)]
struct Written {
    bytes: u64,
    small_files: u64,
    chunk_bytes: u64,
    datanodes: usize,
    write_bytes_per_second: u64,
}

/// A run.
struct Run {
    shared: Shared,
    runtime: Runtime,
    limit: Limit,
    patience: Duration,
    /// Last: clients end before it does.
    cluster: Cluster,
}

/// Measures, prints, writes down.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    anyhow::ensure!(options.datanodes >= 5, "five datanodes are needed at least");
    let binary = crate::cluster::binary(options.common.distrifs.as_deref())?;
    let machine = Machine::this();
    println!("machine: {}", machine.line());
    println!(
        "{} and {} small files, {REPLICATION} times, on {} datanodes",
        options.size, options.small, options.datanodes
    );
    let base = crate::base(&options.common)?;
    let limit = Limit::new(base.path(), options.size.0.min(LIMIT_BYTES), options.chunk_size.0)?;
    // Room for twice its share.
    let share = options.size.0 * u64::from(REPLICATION) / options.datanodes as u64;
    let shape = Shape {
        datanodes: options.datanodes,
        small: Some((SMALL, share * 2 + (2 << 30))),
    };
    let cluster = Cluster::start(&binary, base.path(), shape)?;
    let runtime = Runtime::new()?;
    let shared = runtime.block_on(connect(&cluster, ChunkSize::new(options.chunk_size.0)?))?;
    let mut run = Run {
        shared,
        runtime,
        limit,
        patience: Duration::from_secs(options.patience),
        cluster,
    };
    let results = run.all(options)?;
    results.print();
    let failure = results.failure();
    let report = Report {
        benchmark: "heal",
        machine,
        options: Written {
            bytes: options.size.0,
            small_files: options.small,
            chunk_bytes: options.chunk_size.0,
            datanodes: options.datanodes,
            write_bytes_per_second: options.write_rate.0,
        },
        results,
    };
    report.write(options.common.json.as_deref())?;
    failure.map_or(Ok(()), |failure| Err(anyhow::Error::msg(failure)))
}

/// A client, once all datanodes have come.
async fn connect(cluster: &Cluster, chunk_size: ChunkSize) -> anyhow::Result<Shared> {
    let config = Config::new(vec![cluster.master().to_owned()], USER);
    let fs = FileSystem::connect(Env::real(), config)?;
    let begun = Instant::now();
    loop {
        let space = fs.cluster_space().await?;
        let live = space.datanodes.iter().filter(|node| node.live).count();
        if live >= cluster.len() {
            break;
        }
        anyhow::ensure!(
            begun.elapsed() < crate::server::START_TIMEOUT,
            "{live} datanodes have come"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let pool = fs.server_info().await?.pool.clone();
    let wire = Wire::connect(cluster.master(), 1).await?;
    Ok(Shared::new(fs, wire, pool, Content::new()?, chunk_size))
}

impl Run {
    fn all(&mut self, options: &Options) -> anyhow::Result<Results> {
        let begun = Instant::now();
        let loaded_bytes = self
            .runtime
            .block_on(load(&self.shared, options.size.0, options.small))?;
        let loaded_seconds = begun.elapsed().as_secs_f64();
        println!("{} stored in {loaded_seconds:.0} s", shown(loaded_bytes));

        let (end, ended) = channel::channel(false);
        let mut tasks = JoinSet::new();
        {
            let _runtime = self.runtime.enter();
            load::spawn(&mut tasks, &self.shared, options.write_rate.0, &ended);
        }
        let mut steps = self.steps(&options.steps)?;
        let _ = end.send(true);
        while let Some(done) = self.runtime.block_on(tasks.join_next()) {
            done??;
        }
        let (compared_replicas, wrong) = self.compare_disks()?;
        if let Some(last) = steps.last_mut() {
            last.problems.extend(wrong);
        }
        Ok(Results {
            loaded_bytes,
            loaded_seconds,
            steps,
            compared_replicas,
        })
    }

    fn steps(&mut self, wanted: &[String]) -> anyhow::Result<Vec<Step>> {
        let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|step| step == name);
        let mut steps = Vec::new();
        let mut before = self.limit.measure()?;
        for name in ["kill", "wipe", "fill", "rot", "slow", "cut", "two", "three"] {
            if !is_wanted(name) {
                continue;
            }
            println!("{name} …");
            let step = match name {
                "kill" => Some(self.kill_one()?),
                "wipe" => Some(self.wipe_one()?),
                "fill" => self.fill_one()?,
                "rot" => Some(self.rot_one()?),
                "slow" => Some(self.slow_one()?),
                "cut" => self.cut_one()?,
                "two" => Some(self.lose_two()?),
                _ => Some(self.lose_three()?),
            };
            let after = self.limit.measure()?;
            steps.extend(step.map(|step| step.beside(before, after)));
            before = after;
        }
        Ok(steps)
    }

    /// Compares every replica on every disk with what was written. Answers how many, and which are other: those that are
    /// still in the same place when it is looked again, for packs are emptied and replicas moved all the time.
    fn compare_disks(&self) -> anyhow::Result<(u64, Vec<String>)> {
        let found = walk::walk(self.cluster.dirs())?;
        let (mut compared, mut suspect) = (0, Vec::new());
        for file in self.shared.files.all() {
            for chunk in &file.chunks {
                for replica in found.of(&chunk.name) {
                    compared += 1;
                    if let Some(why) = rot::wrong(replica, chunk, file.number, &self.shared.content) {
                        suspect.push((file.path.clone(), chunk.clone(), replica.clone(), why));
                    }
                }
            }
        }
        if suspect.is_empty() {
            return Ok((compared, Vec::new()));
        }
        let again = walk::walk(self.cluster.dirs())?;
        suspect.retain(|(_, chunk, replica, _)| again.of(&chunk.name).contains(replica));
        let told = suspect.into_iter().map(|(path, chunk, replica, why)| {
            format!(
                "{path}: the replica of its chunk at {} on datanode {}, {}: {why}",
                chunk.offset,
                replica.node + 1,
                replica.place
            )
        });
        Ok((compared, told.collect()))
    }
}

/// Stores what is there from the beginning to the end. Answers the bytes.
async fn load(shared: &Shared, bytes: u64, small: u64) -> anyhow::Result<u64> {
    for dir in ["/base", "/load"] {
        shared.fs.mkdir(&FsPath::parse(dir)?, 0o755, false).await?;
    }
    let large = bytes.div_ceil(FILE_MAX);
    let mut lens: Vec<u64> = vec![FILE_MAX; usize::try_from(large)?];
    if let Some(last) = lens.last_mut() {
        *last = bytes - (large - 1) * FILE_MAX;
    }
    lens.extend((0..small).map(|number| SMALL_FILE - number % 1_000));
    let total = lens.iter().sum();
    let lens = Arc::new(lens);
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let (shared, lens) = (shared.clone(), Arc::clone(&lens));
        tasks.spawn(async move {
            for (number, len) in (0..)
                .zip(lens.iter())
                .filter(|(number, _)| number % WRITERS == writer)
            {
                let path = FsPath::parse(&format!("/base/{number}"))?;
                shared.store(&path, number, *len, true).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(total)
}
