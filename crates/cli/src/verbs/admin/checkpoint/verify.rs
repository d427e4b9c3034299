//! `admin checkpoint verify`: whether every byte of the checkpoints is what was written.

use std::path::PathBuf;

use checkpoint::{Checkpoint, Damaged};
use env::Env;
use serde_json::{Value, json};

use crate::failure::{Exit, Failure, Result};
use crate::offline::Source;
use crate::output::{Align, Columns, Out, Style, iso_time, paint, short_time, size};

/// Compare every byte of the checkpoints with its checksum
///
/// The exit status is 1 when one of them is damaged. One whole checkpoint is enough for a master to start, as long as its
/// log reaches back to it.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The directory of a master, or one checkpoint
    #[arg(value_name = "DIR|FILE")]
    path: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin checkpoint verify /var/lib/distrifs/master
  distrifs admin checkpoint verify backup-of-monday";

/// Verifies.
pub(crate) fn run(args: &Args) -> Result<()> {
    let env = Env::real();
    let found = all(&env, &Source::find(&env, &args.path)?)?;
    let mut out = Out::stdout()?;
    if args.json {
        out.line(&format!("{:#}", json!({ "checkpoints": to_json(&found) })))?;
    } else {
        out.print(&table(&found, out.coloured()))?;
    }
    out.flush()?;
    match found.iter().filter(|found| found.damage.is_some()).count() {
        0 => Ok(()),
        damaged => Err(Failure::new(
            Exit::Failed,
            args.path.display(),
            format_args!("{damaged} of {} checkpoints damaged", found.len()),
        )
        .next(
            "a master starts from the newest whole one; take a backup of a running cluster with `distrifs admin backup`",
        )),
    }
}

/// A checkpoint, and how it is.
pub(crate) struct Found {
    path: PathBuf,
    /// None where not even its header can be read.
    checkpoint: Option<Checkpoint>,
    damage: Option<Damaged>,
}

/// All checkpoints of a source, newest first, each read to its end.
///
/// # Errors
/// When one can not be read at all, or a newer program wrote it.
pub(crate) fn all(env: &Env, source: &Source) -> Result<Vec<Found>> {
    let (whole, damaged) = match source {
        Source::Directory(directory) => {
            let kept = checkpoint::kept(&*env.disk, directory).map_err(|error| failed(source, &error))?;
            (kept.whole, kept.damaged)
        }
        Source::File(file) => match Checkpoint::open_file(&*env.disk, file) {
            Ok(checkpoint) => (vec![checkpoint], Vec::new()),
            Err(checkpoint::Error::Damaged(damaged)) => (Vec::new(), vec![damaged]),
            Err(error) => return Err(failed(source, &error)),
        },
    };
    let mut found: Vec<Found> = (whole.into_iter())
        .map(|checkpoint| Found {
            path: checkpoint.path().to_owned(),
            damage: checkpoint.verify().err(),
            checkpoint: Some(checkpoint),
        })
        .chain(damaged.into_iter().map(|damage| Found {
            path: damage.path.clone(),
            checkpoint: None,
            damage: Some(damage),
        }))
        .collect();
    found.sort_by(|a, b| b.path.cmp(&a.path));
    Ok(found)
}

fn failed(source: &Source, error: &checkpoint::Error) -> Failure {
    let (Source::Directory(path) | Source::File(path)) = source;
    match error {
        checkpoint::Error::Failed(failure) => Failure::local(failure.path.display(), &failure.error),
        error => Failure::new(Exit::Failed, path.display(), error),
    }
}

/// One line each.
pub(crate) fn table(found: &[Found], coloured: bool) -> String {
    let mut table = Columns::new(&[
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Left,
        Align::Right,
        Align::Left,
    ]);
    table.row(
        ["CHECKPOINT", "INDEX", "TERM", "WRITTEN", "SIZE", "STATE"]
            .map(|text| paint(coloured, Style::Bold, text)),
    );
    for one in found {
        let name = one
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let [index, term, written, bytes] = match &one.checkpoint {
            Some(checkpoint) => [
                checkpoint.header().index.to_string(),
                checkpoint.header().term.to_string(),
                short_time(checkpoint.header().written.as_u64()),
                size(true, checkpoint.bytes()),
            ],
            None => ["-", "-", "-", "-"].map(str::to_owned),
        };
        let state = match &one.damage {
            None => "whole".to_owned(),
            Some(damaged) => paint(
                coloured,
                Style::Error,
                &format!("damaged at byte {}: {}", damaged.offset, damaged.damage),
            ),
        };
        table.row([name, index, term, written, bytes, state]);
    }
    table.render()
}

/// The same for programs.
pub(crate) fn to_json(found: &[Found]) -> Vec<Value> {
    found
        .iter()
        .map(|one| {
            let checkpoint = one.checkpoint.as_ref();
            let header = checkpoint.map(Checkpoint::header);
            json!({
                "path": one.path.to_string_lossy(),
                "index": header.map(|header| header.index),
                "term": header.map(|header| header.term.as_u64()),
                "written": header.map(|header| iso_time(header.written.as_u64())),
                "written_ms": header.map(|header| header.written.as_u64()),
                "membership_bytes": header.map(|header| header.membership.len()),
                "bytes": checkpoint.map(Checkpoint::bytes),
                "state_bytes": checkpoint.map(|checkpoint| checkpoint.totals().bytes),
                "blocks": checkpoint.map(|checkpoint| checkpoint.totals().blocks),
                "whole": one.damage.is_none(),
                "damage": one.damage.as_ref().map(|damaged| json!({
                    "offset": damaged.offset,
                    "what": damaged.damage.to_string(),
                })),
            })
        })
        .collect()
}
