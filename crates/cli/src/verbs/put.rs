//! `put`: local files and directories into the cluster.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use client::Error;
use tokio::task::spawn_blocking;
use types::FsPath;

use super::put_file::{Put, put_file, put_pipe};
use super::target::{Target, of};
use super::tree::Pool;
use crate::config::{Key, WriteFlags};
use crate::failure::{Exit, Failure, Result};
use crate::output::note;
use crate::progress::Progress;
use crate::remote::{LocalPath, RemotePath, join, stat_if_there};
use crate::run::Context;

/// Store local files and directories
///
/// A target that is an existing directory, or ends with a slash, is copied into; else it is the new name. Directories are
/// taken with everything below. Permissions are kept. A file appears when it is whole and on disk on enough datanodes; one
/// that fails leaves nothing.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "upload", override_usage = "distrifs put [OPTIONS] <SOURCE>... [TARGET]", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Local files and directories, or - for stdin; then the target [default: /]
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,
    /// Replace existing files
    #[arg(long, short = 'f', visible_alias = "force")]
    overwrite: bool,
    /// Make missing directories above the target
    #[arg(long)]
    parents: bool,
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
  distrifs put report.pdf /data/report.pdf
  distrifs put photos videos /media/           # directories, into a directory
  tar c . | distrifs put - /backup.tar         # a pipe
  distrifs put --replication 2 --chunk-size 256MiB big.img /big.img
  distrifs put --overwrite --json report.pdf /data/ | jq .bytes_per_second";

/// Stores.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let (sources, target) = split(&args.paths)?;
    let pipes = sources
        .iter()
        .filter(|source| **source == LocalPath::Pipe)
        .count();
    if pipes > 0 && sources.len() > 1 {
        return Err(Failure::usage(
            "put",
            "stdin (-) can not be put together with other sources",
        ));
    }
    let progress = Progress::start(args.quiet || args.json, pipes == 0);
    let put = Put {
        fs: context.fs.clone(),
        progress: progress.clone(),
        overwrite: args.overwrite,
        parents: args.parents,
        preserve: args.preserve,
    };
    let mut puts = Puts {
        context,
        args,
        pool: Pool::new(
            context.settings.number(Key::Parallel).unwrap_or(8),
            Some(&progress),
        ),
        put,
        modes: Vec::new(),
        left_out: 0,
    };
    let outcome = puts.all(&sources, &target).await;
    let outcome = match outcome {
        Ok(()) => puts.finish().await,
        failed => failed,
    };
    progress.finish(args.json && outcome.is_ok())?;
    outcome
}

/// The sources and the target. One path alone goes into the root.
fn split(paths: &[String]) -> Result<(Vec<LocalPath>, RemotePath)> {
    let (target, sources) = match paths {
        [] => return Err(Failure::usage("put", "expected something to put")),
        [only] if only == "-" => return Err(Failure::usage("put", "stdin has no name: say where it goes")),
        [only] => ("/", std::slice::from_ref(only)),
        [sources @ .., target] => (target.as_str(), sources),
    };
    let target = target.parse().map_err(|why| Failure::usage(target, why))?;
    let sources = sources
        .iter()
        .map(|source| source.parse().map_err(|why: String| Failure::usage(source, why)));
    Ok((sources.collect::<Result<_>>()?, target))
}

/// What is being put.
struct Puts<'a> {
    context: &'a Context,
    args: &'a Args,
    pool: Pool,
    put: Put,
    /// Directories that get their permissions when all is in them.
    modes: Vec<(FsPath, u16)>,
    /// Links and special files that were not copied.
    left_out: usize,
}

/// So many of them are named.
const LEFT_OUT_TOLD: usize = 10;

