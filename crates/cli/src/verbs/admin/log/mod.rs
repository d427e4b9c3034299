//! `admin log`: the log of a master that is stopped.

mod dump;
mod entry;
mod verify;

use clap::Subcommand;
use env::Env;

use crate::failure::Result;
use crate::offline::{Source, lock};

/// Look into the log of a master that is stopped: dump, verify
///
/// A master writes every change into its log before it answers. The log begins behind the older one of the two
/// checkpoints that it keeps.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Log,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin log verify /var/lib/distrifs/master && echo whole
  distrifs admin log dump   /var/lib/distrifs/master --from 4000 --to 4100

A copy of the directory of a running master is no substitute: its files are not of one moment. Take a backup instead:
`distrifs admin backup FILE`.";

#[derive(Debug, Subcommand)]
enum Log {
    Dump(dump::Args),
    Verify(verify::Args),
}

/// Runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.command {
        Log::Dump(args) => dump::run(args),
        Log::Verify(args) => verify::run(args),
    }
}

/// Calls `read` with the directory of a master, locked meanwhile.
fn locked<T>(
    env: &Env,
    path: &std::path::Path,
    read: impl FnOnce(&std::path::Path) -> Result<T>,
) -> Result<T> {
    let directory = Source::directory(env, path)?;
    let held = lock(env, &directory)?;
    let outcome = read(&directory);
    drop(held);
    outcome
}
