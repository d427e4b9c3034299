//! `cp`: copies within the cluster.

use client::{CreateOptions, Error, FileStatus, FileSystem, Publish};
use types::FsPath;

use super::put_file::no_parent;
use super::target::of;
use super::tree::{Pool, Walk};
use crate::config::{Key, WriteFlags};
use crate::failure::{Exit, Failure, Result};
use crate::progress::Progress;
use crate::remote::{RemotePath, join, stat, stat_if_there};
use crate::run::Context;

/// Copy files and directories within the cluster
///
/// The bytes pass through this client. Permissions, replication and chunk size are kept, unless others are given.
#[derive(Debug, clap::Args)]
#[command(override_usage = "distrifs cp [OPTIONS] <SOURCE>... <TARGET>", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// What to copy, and its new name or the directory to copy into
    #[arg(value_name = "PATH", required = true, num_args = 2..)]
    paths: Vec<RemotePath>,
    /// Directories too, with everything in them
    #[arg(short, visible_short_alias = 'R', long)]
    recursive: bool,
    /// Replace existing files
    #[arg(long, short = 'f', visible_alias = "force")]
    overwrite: bool,
    /// Keep the times of last change and read, too
    #[arg(short, long)]
    preserve: bool,
    /// No progress bar
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    pub(crate) settings: WriteFlags,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs cp /data/report.pdf /data/report.bak
  distrifs cp -r /data/2025 /archive/
  distrifs cp --replication 5 /precious /more-precious";

/// Copies.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let Some((target, sources)) = args.paths.split_last() else {
        return Err(Failure::usage("cp", "expected a source and a target"));
    };
    let target = of(context, target, sources.len(), false).await?;
    let progress = Progress::start(args.quiet, true);
    let mut pool = Pool::new(
        context.settings.number(Key::Parallel).unwrap_or(8),
        Some(&progress),
    );
    let copy = Copy {
        fs: context.fs.clone(),
        progress: progress.clone(),
        overwrite: args.overwrite,
        preserve: args.preserve,
    };
    let outcome = async {
        for RemotePath { path, .. } in sources {
            let name = path.name().unwrap_or_default();
            let copied = match target.path_for(name) {
                Ok(to) => source(context, args, &mut pool, &copy, path, to).await,
                Err(failure) => Err(failure),
            };
            if let Err(failure) = copied {
                pool.fail(failure)?;
            }
        }
        pool.finish().await
    };
    let outcome = outcome.await;
    progress.finish(false)?;
    outcome
}

async fn source(
    context: &Context,
    args: &Args,
    pool: &mut Pool,
    copy: &Copy,
    from: &FsPath,
    to: FsPath,
) -> Result<()> {
    let status = stat(context, from).await?;
    if to == *from {
        return Err(Failure::new(
            Exit::InTheWay,
            from,
            "is the same as its copy would be",
        ));
    }
    if status.is_file() {
        let (copy, from) = (copy.clone(), from.clone());
        return pool
            .start(async move { copy.file(&from, &status, &to).await })
            .await;
    }
    if !args.recursive {
        let failure = Failure::new(Exit::InTheWay, from, "is a directory");
        return Err(failure.next("-r copies it with everything in it"));
    }
    if to.is_within(from) {
        return Err(Failure::new(
            Exit::Failed,
            from,
            format_args!("can not be copied into itself ({to})"),
        ));
    }
    directory(context, copy, &to, status.mode).await?;
    let mut walk = Walk::below(&context.fs, from);
    while let Some(found) = walk.next().await {
        let (below, status) = match found {
            Ok(found) => found,
            Err(failure) => {
                pool.fail(failure)?;
                continue;
            }
        };
        let mut target = to.clone();
        for component in below.components().skip(from.components().count()) {
            target = join(&target, component)?;
        }
        if status.is_directory() {
            directory(context, copy, &target, status.mode).await?;
        } else {
            let copy = copy.clone();
            pool.start(async move { copy.file(&below, &status, &target).await })
                .await?;
        }
    }
    Ok(())
}

async fn directory(context: &Context, copy: &Copy, path: &FsPath, mode: u16) -> Result<()> {
    match context.fs.mkdir(path, mode | 0o300, false).await {
        Ok(()) => {
            copy.progress.directory();
            Ok(())
        }
        Err(error @ Error::Exists(_)) => match stat_if_there(context, path).await? {
            Some(there) if there.is_directory() => Ok(()),
            _ => Err(Failure::from_client(path, &error)),
        },
        Err(error) => Err(Failure::from_client(path, &error)),
    }
}

/// How files are copied.
#[derive(Clone)]
struct Copy {
    fs: FileSystem,
    progress: Progress,
    overwrite: bool,
    preserve: bool,
}

impl Copy {
    async fn file(&self, from: &FsPath, status: &FileStatus, to: &FsPath) -> Result<()> {
        let file = self.fs.open(from).await;
        let file = file.map_err(|error| Failure::from_client(from, &error))?;
        self.progress.expect(to.name().unwrap_or_default(), file.len());
        let config = self.fs.config();
        let options = CreateOptions {
            overwrite: self.overwrite,
            mode: status.mode,
            replication: config.replication.or(Some(status.replication)),
            chunk_size: config.chunk_size.or(status.chunk_size),
            publish: Publish::AtComplete,
            ..CreateOptions::default()
        };
        let failed = |error| Failure::from_client(to, &error);
        let mut writer = self.fs.create(to, options).await.map_err(|error| match &error {
            Error::Exists(_) => Failure::from_client(to, &error).next("--overwrite replaces it"),
            _ => no_parent(to, &error),
        })?;
        let mut bytes = file.stream_all();
        let poured = async {
            while let Some(block) = bytes.next().await {
                let block = block.map_err(|error| Failure::from_client(from, &error))?;
                writer.write(&block).await.map_err(failed)?;
                self.progress.moved(block.len());
            }
            Ok(())
        };
        if let Err(failure) = poured.await {
            // What went wrong is told; that the rest was not tidied up as well helps nobody: the lease will end.
            let _ = writer.abort().await;
            return Err(failure);
        }
        writer.close().await.map_err(failed)?;
        self.progress.file();
        if self.preserve {
            let set = self
                .fs
                .set_times(to, Some(status.mtime), Some(status.atime))
                .await;
            set.map_err(failed)?;
        }
        Ok(())
    }
}
