//! `setrep`: the number of replicas.

use types::{FsPath, limits};

use super::tree::Walk;
use crate::failure::{Failure, Result, Tally};
use crate::remote::{RemotePath, stat};
use crate::run::Context;

/// Set the number of replicas of files
///
/// Of a directory: of every file below it. It is what the cluster aims at from now on.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// How many
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=i64::from(limits::REPLICATION_MAX)))]
    replication: u16,
    /// Of what
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<RemotePath>,
    /// Accepted for the sake of habit: directories are always taken with all below
    #[arg(short = 'R', long, hide = true)]
    recursive: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs setrep 2 /data/report.pdf
  distrifs setrep 5 /precious          # every file below";

/// Sets.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let mut tally = Tally::default();
    for RemotePath { path, .. } in &args.paths {
        tally.take(one(context, args.replication, path).await)?;
    }
    tally.finish()
}

async fn one(context: &Context, replication: u16, path: &FsPath) -> Result<()> {
    let set = async |path: &FsPath| {
        let changed = context.fs.set_replication(path, replication).await;
        changed.map_err(|error| Failure::from_client(path, &error))
    };
    if stat(context, path).await?.is_file() {
        return set(path).await;
    }
    let mut tally = Tally::default();
    let mut walk = Walk::below(&context.fs, path);
    while let Some(found) = walk.next().await {
        match found {
            Ok((path, status)) if status.is_file() => tally.take(set(&path).await)?,
            Ok(_) => {}
            Err(failure) => tally.add(failure)?,
        }
    }
    tally.finish()
}
