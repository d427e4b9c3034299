//! Benchmarks of DistriFS against the bare machine.
//!
//! Absolute figures drift with the machine and with what else runs on it; ratios to a limit measured in the same run, a
//! moment before or after, hold better. Every figure is printed with its spread. A benchmark reports and never judges:
//! it fails only when something could not be done at all. Two are tests too: [`failover`] fails when an acknowledged change
//! was lost, made twice, or answered in an order that can not be; [`heal`] when acknowledged bytes are lost, or not healed.

mod balance;
mod bare;
mod cluster;
mod data;
mod failover;
mod heal;
mod machine;
mod memory;
mod metadata;
mod payload;
mod peers;
mod report;
mod reports;
mod samples;
mod small;
mod stall;
mod stats;
mod system;
mod took;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use tempfile::TempDir;
use testbed::{netns, process, server};
use types::ByteSize;

/// That of the product, so that memory is measured as a master has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Benchmarks of DistriFS against the bare machine.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bytes: one stream and many, written at replication 1 and 3, read over the network and from files, hot and cold, beside the
    /// bare limits of the machine.
    Data(data::Options),
    /// Small files created, written and closed, read, and removed, per second, by several writers at once.
    Small(small::Options),
    /// Names: create, stat, list, rename, delete, open per second, beside empty calls, and beside HDFS.
    Metadata(metadata::Options),
    /// The state of a master: bytes a file by part, and what operations on it take, of 1, 10 or more millions of files.
    Namespace(memory::Options),
    /// The balancer on a cluster that exists only as numbers: rounds until it is balanced, moves beyond the minimum.
    Balance(balance::Options),
    /// What it costs a datanode and a master to compare a million replicas: by fingerprints, and by a full list.
    Reports(reports::Options),
    /// The leader dies again and again under load: how long that takes, and whether anything was lost.
    Failover(failover::Options),
    /// Datanodes die, rot, fill up and are cut off under load: does everything heal, how fast, and is `health` true?
    Heal(heal::Options),
    /// What requests feel of a checkpoint: creates at a fixed rate, with and without one being written.
    Stall(stall::Options),
    /// A process that is in the way of others.
    #[command(hide = true)]
    Neighbour {
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// A process of the bare limits: stores pieces, passes them on, acknowledges.
    #[command(hide = true)]
    BareWriter {
        #[arg(long)]
        dir: PathBuf,
        #[arg(long)]
        next: Option<SocketAddr>,
        #[arg(long)]
        buffer: usize,
    },
    /// A process of the bare limits: sends a file to whoever connects.
    #[command(hide = true)]
    BareSource {
        #[arg(long)]
        file: PathBuf,
    },
    /// A process of the bare limits: answers calls.
    #[command(hide = true)]
    BareCalls,
}

/// What every benchmark of a cluster takes.
#[derive(Debug, Args)]
struct Common {
    /// The `distrifs` binary to measure [default: the one beside this program].
    #[arg(long, value_name = "PATH")]
    distrifs: Option<PathBuf>,
    /// Below which directory the run keeps its files while it lasts [default: the system's temporary one].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Also write everything that was measured to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write the table to this file, as Markdown (of `data` and `small`).
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Data(options) => data::run(&options),
        Command::Small(options) => small::run(&options),
        Command::Metadata(options) => metadata::run(&options),
        Command::Namespace(options) => memory::run(&options),
        Command::Balance(options) => balance::run(&options),
        Command::Reports(options) => reports::run(&options),
        Command::Failover(options) => failover::run(&options),
        Command::Heal(options) => heal::run(&options),
        Command::Stall(options) => stall::run(&options),
        Command::Neighbour { file } => failover::neighbour::run(file.as_deref()),
        Command::BareWriter { dir, next, buffer } => bare::writer(&dir, next, buffer),
        Command::BareSource { file } => bare::source(&file),
        Command::BareCalls => bare::calls(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A new directory for a run's files. It is removed with the value.
fn base(common: &Common) -> anyhow::Result<TempDir> {
    let dir = match &common.dir {
        Some(dir) => tempfile::Builder::new().prefix("distrifs-bench-").tempdir_in(dir),
        None => tempfile::Builder::new().prefix("distrifs-bench-").tempdir(),
    };
    dir.context("cannot make a directory for the run's files")
}

/// Bytes as a person reads them.
fn shown(bytes: u64) -> ByteSize {
    ByteSize(bytes)
}
