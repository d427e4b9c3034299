//! `stat`: all that is known of a file or directory.

use client::FileStatus;
use types::{ByteSize, FsPath};

use super::ls::to_json;
use crate::failure::{Result, Tally};
use crate::output::{JsonArray, Out, iso_time, mode_text};
use crate::remote::{RemotePath, stat};
use crate::run::Context;

/// Show all that is known of files and directories
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// What to show
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<RemotePath>,
    /// Print JSON: an object for one path, an array for several
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs stat /data/report.pdf
  distrifs stat --json /data/report.pdf | jq .length";

/// Shows.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let mut out = Out::stdout()?;
    let mut tally = Tally::default();
    let mut array = (args.json && args.paths.len() > 1).then(JsonArray::default);
    for (n, remote) in args.paths.iter().enumerate() {
        let path = &remote.path;
        let status = match stat(context, path).await {
            Ok(status) => status,
            Err(failure) => {
                tally.add(failure)?;
                continue;
            }
        };
        match &mut array {
            Some(array) => array.push(&mut out, &to_json(path, &status))?,
            None if args.json => out.line(&format!("{:#}", to_json(path, &status)))?,
            None => out.print(&describe(path, &status, n > 0))?,
        }
    }
    if let Some(array) = array {
        array.finish(&mut out)?;
    }
    out.flush()?;
    tally.finish()
}

fn describe(path: &FsPath, status: &FileStatus, blank_first: bool) -> String {
    let kind = if status.is_directory() {
        "directory"
    } else {
        "file"
    };
    let mut text = if blank_first {
        "\n".to_owned()
    } else {
        String::new()
    };
    let mut line = |name: &str, value: String| {
        text.push_str(&format!("{name:<12}{value}\n"));
    };
    line("path", path.to_string());
    line("type", kind.to_owned());
    match status.chunk_size {
        Some(chunk_size) => {
            line(
                "length",
                format!("{} bytes ({})", status.len, ByteSize(status.len)),
            );
            line("replicas", status.replication.to_string());
            line("chunk size", chunk_size.to_string());
        }
        None => line("entries", status.children.to_string()),
    }
    line(
        "mode",
        format!(
            "{:04o} ({})",
            status.mode,
            mode_text(status.is_directory(), status.mode.into())
        ),
    );
    line("owner", format!("{}:{}", status.owner, status.group));
    line("modified", iso_time(status.mtime.as_u64()));
    line("accessed", iso_time(status.atime.as_u64()));
    line("inode", status.inode.to_string());
    if status.being_written {
        line("state", "being written".to_owned());
    }
    text
}
