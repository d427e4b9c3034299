//! `tail`: the end of files.

use client::FileReader;
use types::{ByteSize, FsPath};

use super::cat::{open, print_range};
use super::head::title;
use crate::failure::{Failure, Result, Tally};
use crate::remote::RemotePath;
use crate::run::Context;

/// Write the end of files to stdout
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
  distrifs tail /logs/today
  distrifs tail -n 100 /logs/today
  distrifs tail -c 1KiB /disk.img | xxd";

/// Bytes that are looked through at once, from the end backwards.
const BLOCK_BYTES: usize = 256 << 10;

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

async fn one(context: &Context, args: &Args, path: &FsPath) -> Result<()> {
    let file = open(context, path).await?;
    let start = match args.bytes {
        Some(bytes) => file.len().saturating_sub(bytes.0),
        None => start_of_lines(&file, args.lines).await?,
    };
    print_range(&file, start..file.len()).await
}

/// Where the last `lines` lines begin.
async fn start_of_lines(file: &FileReader, lines: u64) -> Result<u64> {
    // The line break at the very end ends the last line and begins none.
    let mut search = Search {
        wanted: lines.saturating_add(1),
        at_end: true,
    };
    if lines == 0 {
        return Ok(file.len());
    }
    let mut end = file.len();
    let mut block = vec![0; BLOCK_BYTES];
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES as u64);
        let len = usize::try_from(end - start).unwrap_or(BLOCK_BYTES);
        let Some(block) = block.get_mut(..len) else { break };
        let read = file.read_at(start, block).await;
        read.map_err(|error| Failure::from_client(file.path(), &error))?;
        if let Some(found) = search.block(block) {
            return Ok(start + found as u64);
        }
        end = start;
    }
    Ok(0)
}

/// Counts line breaks backwards.
struct Search {
    /// Breaks that are still to be found, the one at the end of the file included.
    wanted: u64,
    /// Whether nothing has been seen yet.
    at_end: bool,
}

impl Search {
    /// Looks through the block before the one of the last call. Returns where in it the wanted lines begin.
    fn block(&mut self, block: &[u8]) -> Option<usize> {
        for (n, byte) in block.iter().enumerate().rev() {
            let first = std::mem::take(&mut self.at_end);
            if first && *byte != b'\n' {
                // No break at the end: the last line counts all the same.
                self.wanted -= 1;
            }
            if *byte == b'\n' {
                self.wanted -= 1;
                if self.wanted == 0 {
                    return Some(n + 1);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(text: &str, lines: u64, block: usize) -> &str {
        let mut search = Search {
            wanted: lines + 1,
            at_end: true,
        };
        let mut end = text.len();
        while end > 0 {
            let start = end.saturating_sub(block);
            if let Some(found) = search.block(&text.as_bytes()[start..end]) {
                return &text[start + found..];
            }
            end = start;
        }
        text
    }

    #[test]
    fn the_last_lines_are_found_in_blocks_of_any_size() {
        for block in 1..=12 {
            assert_eq!(last("a\nb\nc\n", 2, block), "b\nc\n");
            assert_eq!(last("a\nb\nc", 2, block), "b\nc");
            assert_eq!(last("a\nb\nc", 1, block), "c");
            assert_eq!(last("a\nb\n", 5, block), "a\nb\n");
            assert_eq!(last("\n\n\n", 1, block), "\n");
            assert_eq!(last("", 1, block), "");
        }
    }
}
