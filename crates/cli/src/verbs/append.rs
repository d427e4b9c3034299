//! `append`: more bytes behind those of a file.

use client::{CreateOptions, Error, FileWriter, Publish};

use crate::failure::{Failure, Result, is_read};
use crate::local::ReadAhead;
use crate::output::Out;
use crate::remote::{LocalPath, RemotePath};
use crate::run::Context;

/// Add a local file, or what comes from stdin, to the end of a file
///
/// Readers see what is flushed; all of it is on disk on enough datanodes when the command ends. Meanwhile nobody else can
/// write the file. When it fails in between, what was flushed stays.
#[derive(Debug, clap::Args)]
#[command(override_usage = "distrifs append [OPTIONS] <SOURCE> <TARGET>", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A local file, or - for stdin
    source: LocalPath,
    /// The file that it goes to
    target: RemotePath,
    /// Make the file when it is not there
    #[arg(short, long)]
    create: bool,
    /// Flush each piece as it comes: into the memory of every datanode of the pipeline, where readers see it
    #[arg(long)]
    flush: bool,
    /// Sync each piece as it comes: to the disk of every datanode of the pipeline
    #[arg(long, conflicts_with = "flush")]
    sync: bool,
    /// Print the length of the file after each piece
    #[arg(long)]
    lengths: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs append today.log /logs/all.log
  tail -f app.log | distrifs append --create --sync - /logs/app.log";

/// Appends.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let piecewise = args.flush || args.sync;
    let (source, bytes) = match &args.source {
        LocalPath::Pipe if piecewise => ("stdin".to_owned(), ReadAhead::stdin_as_it_comes()),
        LocalPath::Pipe => ("stdin".to_owned(), ReadAhead::stdin()),
        LocalPath::Path(path) => {
            let opened = ReadAhead::open(path.clone()).await;
            let opened = opened.map_err(|error| Failure::local(path.display(), &error))?;
            (path.display().to_string(), opened.bytes)
        }
    };
    let mut writer = open(context, args).await?;
    if let Err(failure) = pour(args, &mut writer, bytes, &source).await {
        // What went wrong is told; that the rest was not tidied up as well helps nobody: the lease will end.
        let _ = writer.abort().await;
        return Err(failure);
    }
    let closed = writer.close().await;
    closed
        .map(drop)
        .map_err(|error| Failure::from_client(&args.target.path, &error))
}

async fn open(context: &Context, args: &Args) -> Result<FileWriter> {
    let path = &args.target.path;
    let opened = match context.fs.append(path).await {
        Err(Error::NotFound(_)) if args.create => {
            let options = CreateOptions {
                mode: 0o666 & !context.umask,
                publish: Publish::AtCreate,
                ..CreateOptions::default()
            };
            context.fs.create(path, options).await
        }
        opened => opened,
    };
    opened.map_err(|error| match &error {
        Error::NotFound(_) if !args.create => {
            Failure::from_client(path, &error).next("--create makes the file")
        }
        _ => Failure::from_client(path, &error),
    })
}

async fn pour(args: &Args, writer: &mut FileWriter, mut bytes: ReadAhead, source: &str) -> Result<()> {
    let failed = |error: Error| Failure::from_client(&args.target.path, &error);
    let mut out = Out::stdout()?;
    let mut tells = args.lengths;
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(|error| Failure::local(source, &error))?;
        writer.write(&piece).await.map_err(failed)?;
        if args.flush {
            writer.hflush().await.map_err(failed)?;
        } else if args.sync {
            writer.hsync().await.map_err(failed)?;
        }
        if tells {
            let told = out.line(&writer.position().to_string());
            tells = is_read(told.and_then(|()| out.flush()))?;
        }
    }
    Ok(())
}
