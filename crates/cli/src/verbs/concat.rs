//! `concat`: files become one.

use types::FsPath;

use crate::failure::{Failure, Result};
use crate::remote::RemotePath;
use crate::run::Context;

/// Join files to the end of another one, without copying them
///
/// It takes no time, however long they are. The sources are gone then. All must have the same replication, and the chunks of
/// the sources may not be larger than those of the target; nobody may be writing any of them.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The file that grows
    #[arg(value_name = "TARGET")]
    target: RemotePath,
    /// What it grows by, in this order
    #[arg(value_name = "SOURCE", required = true)]
    sources: Vec<RemotePath>,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs concat /data/all.csv /data/monday.csv /data/tuesday.csv";

/// Joins.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let target = &args.target.path;
    let sources: Vec<FsPath> = args.sources.iter().map(|source| source.path.clone()).collect();
    let joined = context.fs.concat(target, &sources).await;
    joined.map_err(|error| Failure::from_client(target, &error))
}
