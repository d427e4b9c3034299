//! `rm`: removes files and directories.

use client::Error;

use crate::failure::{Exit, Failure, Result, Tally};
use crate::remote::RemotePath;
use crate::run::Context;

/// Remove files and directories
#[derive(Debug, clap::Args)]
#[command(visible_alias = "delete", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// What to remove
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<RemotePath>,
    /// Directories too, with everything in them, at once
    #[arg(short, visible_short_alias = 'R', long)]
    recursive: bool,
    /// What is not there is no error
    #[arg(short, long)]
    force: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs rm /data/report.pdf
  distrifs rm -r /data/2025
  distrifs rm -rf /scratch";

/// Removes.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let mut tally = Tally::default();
    for RemotePath { path, .. } in &args.paths {
        tally.take(one(context, args, path).await)?;
    }
    tally.finish()
}

async fn one(context: &Context, args: &Args, path: &types::FsPath) -> Result<()> {
    if path.is_root() {
        return Err(Failure::usage("/", "the root can not be removed"));
    }
    if !args.recursive {
        // A file and an empty directory are removed by the same call; this command is for files, as in POSIX.
        match context.fs.stat(path).await {
            Ok(status) if status.is_directory() => {
                let failure = Failure::new(Exit::InTheWay, path, "is a directory");
                return Err(failure.next("-r removes it with everything in it"));
            }
            // Whatever is wrong, the removal will say it.
            _ => {}
        }
    }
    match context.fs.delete(path, args.recursive).await {
        Ok(()) => Ok(()),
        Err(Error::NotFound(_)) if args.force => Ok(()),
        Err(error) => Err(Failure::from_client(path, &error)),
    }
}
