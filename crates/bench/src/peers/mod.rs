//! Other systems, to be measured beside DistriFS in the same run.

mod files;
mod hdfs;
mod moosefs;
mod threads;

pub(crate) use files::{Deed, Load, Running};
pub(crate) use hdfs::{Caller, Hdfs};
pub(crate) use threads::in_threads;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};

/// What else can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// Apache HDFS with its defaults: an acknowledgement is in the memory of the datanodes.
    Hdfs,
    /// Apache HDFS whose datanodes sync a block when it is closed.
    HdfsSync,
    /// MooseFS with its defaults: an acknowledgement is in the memory of the chunkservers.
    Moosefs,
    /// MooseFS whose chunkservers sync a chunk when it is closed, and whose master syncs its log; files are synced before
    /// they are closed.
    MoosefsSync,
}

impl Peer {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hdfs => "HDFS",
            Self::HdfsSync => "HDFS, synced at close",
            Self::Moosefs => "MooseFS",
            Self::MoosefsSync => "MooseFS, synced",
        }
    }
}

/// Which are measured, and how they are started.
#[derive(Debug, Args)]
pub(crate) struct PeerOptions {
    /// Also measure these in the same run.
    #[arg(long, value_delimiter = ',', value_name = "PEER")]
    pub(crate) peers: Vec<Peer>,
    /// Where the scripts are that start and stop them: `hdfs` and `moosefs`.
    #[arg(long, default_value = "../shared/peers", value_name = "DIR")]
    pub(crate) peer_scripts: PathBuf,
}

/// Runs a script to its end.
///
/// # Errors
/// When it can not be run, or fails: with what it says.
fn succeed(script: &mut Command) -> anyhow::Result<()> {
    let name = script.get_program().to_string_lossy().into_owned();
    let output = script.output().with_context(|| format!("cannot run {name}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} failed: {}", said.trim());
    Ok(())
}
