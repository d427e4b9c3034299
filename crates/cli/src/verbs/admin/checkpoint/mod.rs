//! `admin checkpoint`: the checkpoints of a master.

mod dump;
mod stats;
mod verify;
mod write;

use clap::Subcommand;

use crate::failure::Result;
use crate::run::Context;

/// Look into the checkpoints of a master, or have one written: stats, dump, verify, write
///
/// A master writes its whole state into a checkpoint from time to time and keeps the two newest ones. They can be read
/// while it runs.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Checkpoint,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin checkpoint stats  /var/lib/distrifs/master
  distrifs admin checkpoint dump   /var/lib/distrifs/master | grep /important
  distrifs admin checkpoint verify /var/lib/distrifs/master && echo whole
  distrifs admin checkpoint write --master m1.example:9800";

#[derive(Debug, Subcommand)]
enum Checkpoint {
    Stats(stats::Args),
    Dump(dump::Args),
    Verify(verify::Args),
    Write(write::Args),
}

impl Args {
    /// Whether the command works on files only.
    pub(crate) const fn is_offline(&self) -> bool {
        !matches!(self.command, Checkpoint::Write(_))
    }
}

/// Runs what needs no cluster.
pub(crate) fn offline(args: &Args) -> Result<()> {
    match &args.command {
        Checkpoint::Stats(args) => stats::run(args),
        Checkpoint::Dump(args) => dump::run(args),
        Checkpoint::Verify(args) => verify::run(args),
        Checkpoint::Write(_) => unreachable!("it is run with a connection"),
    }
}

/// Runs what asks the cluster.
pub(crate) async fn online(context: &Context, args: &Args) -> Result<()> {
    match &args.command {
        Checkpoint::Write(args) => write::run(context, args).await,
        Checkpoint::Stats(_) | Checkpoint::Dump(_) | Checkpoint::Verify(_) => offline(args),
    }
}
