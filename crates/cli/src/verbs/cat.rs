//! `cat`: files to stdout.

use std::ops::Range;

use client::{ByteStream, FileReader};
use types::FsPath;

use crate::failure::{Failure, Result, Tally};
use crate::local::Sink;
use crate::output::stdout_file;
use crate::remote::RemotePath;
use crate::run::Context;

/// Write files to stdout, one behind the other
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Which
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<RemotePath>,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs cat /data/words | grep -c storage
  distrifs cat /backup.tar | tar t
  distrifs cat /parts/0 /parts/1 > whole";

/// Writes.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let mut tally = Tally::default();
    for RemotePath { path, .. } in &args.paths {
        tally.take(one(context, path).await)?;
    }
    tally.finish()
}

async fn one(context: &Context, path: &FsPath) -> Result<()> {
    let file = open(context, path).await?;
    print_range(&file, 0..file.len()).await
}

/// Opens a file.
///
/// # Errors
/// When it can not be.
pub(crate) async fn open(context: &Context, path: &FsPath) -> Result<FileReader> {
    let opened = context.fs.open(path).await;
    opened.map_err(|error| Failure::from_client(path, &error))
}

/// Writes a range of a file to stdout. A reader that has seen enough is no error.
///
/// # Errors
/// When the file can not be read, or stdout can not be written to.
pub(crate) async fn print_range(file: &FileReader, range: Range<u64>) -> Result<()> {
    let mut sink = Sink::to(stdout_file()?);
    pour(file.path(), file.stream(range), &mut sink).await?;
    sink.finish().await.map_err(|error| Failure::stdout(&error))
}

async fn pour(path: &FsPath, mut bytes: ByteStream, sink: &mut Sink) -> Result<()> {
    while let Some(block) = bytes.next().await {
        let block = block.map_err(|error| Failure::from_client(path, &error))?;
        sink.write(block).await.map_err(|error| Failure::stdout(&error))?;
    }
    Ok(())
}
