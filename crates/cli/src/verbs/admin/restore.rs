//! `admin restore`: a master from a copy.

use std::path::PathBuf;

use env::Env;

use crate::failure::Result;
use crate::offline::{Source, current, lock, make};
use crate::output::{Out, note};

/// Make the directory of a master from a backup, or from what a lost cluster left
///
/// The new master is a group of its own: masters of the old group know nothing of it and must not run any more. It has the
/// cluster's id, so that datanodes with their chunks belong to it. Its term is far above the backup's, because datanodes
/// obey no master of an older term than they have seen, and chunks that were made after the backup are never taken for its
/// own. What changed after the backup is lost: files that were removed then are back, but chunks of theirs that were deleted
/// already are not.
///
/// Instead of a backup, the directory of a stopped master will do: when most masters are lost for good, that of the one that
/// has got furthest (`distrifs admin log verify DIR` says how far). Then the log behind its checkpoint is in it too.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A backup, a checkpoint, or the directory of a stopped master
    #[arg(value_name = "FILE|DIR")]
    from: PathBuf,
    /// The directory to be made; it must not be there, or be empty
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// A term that datanodes have seen (their log says so when they refuse this master as one of the past)
    #[arg(long, value_name = "TERM")]
    term: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin restore /backups/distrifs-2026-10-13 --dir /var/lib/distrifs/master
  distrifs admin restore /mnt/last-survivor/master    --dir /var/lib/distrifs/new-master
  distrifs master --dir /var/lib/distrifs/master      # then: admin master add HOST:PORT for the others";

/// Restores.
pub(crate) fn run(args: &Args) -> Result<()> {
    let env = Env::real();
    let source = Source::find(&env, &args.from)?;
    let held = match &source {
        Source::Directory(directory) => Some(lock(&env, directory)?),
        Source::File(_) => None,
    };
    let state = current(&env, &source)?;
    drop(held);
    let made = make(&env, &args.dir, state, args.term)?;
    if args.json {
        let mut out = Out::stdout()?;
        out.line(&format!("{:#}", made.to_json()))?;
        return out.flush();
    }
    note(&made.next_steps());
    Ok(())
}
