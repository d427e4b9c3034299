//! `getrange`: a part of a file.

use std::path::PathBuf;

use types::ByteSize;

use super::cat::{open, print_range};
use crate::failure::{Failure, Result};
use crate::local::{Keep, Sink};
use crate::remote::RemotePath;
use crate::run::Context;

/// Write a part of a file to stdout
///
/// What lies past the end of the file is left out.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Of which file
    #[arg(value_name = "PATH")]
    path: RemotePath,
    /// From which byte on, from 0; units are allowed: 64MiB
    #[arg(value_name = "OFFSET")]
    offset: ByteSize,
    /// How many bytes
    #[arg(value_name = "LENGTH")]
    length: ByteSize,
    /// Write to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace FILE when it exists
    #[arg(long)]
    overwrite: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs getrange /backup.tar 70000000 512 | xxd
  distrifs getrange /video.mp4 1GiB 1MiB -o part.mp4";

/// Writes.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let file = open(context, &args.path.path).await?;
    let start = args.offset.0.min(file.len());
    let end = start.saturating_add(args.length.0).min(file.len());
    let Some(target) = &args.output else {
        return print_range(&file, start..end).await;
    };
    let mut sink = Sink::create(target.clone(), args.overwrite, Keep::default());
    let mut bytes = file.stream(start..end);
    let local = |error| Failure::local(target.display(), &error);
    while let Some(block) = bytes.next().await {
        let block = block.map_err(|error| Failure::from_client(file.path(), &error))?;
        sink.write(block).await.map_err(local)?;
    }
    sink.finish().await.map_err(local)
}
