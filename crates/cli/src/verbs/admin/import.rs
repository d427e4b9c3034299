//! `admin import`: a master from an export.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use env::Env;

use crate::failure::{Failure, Result};
use crate::offline::{make, read_export};
use crate::output::{Out, note};
use crate::progress::Progress;

/// Make the directory of a master from what `distrifs admin export` wrote
///
/// As with `distrifs admin restore`, the new master is a group of its own with the same cluster id, and datanodes with their
/// chunks belong to it. The text may have been edited: a line that can not be is told with its number, and nothing is made.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The export; `-` is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
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
  distrifs admin import namespace.jsonl --dir /var/lib/distrifs/master
  zstdcat namespace.jsonl.zst | distrifs admin import - --dir /var/lib/distrifs/master
  distrifs master --dir /var/lib/distrifs/master      # then: admin master add HOST:PORT for the others";

/// Bytes of the text that are read at once.
const READ_BYTES: usize = 256 << 10;

/// Imports.
pub(crate) fn run(args: &Args) -> Result<()> {
    let env = Env::real();
    let progress = Progress::start(false, true);
    let read = read(&args.file, &progress);
    progress.clear();
    let made = make(&env, &args.dir, read?, args.term)?;
    if args.json {
        let mut out = Out::stdout()?;
        out.line(&format!("{:#}", made.to_json()))?;
        return out.flush();
    }
    note(&made.next_steps());
    Ok(())
}

fn read(path: &Path, progress: &Progress) -> Result<crate::offline::Current> {
    if path == Path::new("-") {
        let mut input = io::stdin().lock();
        return read_export(&mut input, "stdin").map(|(state, _)| state);
    }
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| Failure::local(&name, &error))?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    progress.expect("reading", length);
    let mut input = BufReader::with_capacity(READ_BYTES, Counted(file, progress));
    let input: &mut dyn BufRead = &mut input;
    read_export(input, &name).map(|(state, _)| state)
}

/// Counts what is read.
struct Counted<'a>(File, &'a Progress);

impl io::Read for Counted<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(bytes)?;
        self.1.moved(read);
        Ok(read)
    }
}
