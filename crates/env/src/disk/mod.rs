//! The disk seam: the few file operations that the log, the chunk store and the identity files are made of.
//!
//! All calls block; callers on an async thread wrap them. The contract is that of a POSIX file system that keeps no more
//! promises than it must: after a crash, bytes that were not followed by [`File::sync_data`] may be there, in part, or
//! not at all; a created, renamed or removed name is durable only after [`Disk::sync_dir`] of its directory.
//!
//! A failed sync says that earlier writes may be lost for good: never call it again in the hope of success, drop the
//! file and treat its unsynced bytes as gone.

mod fault;
mod real;
mod sim;

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use fault::{Effect, Fault, FaultDisk, Faults, Gate, Op};
pub use real::RealDisk;
pub(crate) use real::received;
pub use sim::{CrashReport, SimDisk};

/// How a file is opened. All are opened for reading too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// An existing file, for reading only.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A file that must not exist yet.
    CreateNew,
    /// A new file, or an existing one cut to nothing.
    CreateTruncate,
}

impl Open {
    /// The kind of operation that it is to a [`Fault`].
    const fn op(self) -> Op {
        match self {
            Self::Read | Self::Write => Op::Open,
            Self::CreateNew | Self::CreateTruncate => Op::Create,
        }
    }
}

/// What a name in a directory stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything else.
    Other,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The whole path.
    pub path: PathBuf,
    /// What it is.
    pub kind: EntryKind,
}

/// The space of the file system that a path is on, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What an unprivileged process may still use.
    pub available: u64,
}

/// A directory that no other process has locked. Dropping it unlocks.
pub trait DirLock: Send + Sync {}

/// A disk: names and the files behind them.
pub trait Disk: Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    /// `NotFound`, `AlreadyExists` and whatever else the file system answers.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;

    /// Makes a directory and the directories above it that are missing, and makes them durable.
    ///
    /// # Errors
    /// As the file system answers.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, sorted.
    ///
    /// # Errors
    /// As the file system answers.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>>;

    /// Gives a file a new name, replacing what had it. Atomic, but durable only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// As the file system answers.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the file system answers.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// As the file system answers; see the module's text on failed syncs.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Whether the name exists.
    ///
    /// # Errors
    /// As the file system answers.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// The space around `path`.
    ///
    /// # Errors
    /// As the file system answers.
    fn space(&self, path: &Path) -> io::Result<Space>;

    /// Locks a directory against other processes, through a lock file `in_use.lock` in it that holds the process id.
    ///
    /// # Errors
    /// `WouldBlock`, with the holder's process id in the text where it is known, when another has the lock.
    fn lock_dir(&self, path: &Path) -> io::Result<Box<dyn DirLock>>;
}

/// An open file. Calls may come from several threads at once.
pub trait File: Send + Sync {
    /// Reads bytes at `offset`; fewer than asked for only at the end of the file.
    ///
    /// # Errors
    /// As the file system answers.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Reads as [`File::read_at`] does what the system has in memory, and waits for nothing: fewer than asked for also where
    /// the rest is only on the disk, and `WouldBlock` when nothing else is to be had.
    ///
    /// # Errors
    /// As the file system answers.
    fn read_cached_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(bytes, offset)
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// As the file system answers; a part of the bytes may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the bytes and the length durable.
    ///
    /// # Errors
    /// As the file system answers; see the module's text on failed syncs.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts the file, or lengthens it by zeros.
    ///
    /// # Errors
    /// As the file system answers.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// As the file system answers.
    fn size(&self) -> io::Result<u64>;

    /// Asks for the bytes of a range to be written to the disk soon, so that a later sync is short. A hint: promises
    /// nothing, waits for nothing, reports nothing.
    fn start_writeback(&self, offset: u64, len: u64);

    /// Asks for the bytes of a range to be forgotten by the system's cache, so that they are read from the disk next time.
    /// A hint, as the one above; bytes that were not synced stay.
    fn uncache(&self, offset: u64, len: u64);

    /// The operating system's descriptor, where there is one: for fast paths that have a slow path beside them.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;
}

/// Reads until `bytes` is full.
///
/// # Errors
/// `UnexpectedEof` when the file ends before, else as [`File::read_at`].
pub fn read_exact_at(file: &dyn File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    match file.read_at(bytes, offset)? {
        n if n == bytes.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Reads a whole file.
///
/// # Errors
/// As [`Disk::open`] and [`File::read_at`].
pub fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Open::Read)?;
    let len = usize::try_from(file.size()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; len];
    read_exact_at(&*file, &mut bytes, 0)?;
    Ok(bytes)
}

/// Replaces a file, or makes it, so that a crash leaves the old content or the new one whole: a temporary file beside it,
/// sync, rename, sync of the directory.
///
/// # Errors
/// As the file system answers; the old content is then still in place.
pub fn replace_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(".tmp");
    let temporary = directory.join(name);
    let file = disk.open(&temporary, Open::CreateTruncate)?;
    file.write_all_at(bytes, 0)?;
    file.sync_data()?;
    drop(file);
    disk.rename(&temporary, path)?;
    disk.sync_dir(directory)
}
