//! `admin checkpoint`: the checkpoints of a master.

mod dump;
mod stats;
mod verify;

use clap::Subcommand;

use crate::failure::Result;

/// Look into the checkpoints of a master: dump, stats, verify
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
  distrifs admin checkpoint verify /var/lib/distrifs/master && echo whole";

#[derive(Debug, Subcommand)]
enum Checkpoint {
    Stats(stats::Args),
    Dump(dump::Args),
    Verify(verify::Args),
}

/// Runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.command {
        Checkpoint::Stats(args) => stats::run(args),
        Checkpoint::Dump(args) => dump::run(args),
        Checkpoint::Verify(args) => verify::run(args),
    }
}
