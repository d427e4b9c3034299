//! `head`: the beginning of files.

use types::{ByteSize, FsPath};

use super::cat::{open, print_range};
use crate::failure::{Failure, Result, Tally};
use crate::local::Sink;
use crate::output::{Out, stdout_file};
use crate::remote::RemotePath;
use crate::run::Context;

/// Write the beginning of files to stdout
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Which
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<RemotePath>,
    /// So many lines
    #[arg(short = 'n', long, default_value_t = 10)]
    lines: u64,
    /// So many bytes instead; units are allowed: 1KiB
    #[arg(short = 'c', long, conflicts_with = "lines")]
    bytes: Option<ByteSize>,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs head /logs/today
  distrifs head -n 1 /data/table.csv
  distrifs head -c 512 /disk.img | xxd";

/// Writes.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let mut tally = Tally::default();
    for (n, RemotePath { path, .. }) in args.paths.iter().enumerate() {
        if args.paths.len() > 1 {
            title(path, n)?;
        }
        tally.take(one(context, args, path).await)?;
    }
    tally.finish()
}

/// Says which file comes, where there are several.
///
/// # Errors
/// When stdout can not be written to.
pub(crate) fn title(path: &FsPath, n: usize) -> Result<()> {
    let mut out = Out::stdout()?;
    out.line(&format!("{}==> {path} <==", if n > 0 { "\n" } else { "" }))?;
    out.flush()
}

async fn one(context: &Context, args: &Args, path: &FsPath) -> Result<()> {
    let file = open(context, path).await?;
    if let Some(bytes) = args.bytes {
        return print_range(&file, 0..bytes.0.min(file.len())).await;
    }
    let mut sink = Sink::to(stdout_file()?);
    let mut bytes = file.stream_all();
    let mut wanted = args.lines;
    while wanted > 0 {
        let Some(block) = bytes.next().await else { break };
        let mut block = block.map_err(|error| Failure::from_client(path, &error))?;
        let (taken, lines) = first_lines(&block, wanted);
        block.truncate(taken);
        wanted -= lines;
        sink.write(block).await.map_err(|error| Failure::stdout(&error))?;
    }
    sink.finish().await.map_err(|error| Failure::stdout(&error))
}

/// How many bytes the first `wanted` lines of `block` have (all of it where they do not end in it), and how many lines
/// end there.
fn first_lines(block: &[u8], wanted: u64) -> (usize, u64) {
    let mut lines = 0;
    for (n, byte) in block.iter().enumerate() {
        if *byte == b'\n' {
            lines += 1;
            if lines == wanted {
                return (n + 1, lines);
            }
        }
    }
    (block.len(), lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_across_blocks() {
        assert_eq!(first_lines(b"a\nb\nc\n", 2), (4, 2));
        assert_eq!(first_lines(b"a\nb", 2), (3, 1));
        assert_eq!(first_lines(b"", 2), (0, 0));
        assert_eq!(first_lines(b"\n\n", 1), (1, 1));
    }
}
