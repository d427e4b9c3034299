//! `admin log verify`: whether every record of the log is what was written.

use std::path::{Path, PathBuf};

use checkpoint::Kept;
use env::Env;
use serde_json::json;
use wal::{Inspection, SegmentInfo};

use super::entry::Said;
use super::locked;
use crate::failure::{Exit, Failure, Result};
use crate::offline::told;
use crate::output::{Align, Columns, Out, Style, paint, size};

/// Check the log of a stopped master: every record, their chain, and that it reaches back to a checkpoint
///
/// The exit status is 1 when something is damaged, and the place is told. Nothing is changed. A torn write at the end is no
/// damage: it was under way when the master stopped, was never acknowledged, and the next start cuts it off.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The directory of a master
    #[arg(value_name = "DIR")]
    path: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin log verify /var/lib/distrifs/master && echo whole
  distrifs admin log verify --json /var/lib/distrifs/master | jq .last_index";

/// Verifies.
pub(crate) fn run(args: &Args) -> Result<()> {
    let env = Env::real();
    locked(&env, &args.path, |directory| {
        let mut unknown = None;
        let mut records = 0_u64;
        let found = wal::inspect(&*env.disk, directory, |record| {
            records += 1;
            if let (None, Said::Unknown(why)) = (&unknown, Said::of(&record)) {
                unknown = Some((record.index, why));
            }
        });
        let Some(found) = found.map_err(|error| told(directory, &error))? else {
            return Err(
                Failure::new(Exit::NotFound, directory.display(), "there is no log")
                    .next("name the directory of a master: what it was started with as --dir"),
            );
        };
        let begins = reaches(&env, directory, &found)?;
        print(args, &found, records)?;
        if let Some((index, why)) = unknown {
            return Err(Failure::new(
                Exit::Failed,
                directory.display(),
                format_args!("record {index} is whole, but says what this version does not know: {why}"),
            )
            .next("use the version that wrote it, or a later one"));
        }
        begins
    })
}

/// Whether a master can start from a checkpoint and this log.
fn reaches(env: &Env, directory: &Path, log: &Inspection) -> Result<Result<()>> {
    let Kept { whole, .. } = checkpoint::kept(&*env.disk, directory)
        .map_err(|error| Failure::new(Exit::Failed, directory.display(), error))?;
    let first = log.first_index;
    let from = whole
        .iter()
        .map(|checkpoint| checkpoint.header().index)
        .max()
        .unwrap_or(0);
    if first <= from + 1 {
        return Ok(Ok(()));
    }
    let why = match from {
        0 => format!("the log begins with record {first}, and there is no checkpoint of what was before"),
        from => {
            format!("the log begins with record {first}, and the newest checkpoint ends with record {from}")
        }
    };
    Ok(Err(Failure::new(Exit::Failed, directory.display(), why).next(
        "records are missing: restore this directory from a backup, or let the master join again empty",
    )))
}

fn print(args: &Args, found: &Inspection, records: u64) -> Result<()> {
    let mut out = Out::stdout()?;
    if args.json {
        let segment = |segment: &SegmentInfo| {
            json!({
                "path": segment.path.to_string_lossy(),
                "first": segment.first,
                "bytes": segment.bytes,
            })
        };
        let document = json!({
            "log": found.log.to_string(),
            "records": records,
            "first_index": found.first_index,
            "last_index": found.last_index,
            "last_term": found.last_term.as_u64(),
            "synced_index": found.synced,
            "segments": found.segments.iter().map(segment).collect::<Vec<_>>(),
            "obsolete": found.obsolete.iter().map(segment).collect::<Vec<_>>(),
            "torn": found.torn.as_ref().map(|torn| json!({
                "path": torn.path.to_string_lossy(),
                "offset": torn.offset,
                "bytes": torn.bytes,
            })),
        });
        out.line(&format!("{document:#}"))?;
        return out.flush();
    }
    let mut table = Columns::new(&[Align::Left, Align::Right, Align::Right, Align::Left]);
    let coloured = out.coloured();
    table.row(["SEGMENT", "FIRST", "SIZE", "STATE"].map(|text| paint(coloured, Style::Bold, text)));
    let all = (found.obsolete.iter().map(|segment| (segment, "obsolete")))
        .chain(found.segments.iter().map(|segment| (segment, "whole")));
    for (segment, state) in all {
        let name = segment
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        table.row([
            name,
            segment.first.to_string(),
            size(true, segment.bytes),
            state.to_owned(),
        ]);
    }
    out.print(&table.render())?;
    let (first, last, term, synced) = (found.first_index, found.last_index, found.last_term, found.synced);
    out.line(&match records {
        0 => format!("no record yet; the first one will be {first}"),
        _ => format!(
            "{records} records, {first} to {last}, the last one of term {term}; synced up to {synced}"
        ),
    })?;
    if let Some(torn) = &found.torn {
        out.line(&format!(
            "a write was under way at the end: {} bytes behind byte {} will be cut off at the next start",
            torn.bytes, torn.offset
        ))?;
    }
    out.flush()
}
