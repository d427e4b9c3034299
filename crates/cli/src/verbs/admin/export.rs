//! `admin export`: the whole namespace as text.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use env::Env;
use serde_json::json;

use super::backup;
use crate::failure::{Failure, Result};
use crate::local::{check_free, save};
use crate::offline::{Counts, Current, Source, current, lock, write_export};
use crate::output::{Out, note};
use crate::run::Context;

/// Write the whole namespace as text: JSON lines that programs, editors and `distrifs admin import` read
///
/// First a line on the cluster, then datanodes, then every directory and file with its attributes, times, and chunks with
/// their generations and lengths, parents first; the last line counts them. Without --from, the running cluster is asked for
/// a backup of this moment (needs the superuser), and that is written as text.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The file to be made, which must not be there; `-` is stdout
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Take it from this backup, checkpoint, or directory of a stopped master
    #[arg(long, value_name = "FILE|DIR")]
    from: Option<PathBuf>,
    /// Print JSON about what was written
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin export namespace.jsonl
  distrifs admin export --from /var/lib/distrifs/master - | zstd > namespace.jsonl.zst
  distrifs admin export - | jq -r 'select(.file and .replication < 3) | .file'";

impl Args {
    /// Whether the command works on files only.
    pub(crate) const fn is_offline(&self) -> bool {
        self.from.is_some()
    }
}

/// Exports what is in files.
pub(crate) fn offline(args: &Args) -> Result<()> {
    let env = Env::real();
    let from = args.from.as_deref().unwrap_or(Path::new("."));
    check(args)?;
    let source = Source::find(&env, from)?;
    let held = match &source {
        Source::Directory(directory) => Some(lock(&env, directory)?),
        Source::File(_) => None,
    };
    let state = current(&env, &source)?;
    drop(held);
    write(args, &state)
}

/// Exports what is in the running cluster.
pub(crate) async fn online(context: &Context, args: &Args) -> Result<()> {
    check(args)?;
    // Beside the file to be made, where there is room for it, too; elsewhere for stdout.
    let near = args
        .file
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty() && !is_stdout(args));
    let near = near.map_or_else(std::env::temp_dir, Path::to_owned);
    let copy = Copy(near.join(format!(".distrifs-export.{}.backup", std::process::id())));
    backup::copy(context, &copy.0).await?;
    let state = current(&Env::real(), &Source::File(copy.0.clone()))?;
    drop(copy);
    write(args, &state)
}

/// A file that is removed in the end.
struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn is_stdout(args: &Args) -> bool {
    args.file == Path::new("-")
}

/// Spares the work where it would be in vain.
fn check(args: &Args) -> Result<()> {
    if is_stdout(args) {
        return match args.json {
            true => Err(Failure::usage(
                "--json",
                "says how it went on stdout, where the export would be too",
            )),
            false => Ok(()),
        };
    }
    check_free(&args.file, false).map_err(|error| {
        Failure::local(args.file.display(), &error)
            .next("name a file that is not there yet: nothing is overwritten")
    })
}

fn write(args: &Args, state: &Current) -> Result<()> {
    let name = args.file.display().to_string();
    if is_stdout(args) {
        let stdout = crate::output::stdout_file()?;
        let mut out = io::BufWriter::with_capacity(256 << 10, stdout);
        write_export(state, &mut out, "stdout")?;
        return out.flush().map_err(|error| Failure::stdout(&error));
    }
    let told = |error: io::Error| Failure::local(&name, &error);
    let counts = save(&args.file, |out| write_export(state, out, &name), told)?;
    let Counts {
        directories,
        files,
        chunks,
    } = counts;
    if args.json {
        let document = json!({
            "file": name,
            "index": state.index,
            "directories": directories,
            "files": files,
            "chunks": chunks,
        });
        let mut out = Out::stdout()?;
        out.line(&document.to_string())?;
        return out.flush();
    }
    note(&format!(
        "{name}: {files} files, {directories} directories and {chunks} chunks, as of record {}",
        state.index
    ));
    Ok(())
}
