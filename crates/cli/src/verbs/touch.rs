//! `touch`: times, and empty files.

use client::Error;
use env::Env;

use crate::failure::{Failure, Result, Tally};
use crate::remote::RemotePath;
use crate::run::Context;

/// Set the times of files to now; make empty files where there are none
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Which
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<RemotePath>,
    /// Make nothing
    #[arg(short = 'c', long)]
    no_create: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs touch /data/_SUCCESS
  distrifs touch -c /data/report.pdf   # only when it is there";

/// Touches.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let mut tally = Tally::default();
    for RemotePath { path, .. } in &args.paths {
        let touched = if args.no_create {
            let now = Some(Env::real().clock.wall());
            match context.fs.set_times(path, now, now).await {
                Err(Error::NotFound(_)) => Ok(()),
                touched => touched,
            }
        } else {
            context.fs.touch(path).await
        };
        tally.take(touched.map_err(|error| Failure::from_client(path, &error)))?;
    }
    tally.finish()
}
