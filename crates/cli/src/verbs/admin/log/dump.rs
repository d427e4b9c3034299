//! `admin log dump`: what the log says, a line for each record.

use std::path::PathBuf;

use env::Env;

use super::entry::{Said, text, to_json};
use super::locked;
use crate::failure::{Exit, Failure, Result};
use crate::offline::told;
use crate::output::Out;

/// Print the records of the log of a stopped master
///
/// One line each: index, term, time, user (with a * where permissions were waived), operation, and what it is about. Whether
/// a command was refused when it was carried out is not in the log.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The directory of a master
    #[arg(value_name = "DIR")]
    path: PathBuf,
    /// Begin with this record
    #[arg(long, value_name = "INDEX", default_value_t = 0, hide_default_value = true)]
    from: u64,
    /// End with this record
    #[arg(long, value_name = "INDEX", default_value_t = u64::MAX, hide_default_value = true)]
    to: u64,
    /// Print JSON, one document a line
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin log dump /var/lib/distrifs/master | tail
  distrifs admin log dump /var/lib/distrifs/master --from 4000 --to 4100
  distrifs admin log dump --json /var/lib/distrifs/master | jq -c 'select(.name == \"Delete\") | [.user, .command.path]'";

/// Prints.
pub(crate) fn run(args: &Args) -> Result<()> {
    let env = Env::real();
    let mut out = Out::stdout()?;
    locked(&env, &args.path, |directory| {
        let mut failed = None;
        let found = wal::inspect(&*env.disk, directory, |record| {
            if failed.is_some() || record.index < args.from || record.index > args.to {
                return;
            }
            let said = Said::of(&record);
            let line = match args.json {
                true => to_json(&record, &said).to_string(),
                false => text(&record, &said),
            };
            failed = out.line(&line).err();
        });
        // What was read before the damage is printed; then comes what is wrong.
        out.flush()?;
        if let Some(failure) = failed {
            return Err(failure);
        }
        match found.map_err(|error| told(directory, &error))? {
            Some(_) => Ok(()),
            None => Err(
                Failure::new(Exit::NotFound, directory.display(), "there is no log")
                    .next("name the directory of a master: what it was started with as --dir"),
            ),
        }
    })
}
