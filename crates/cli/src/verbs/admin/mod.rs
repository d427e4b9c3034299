//! `admin`: what operators do with masters and their files, one file each.

pub(crate) mod checkpoint;

use clap::Subcommand;

use crate::failure::Result;

/// Look after the masters of a cluster, and after their files
///
/// Commands that take a DIR or FILE read a master's files without any running master; the others ask the cluster.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Admin,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin checkpoint stats /var/lib/distrifs/master
  distrifs admin checkpoint stats --json /var/lib/distrifs/master | jq .checkpoints";

#[derive(Debug, Subcommand)]
enum Admin {
    #[command(flatten)]
    Offline(Offline),
}

/// What needs no cluster.
#[derive(Debug, Subcommand)]
enum Offline {
    Checkpoint(checkpoint::Args),
}

impl Args {
    /// Whether the command works on files only.
    pub(crate) const fn is_offline(&self) -> bool {
        matches!(self.command, Admin::Offline(_))
    }
}

/// Runs a command that needs no cluster.
pub(crate) fn offline(args: &Args) -> Result<()> {
    match &args.command {
        Admin::Offline(Offline::Checkpoint(args)) => checkpoint::run(args),
    }
}
