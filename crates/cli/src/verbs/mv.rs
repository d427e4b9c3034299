//! `mv`: renames.

use types::FsPath;

use super::target::{Target, of};
use crate::failure::{Failure, Result, Tally};
use crate::remote::RemotePath;
use crate::run::Context;

/// Rename files and directories, or move them into a directory
///
/// Each is one atomic change, whatever is below. A file that has the new name is replaced, as is an empty directory by a
/// directory.
#[derive(Debug, clap::Args)]
#[command(override_usage = "distrifs mv [OPTIONS] <SOURCE>... <TARGET>", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// What to rename, and its new name or the directory to move into
    #[arg(value_name = "PATH", required = true, num_args = 2..)]
    paths: Vec<RemotePath>,
    /// Replace nothing
    #[arg(short, long)]
    no_clobber: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs mv /report.tmp /report.pdf
  distrifs mv /a /b /archive           # into a directory
  distrifs mv -n /new /old             # fails when /old exists";

/// Renames.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let Some((target, sources)) = args.paths.split_last() else {
        return Err(Failure::usage("mv", "expected a source and a target"));
    };
    let target = of(context, target, sources.len(), false).await?;
    let mut tally = Tally::default();
    for RemotePath { path, .. } in sources {
        tally.take(one(context, args, path, &target).await)?;
    }
    tally.finish()
}

async fn one(context: &Context, args: &Args, from: &FsPath, target: &Target) -> Result<()> {
    let Some(name) = from.name() else {
        return Err(Failure::usage("/", "the root can not be renamed"));
    };
    let to = target.path_for(name)?;
    let renamed = context.fs.rename(from, &to, !args.no_clobber).await;
    renamed.map_err(|error| Failure::from_client(from, &error))
}