impl Puts<'_> {
    async fn all(&mut self, sources: &[LocalPath], target: &RemotePath) -> Result<()> {
        let target = of(self.context, target, sources.len(), self.args.parents).await?;
        for source in sources {
            match source {
                LocalPath::Pipe => {
                    let path = match &target {
                        Target::As(path) => path.clone(),
                        Target::Into(path) => {
                            let failure = Failure::new(Exit::InTheWay, path, "is a directory");
                            return Err(failure.next("stdin has no name of its own: give the name of a file"));
                        }
                    };
                    let mode = 0o666 & !self.context.umask;
                    put_pipe(&self.put, &path, mode).await?;
                }
                LocalPath::Path(path) => {
                    if let Err(failure) = self.source(path, &target).await {
                        self.pool.fail(failure)?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn source(&mut self, source: &Path, target: &Target) -> Result<()> {
        let metadata = {
            let source = source.to_path_buf();
            blocking(move || std::fs::metadata(&source)).await
        };
        let metadata = metadata.map_err(|error| Failure::local(source.display(), &error))?;
        let to = match (name_of(source), target) {
            (Some(name), target) => target.path_for(&name?)?,
            // `.` and `/` have no name: what is in them goes into the target itself.
            (None, Target::Into(path) | Target::As(path)) => path.clone(),
        };
        if metadata.is_dir() {
            self.directory(source.to_path_buf(), to, &metadata).await
        } else {
            self.file(source.to_path_buf(), to).await
        }
    }

    async fn file(&mut self, from: PathBuf, to: FsPath) -> Result<()> {
        let put = self.put.clone();
        self.pool
            .start(async move { put_file(&put, from, &to).await })
            .await
    }

    async fn directory(&mut self, from: PathBuf, to: FsPath, metadata: &Metadata) -> Result<()> {
        self.make_directory(&to, metadata, self.args.parents).await?;
        let mut waiting = vec![(from, to)];
        while let Some((from, to)) = waiting.pop() {
            let listed = {
                let from = from.clone();
                blocking(move || list(&from)).await
            };
            let entries = match listed {
                Ok(entries) => entries,
                Err(error) => {
                    self.pool.fail(Failure::local(from.display(), &error))?;
                    continue;
                }
            };
            for entry in entries {
                match self.entry(entry, &to).await {
                    Ok(Some(directory)) => waiting.push(directory),
                    Ok(None) => {}
                    Err(failure) => self.pool.fail(failure)?,
                }
            }
        }
        Ok(())
    }

    /// Puts one entry of a directory; a directory is made and given back, to be gone into.
    async fn entry(&mut self, entry: LocalEntry, above: &FsPath) -> Result<Option<(PathBuf, FsPath)>> {
        let path = entry.path;
        let name = match name_of(&path) {
            Some(name) => name?,
            None => return Ok(None),
        };
        let to = join(above, &name)?;
        match entry.kind {
            LocalKind::File => self.file(path, to).await.map(|()| None),
            LocalKind::Directory(metadata) => {
                self.make_directory(&to, &metadata, false).await?;
                Ok(Some((path, to)))
            }
            LocalKind::Unknown(error) => Err(Failure::local(path.display(), &error)),
            LocalKind::Other(what) => {
                self.left_out(&path, what);
                Ok(None)
            }
        }
    }

    /// Makes a directory with the permissions of a local one. It stays writable until all is in it.
    async fn make_directory(&mut self, path: &FsPath, metadata: &Metadata, parents: bool) -> Result<()> {
        let wanted = mode_of(metadata);
        let meanwhile = wanted | 0o300;
        match self.context.fs.mkdir(path, meanwhile, parents).await {
            Ok(()) => {}
            Err(error @ Error::Exists(_)) => {
                let there = stat_if_there(self.context, path).await?;
                return match there {
                    Some(there) if there.is_directory() => Ok(()),
                    _ => Err(Failure::from_client(path, &error)),
                };
            }
            Err(error) => return Err(super::put_file::no_parent(path, &error)),
        }
        self.put.progress.directory();
        if meanwhile != wanted {
            self.modes.push((path.clone(), wanted));
        }
        Ok(())
    }

    fn left_out(&mut self, path: &Path, what: &str) {
        self.left_out += 1;
        if self.left_out <= LEFT_OUT_TOLD {
            let text = format!("{}: not copied: {what}", path.display());
            self.put.progress.suspend(|| note(&text));
        }
    }

    async fn finish(mut self) -> Result<()> {
        if let Some(more @ 1..) = self.left_out.checked_sub(LEFT_OUT_TOLD) {
            let text = format!("and {more} more such links and special files were not copied");
            self.put.progress.suspend(|| note(&text));
        }
        self.pool.drain().await?;
        for (path, mode) in self.modes.iter().rev() {
            if let Err(error) = self.context.fs.set_mode(path, *mode).await {
                self.pool.fail(Failure::from_client(path, &error))?;
            }
        }
        self.pool.finish().await
    }
}

struct LocalEntry {
    path: PathBuf,
    kind: LocalKind,
}

enum LocalKind {
    File,
    Directory(Metadata),
    /// What is not copied, and what it is.
    Other(&'static str),
    Unknown(std::io::Error),
}

/// The entries of a local directory, sorted. Links to files are followed, links to directories are not: they can form
/// circles.
fn list(directory: &Path) -> std::io::Result<Vec<LocalEntry>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        let kind = match entry.file_type()? {
            kind if kind.is_file() => LocalKind::File,
            kind if kind.is_dir() => entry
                .metadata()
                .map_or_else(LocalKind::Unknown, LocalKind::Directory),
            kind if kind.is_symlink() => match std::fs::metadata(&path) {
                Ok(behind) if behind.is_file() => LocalKind::File,
                Ok(behind) if behind.is_dir() => LocalKind::Other("a symbolic link to a directory"),
                Ok(_) => LocalKind::Other("a symbolic link to what is no file"),
                Err(_) => LocalKind::Other("a symbolic link to nothing"),
            },
            _ => LocalKind::Other("neither file nor directory"),
        };
        entries.push(LocalEntry { path, kind });
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// The last component of a local path: none where there is none (`.`, `/`), an error where it is not UTF-8.
fn name_of(path: &Path) -> Option<Result<String>> {
    let last_is_dot = path.as_os_str().as_encoded_bytes().ends_with(b"/.");
    let resolved;
    let name = match path.file_name() {
        _ if last_is_dot => return None,
        Some(name) => name,
        None if path.as_os_str().as_encoded_bytes().ends_with(b"..") => {
            resolved = path.canonicalize().ok()?;
            resolved.file_name()?
        }
        None => return None,
    };
    Some(match name.to_str() {
        Some(name) => Ok(name.to_owned()),
        None => {
            Err(Failure::new(Exit::Failed, path.display(), "its name is not UTF-8").next("rename it first"))
        }
    })
}

pub(super) fn mode_of(metadata: &Metadata) -> u16 {
    u16::try_from(metadata.permissions().mode() & 0o1777).unwrap_or(0o644)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn the_last_path_is_the_target() {
        let (sources, target) = split(&texts(&["a", "b", "/c/"])).unwrap();
        assert_eq!(
            sources,
            [LocalPath::Path("a".into()), LocalPath::Path("b".into())]
        );
        assert!(target.slash && target.path.as_str() == "/c");
        let (sources, target) = split(&texts(&["a"])).unwrap();
        assert_eq!((sources.len(), target.path.as_str()), (1, "/"));
        assert!(split(&texts(&["-"])).is_err());
    }

    #[test]
    fn names_of_local_paths() {
        let name = |path: &str| name_of(Path::new(path)).map(|name| name.unwrap());
        assert_eq!(name("a/b"), Some("b".to_owned()));
        assert_eq!(name("a/b/"), Some("b".to_owned()));
        assert_eq!(name("."), None);
        assert_eq!(name("a/."), None);
        assert_eq!(name("/"), None);
        assert_eq!(name("/usr/bin/.."), Some("usr".to_owned()));
    }
}
