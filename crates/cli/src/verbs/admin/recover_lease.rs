//! `admin recover-lease`: closes a file whose writer is gone, without waiting for its lease to run out.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use types::{format_duration, parse_duration};

use crate::failure::{Exit, Failure, Result};
use crate::output::note;
use crate::remote::RemotePath;
use crate::run::Context;

/// How often it is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Close a file that somebody has left open, with everything that was flushed
///
/// Its writer, should it still live, is refused from then on. Without this, another writer may take the file over after the
/// soft limit of the lease, and the cluster closes it after the hard limit. Needs write permission on the file.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Which file
    #[arg(value_name = "FILE")]
    path: RemotePath,
    /// Give up waiting after so long; the cluster goes on trying
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1min")]
    limit: Duration,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin recover-lease /logs/app.log
  distrifs admin recover-lease --limit 10min /logs/app.log";

/// Recovers.
pub(super) async fn run(context: &Context, args: &Args) -> Result<()> {
    let path = &args.path.path;
    let deadline = Instant::now() + args.limit;
    let mut told = String::new();
    loop {
        let waits_for = context.fs.recover_lease(path).await;
        let Some(why) = waits_for.map_err(|error| Failure::from_client(path, &error))? else {
            return Ok(());
        };
        if why != told && !why.is_empty() {
            note(&format!("{path}: not closed yet: {why}"));
            told.clone_from(&why);
        }
        if Instant::now() + PAUSE >= deadline {
            let waited = format_duration(args.limit);
            return Err(Failure::new(
                Exit::Unavailable,
                path,
                format!("is not closed after {waited}: {why}"),
            )
            .next("the cluster goes on trying; when datanodes are down, start them"));
        }
        sleep(PAUSE).await;
    }
}
