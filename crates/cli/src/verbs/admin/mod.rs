//! `admin`: what operators do with masters and their files, one file each.

mod backup;
mod checkpoint;
mod export;
mod import;
mod jobs;
mod log;
mod master;
mod masters;
mod recover_lease;
mod restore;
mod safemode;

use clap::Subcommand;

use crate::failure::Result;
use crate::run::Context;

/// Look after the masters of a cluster and their files, and after what runs in the background
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
  distrifs admin masters
  distrifs admin master add m4.example:9800
  distrifs admin safemode wait
  distrifs admin jobs
  distrifs admin backup  monday.backup
  distrifs admin restore monday.backup --dir /var/lib/distrifs/master
  distrifs admin checkpoint stats /var/lib/distrifs/master
  distrifs admin log verify       /var/lib/distrifs/master";

#[derive(Debug, Subcommand)]
enum Admin {
    #[command(flatten)]
    Online(Online),
    #[command(flatten)]
    Either(Either),
    #[command(flatten)]
    Offline(Offline),
}

/// What asks the cluster.
#[derive(Debug, Subcommand)]
enum Online {
    Masters(masters::Args),
    Master(master::Args),
    Safemode(safemode::Args),
    Jobs(jobs::Args),
    Backup(backup::Args),
    RecoverLease(recover_lease::Args),
}

/// What does the one or the other, as it is told.
#[derive(Debug, Subcommand)]
enum Either {
    Checkpoint(checkpoint::Args),
    Export(export::Args),
}

/// What needs no cluster.
#[derive(Debug, Subcommand)]
enum Offline {
    Log(log::Args),
    Import(import::Args),
    Restore(restore::Args),
}

impl Args {
    /// Whether the command works on files only.
    pub(crate) const fn is_offline(&self) -> bool {
        match &self.command {
            Admin::Online(_) => false,
            Admin::Either(Either::Checkpoint(args)) => args.is_offline(),
            Admin::Either(Either::Export(args)) => args.is_offline(),
            Admin::Offline(_) => true,
        }
    }
}

/// Runs a command that needs no cluster.
pub(crate) fn offline(args: &Args) -> Result<()> {
    match &args.command {
        Admin::Either(Either::Checkpoint(args)) => checkpoint::offline(args),
        Admin::Either(Either::Export(args)) => export::offline(args),
        Admin::Offline(Offline::Log(args)) => log::run(args),
        Admin::Offline(Offline::Import(args)) => import::run(args),
        Admin::Offline(Offline::Restore(args)) => restore::run(args),
        Admin::Online(_) => unreachable!("commands that ask the cluster are run with a connection"),
    }
}

/// Runs a command that asks the cluster.
pub(crate) async fn online(context: &Context, args: &Args) -> Result<()> {
    match &args.command {
        Admin::Online(Online::Masters(args)) => masters::run(context, args).await,
        Admin::Online(Online::Master(args)) => master::run(context, args).await,
        Admin::Online(Online::Safemode(args)) => safemode::run(context, args).await,
        Admin::Online(Online::Jobs(args)) => jobs::run(context, args).await,
        Admin::Online(Online::Backup(args)) => backup::run(context, args).await,
        Admin::Online(Online::RecoverLease(args)) => recover_lease::run(context, args).await,
        Admin::Either(Either::Checkpoint(args)) => checkpoint::online(context, args).await,
        Admin::Either(Either::Export(args)) => export::online(context, args).await,
        Admin::Offline(_) => offline(args),
    }
}
