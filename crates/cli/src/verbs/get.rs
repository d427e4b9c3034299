//! `get`: files and directories of the cluster into the local file system.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use client::FileStatus;
use types::FsPath;

use super::cat::{open, print_range};
use super::get_file::{Get, get_file};
use super::tree::{Pool, Walk};
use crate::config::{Key, WriteFlags};
use crate::failure::{Exit, Failure, Result};
use crate::progress::Progress;
use crate::remote::{LocalPath, RemotePath, stat};
use crate::run::Context;

/// Fetch files and directories
///
/// A target that is an existing directory, or ends with a slash, is copied into; else it is the new name. Directories are
/// taken with everything below. Permissions are kept. A file appears when it is whole; one that fails leaves nothing.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "download", override_usage = "distrifs get [OPTIONS] <SOURCE>... [TARGET]", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Files and directories of the cluster; then the local target, or - for stdout [default: .]
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,
    /// Replace existing local files
    #[arg(long, short = 'f', visible_alias = "force")]
    overwrite: bool,
    /// Keep the times of last change and read, too
    #[arg(short, long)]
    preserve: bool,
    /// Print what was moved as JSON
    #[arg(long)]
    json: bool,
    /// No progress bar
    #[arg(short, long)]
    quiet: bool,
    /// Accepted for the sake of habit: directories are always taken with all below
    #[arg(short = 'r', short_alias = 'R', long, hide = true)]
    recursive: bool,
    #[command(flatten)]
    pub(crate) settings: WriteFlags,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs get /data/report.pdf                # into the working directory
  distrifs get /data/report.pdf copy.pdf
  distrifs get /media/photos /media/videos ~/  # directories, into a directory
  distrifs get /backup.tar - | tar x           # to a pipe
  distrifs get --overwrite --json /data . | jq .files";

/// Fetches.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let (sources, target, slash) = split(&args.paths)?;
    let target = match target {
        LocalPath::Path(path) => path,
        LocalPath::Pipe => {
            if args.json {
                return Err(Failure::usage("get", "--json and - both want stdout"));
            }
            for source in &sources {
                let file = open(context, &source.path).await?;
                print_range(&file, 0..file.len()).await?;
            }
            return Ok(());
        }
    };
    let is_directory = target.is_dir();
    if !is_directory && (sources.len() > 1 || slash) {
        let failure = Failure::new(Exit::NotFound, target.display(), "no such local directory");
        return Err(failure.next(format!("make it first: mkdir -p {}", target.display())));
    }
    let progress = Progress::start(args.quiet || args.json, true);
    let mut gets = Gets {
        context,
        pool: Pool::new(
            context.settings.number(Key::Parallel).unwrap_or(8),
            Some(&progress),
        ),
        get: Get {
            fs: context.fs.clone(),
            progress: progress.clone(),
            overwrite: args.overwrite,
            preserve: args.preserve,
        },
        modes: Vec::new(),
    };
    let outcome = match gets.all(&sources, &target, is_directory).await {
        Ok(()) => gets.finish().await,
        failed => failed,
    };
    progress.finish(args.json && outcome.is_ok())?;
    outcome
}

/// The sources, the target, and whether the target ended with a slash. One path alone comes into the working directory.
fn split(paths: &[String]) -> Result<(Vec<RemotePath>, LocalPath, bool)> {
    let (target, sources) = match paths {
        [] => return Err(Failure::usage("get", "expected something to get")),
        [only] => (".", std::slice::from_ref(only)),
        [sources @ .., target] => (target.as_str(), sources),
    };
    let local = target.parse().map_err(|why| Failure::usage(target, why))?;
    let sources = sources
        .iter()
        .map(|source| source.parse().map_err(|why: String| Failure::usage(source, why)));
    Ok((sources.collect::<Result<_>>()?, local, target.ends_with('/')))
}

/// What is being fetched.
struct Gets<'a> {
    context: &'a Context,
    pool: Pool,
    get: Get,
    /// Directories that get their permissions when all is in them.
    modes: Vec<(PathBuf, u32)>,
}

impl Gets<'_> {
    async fn all(&mut self, sources: &[RemotePath], target: &Path, is_directory: bool) -> Result<()> {
        for RemotePath { path, .. } in sources {
            let to = match path.name() {
                Some(name) if is_directory => target.join(name),
                _ => target.to_path_buf(),
            };
            if let Err(failure) = self.source(path, to).await {
                self.pool.fail(failure)?;
            }
        }
        Ok(())
    }

    async fn source(&mut self, path: &FsPath, to: PathBuf) -> Result<()> {
        let status = stat(self.context, path).await?;
        if status.is_file() {
            return self.file(path.clone(), status, to).await;
        }
        self.make_directory(&to, status.mode)?;
        let mut walk = Walk::below(&self.context.fs, path);
        while let Some(found) = walk.next().await {
            let outcome = match found {
                Ok((below, status)) => self.entry(path, below, status, &to).await,
                Err(failure) => Err(failure),
            };
            if let Err(failure) = outcome {
                self.pool.fail(failure)?;
            }
        }
        Ok(())
    }

    async fn entry(&mut self, top: &FsPath, path: FsPath, status: FileStatus, to: &Path) -> Result<()> {
        // Components of a path of the cluster are never `..`, so this stays below `to`.
        let mut local = to.to_path_buf();
        local.extend(path.components().skip(top.components().count()));
        if status.is_directory() {
            self.make_directory(&local, status.mode)
        } else {
            self.file(path, status, local).await
        }
    }

    async fn file(&mut self, path: FsPath, status: FileStatus, to: PathBuf) -> Result<()> {
        let get = self.get.clone();
        self.pool
            .start(async move { get_file(&get, &path, &status, to).await })
            .await
    }

    /// Makes a local directory. It stays writable until all is in it.
    fn make_directory(&mut self, path: &Path, mode: u16) -> Result<()> {
        let wanted = u32::from(mode) & 0o1777;
        let meanwhile = wanted | 0o700;
        match DirBuilder::new().mode(meanwhile).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
            Err(error) => return Err(Failure::local(path.display(), &error)),
        }
        self.get.progress.directory();
        self.modes.push((path.to_path_buf(), wanted));
        Ok(())
    }

    async fn finish(mut self) -> Result<()> {
        self.pool.drain().await?;
        for (path, mode) in self.modes.iter().rev() {
            if let Err(error) = std::fs::set_permissions(path, Permissions::from_mode(*mode)) {
                self.pool.fail(Failure::local(path.display(), &error))?;
            }
        }
        self.pool.finish().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_path_is_the_target() {
        let texts = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        let (sources, target, slash) = split(&texts(&["/a", "b", "c/"])).unwrap();
        assert_eq!(sources.len(), 2);
        assert_eq!((target, slash), (LocalPath::Path("c/".into()), true));
        let (_, target, _) = split(&texts(&["/a"])).unwrap();
        assert_eq!(target, LocalPath::Path(".".into()));
        let (_, target, _) = split(&texts(&["/a", "-"])).unwrap();
        assert_eq!(target, LocalPath::Pipe);
    }
}
