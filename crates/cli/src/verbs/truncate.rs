//! `truncate`: the end of a file is cut off.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use types::{ByteSize, format_duration, parse_duration};

use crate::failure::{Exit, Failure, Result};
use crate::remote::{RemotePath, stat};
use crate::run::Context;

/// How often it is looked whether it is done.
const PAUSE: Duration = Duration::from_millis(300);

/// Cut a file to its first bytes
///
/// The file must not be shorter than that, and nobody may be writing it. From the moment on at which this is decided readers see
/// no byte behind the cut. Where it goes through a chunk, datanodes shorten their replicas; the command waits for that.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Which file
    #[arg(value_name = "FILE")]
    path: RemotePath,
    /// How many bytes are left: 0, 700, 64MiB
    #[arg(value_name = "SIZE")]
    len: ByteSize,
    /// Give up waiting for the datanodes after so long; the cluster goes on
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1min")]
    limit: Duration,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs truncate /logs/app.log 0
  distrifs truncate /data/table.bin 512MiB";

/// Cuts.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let path = &args.path.path;
    let deadline = Instant::now() + args.limit;
    let done = context.fs.truncate(path, args.len.0).await;
    if done.map_err(|error| Failure::from_client(path, &error))? {
        return Ok(());
    }
    while stat(context, path).await?.being_written {
        if Instant::now() + PAUSE >= deadline {
            let waited = format_duration(args.limit);
            let why = format!("is cut, but its replicas are not shortened after {waited}");
            return Err(Failure::new(Exit::Unavailable, path, why)
                .next("the cluster goes on trying; when datanodes are down, start them"));
        }
        sleep(PAUSE).await;
    }
    Ok(())
}
