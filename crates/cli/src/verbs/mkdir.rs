//! `mkdir`: makes directories.

use super::chmod::ModeChange;
use crate::failure::{Exit, Failure, Result, Tally};
use crate::remote::RemotePath;
use crate::run::Context;

/// Make directories
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// What to make
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<RemotePath>,
    /// Make missing directories above it; an existing directory is no error
    #[arg(short, long)]
    parents: bool,
    /// Permissions: 750, or u=rwx,g=rx,o= [default: 777 without the umask]
    #[arg(short, long)]
    mode: Option<ModeChange>,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs mkdir /data
  distrifs mkdir -p /data/2026/10
  distrifs mkdir -m 700 /private";

/// Makes them.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let open = 0o777 & !context.umask;
    let mode = args
        .mode
        .as_ref()
        .map_or(open, |change| change.apply(0o777, true));
    let mut tally = Tally::default();
    for RemotePath { path, .. } in &args.paths {
        let made = context.fs.mkdir(path, mode, args.parents).await;
        tally.take(made.map_err(|error| {
            let failure = Failure::from_client(path, &error);
            if failure.exit() == Exit::NotFound && !args.parents {
                failure.next("-p makes the directories above it")
            } else {
                failure
            }
        }))?;
    }
    tally.finish()
}
