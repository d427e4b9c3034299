//! `admin backup`: a copy of all metadata of a running cluster.

use std::path::{Path, PathBuf};

use checkpoint::{Checkpoint, Receiver};
use env::Env;
use serde_json::json;
use types::ByteSize;

use crate::failure::{Exit, Failure, Result};
use crate::local::check_nothing;
use crate::output::{Out, iso_time, note};
use crate::progress::Progress;
use crate::run::Context;

/// Copy all metadata of the running cluster into a file, as of one moment (needs the superuser)
///
/// The copy has every change that was answered before the command began. It is a checkpoint: `distrifs admin checkpoint`
/// reads it, `distrifs admin restore` makes a master of it. Files' contents are not in it; these are on the datanodes.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The file to be made; one that is there already is not replaced
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin backup /backups/distrifs-$(date +%F)
  distrifs admin backup --json b | jq .index
  distrifs admin checkpoint verify /backups/distrifs-2026-10-13   # whether it is still whole";

/// Copies.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let copied = copy(context, &args.file).await?;
    let header = copied.header();
    if args.json {
        let document = json!({
            "file": args.file.to_string_lossy(),
            "index": header.index,
            "term": header.term.as_u64(),
            "written": iso_time(header.written.as_u64()),
            "bytes": copied.bytes(),
        });
        let mut out = Out::stdout()?;
        out.line(&document.to_string())?;
        return out.flush();
    }
    note(&format!(
        "{}: all metadata up to record {}, {}",
        args.file.display(),
        header.index,
        ByteSize(copied.bytes())
    ));
    Ok(())
}

/// Receives the copy; it is checked before it has its name.
///
/// # Errors
/// When the file is there already, no master gives a copy, or the disk fails; then no file is left.
pub(super) async fn copy(context: &Context, file: &Path) -> Result<Checkpoint> {
    let check_nothing = || {
        check_nothing(file).map_err(|error| {
            Failure::local(file.display(), &error)
                .next("name a file that is not there yet: nothing is overwritten")
        })
    };
    check_nothing()?;
    let failed = |error| Failure::from_client("admin backup", &error);
    let mut parts = context.fs.admin().backup().await.map_err(failed)?;
    let progress = Progress::start(false, true);
    progress.expect("metadata", parts.len());
    let disk = Env::real().disk;
    let path = file.to_owned();
    let mut receiver = blocking(file, move || checkpoint::receive_as(&disk, &path)).await?;
    while let Some(part) = parts.next().await.map_err(failed)? {
        progress.moved(part.len());
        receiver = blocking(file, move || {
            let mut receiver: Receiver = receiver;
            receiver.take(&part)?;
            Ok(receiver)
        })
        .await?;
    }
    // Somebody else may have made it meanwhile.
    check_nothing()?;
    let received = blocking(file, move || receiver.finish()).await;
    progress.clear();
    received
}

async fn blocking<T: Send + 'static>(
    file: &Path,
    work: impl FnOnce() -> Result<T, checkpoint::ReceiveError> + Send + 'static,
) -> Result<T> {
    env::blocking(work).await.map_err(|error| match error {
        checkpoint::ReceiveError::Failed(failure) => Failure::local(file.display(), &failure.error),
        error @ checkpoint::ReceiveError::Damaged { .. } => {
            Failure::new(Exit::Failed, file.display(), error).next("begin again; nothing was left behind")
        }
    })
}
