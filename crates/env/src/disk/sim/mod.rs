//! A disk in memory that can lose power.
//!
//! It keeps two images: the live one, which the process sees, and the durable one, which a crash leaves. Bytes move from
//! the one to the other by `sync_data`, names by `sync_dir`. [`SimDisk::crash`] keeps the durable image and whatever a
//! seed picks of the rest: any unsynced writes, torn at sectors of 512 bytes, and any unsynced changes of names. The same
//! operations and the same seed leave the same bytes.
//!
//! [`SimDisk::die_after`] ends the simulated process at any operation: what a program leaves at *every* point is tried by
//! counting its operations once ([`SimDisk::mutations`]) and dying at each.
//!
//! What it does not do: modes and owners of files, links, renaming of directories.

mod content;
mod names;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;

use self::names::{Inode, Names};
use super::fault::{Fate, Faults, Op};
use super::{DirLock, Disk, Entry, File, Open, Space};

/// What [`SimDisk::space`](Disk::space) says where no capacity is set.
const CAPACITY_DEFAULT: u64 = 1 << 40;

/// What a crash did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CrashReport {
    /// Unsynced writes that reached the disk whole.
    pub writes_kept: u64,
    /// Unsynced writes of which some sectors reached the disk.
    pub writes_torn: u64,
    /// Unsynced writes and changes of length that were lost.
    pub writes_lost: u64,
    /// Unsynced changes of names that reached the disk.
    pub names_kept: u64,
    /// Unsynced changes of names that were lost.
    pub names_lost: u64,
}

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk {
    world: Arc<Mutex<World>>,
    faults: Faults,
}

#[derive(Debug)]
struct World {
    names: Names,
    locked: BTreeSet<PathBuf>,
    /// Counts processes: the files that an earlier one had open are closed.
    process: u64,
    mutations: u64,
    /// The number of mutations that the process lives to see.
    dies_at: u64,
    capacity: Option<u64>,
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self {
            world: Arc::new(Mutex::new(World {
                names: Names::default(),
                locked: BTreeSet::new(),
                process: 0,
                mutations: 0,
                dies_at: u64::MAX,
                capacity: None,
            })),
            faults: Faults::default(),
        }
    }

    /// The faults, to add to.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How many operations that change something were begun, by all processes so far.
    #[must_use]
    pub fn mutations(&self) -> u64 {
        self.lock().mutations
    }

    /// Lets `operations` more operations that change something happen; after these everything fails, as if the process
    /// had died, until [`SimDisk::crash`] or [`SimDisk::kill`].
    pub fn die_after(&self, operations: u64) {
        let mut world = self.lock();
        world.dies_at = world.mutations.saturating_add(operations);
    }

    /// Cuts the power, and starts the machine again: see the module's text. Open files and locks are gone.
    pub fn crash(&self, seed: u64) -> CrashReport {
        let mut report = CrashReport::default();
        let mut world = self.lock();
        world.names.crash(&mut Rng::with_seed(seed), &mut report);
        world.restart();
        report
    }

    /// Ends the process, and starts it again: everything written is still there, synced or not. Open files and locks are
    /// gone.
    pub fn kill(&self) {
        self.lock().restart();
    }

    /// Limits the bytes of all files together: what goes beyond fails with `StorageFull`.
    pub fn set_capacity(&self, bytes: u64) {
        self.lock().capacity = Some(bytes);
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.lock().used()
    }

    /// Bytes of this process's memory that the files take.
    #[must_use]
    pub fn memory(&self) -> usize {
        let world = self.lock();
        world
            .names
            .kept()
            .map(|inode| inode.with(|content| content.memory()))
            .sum()
    }

    /// All files, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.lock().names.paths().cloned().collect()
    }

    /// How many bytes of a file were read, from its first one on, since they were written: whether somebody has read it again.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn read_to(&self, path: &Path) -> io::Result<u64> {
        let inode = self.lock().names.find(path)?;
        Ok(inode.with(|content| content.read_to() as u64))
    }

    /// Flips the bits of `mask` in a byte on the disk.
    ///
    /// # Errors
    /// `NotFound`, and `UnexpectedEof` where the file is shorter.
    pub fn corrupt(&self, path: &Path, offset: u64, mask: u8) -> io::Result<()> {
        let inode = self.lock().names.find(path)?;
        if inode.with(|content| Ok::<_, io::Error>(content.corrupt(index(offset)?, mask)))? {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an operation: faults first, without the lock (they may wait).
    fn begin(&self, op: Op, path: &Path) -> io::Result<MutexGuard<'_, World>> {
        let fault = self.faults.strike(op, path);
        let mut world = self.lock();
        world.step(op)?;
        fault.map(|_| world)
    }
}

impl World {
    fn restart(&mut self) {
        self.process += 1;
        self.locked.clear();
        self.dies_at = u64::MAX;
    }

    fn step(&mut self, op: Op) -> io::Result<()> {
        if self.mutations >= self.dies_at {
            return Err(io::Error::other("the simulated process has died"));
        }
        self.mutations += u64::from(op.is_mutating());
        Ok(())
    }

    fn used(&self) -> u64 {
        self.names
            .inodes()
            .map(|inode| inode.with(|content| content.len() as u64))
            .sum()
    }

    /// Whether `inode` may become `len` long.
    fn admit(&self, inode: &Inode, len: usize) -> io::Result<()> {
        let Some(capacity) = self.capacity else {
            return Ok(());
        };
        let growth = len.saturating_sub(inode.with(|content| content.len())) as u64;
        if growth > 0 && self.used() + growth > capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut world = self.begin(how.op(), path)?;
        let inode = match how {
            Open::Read | Open::Write => world.names.find(path)?,
            Open::CreateNew => world.names.add(path)?,
            Open::CreateTruncate => match world.names.find(path) {
                Ok(inode) => {
                    inode.with(|content| content.set_len(0));
                    inode
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => world.names.add(path)?,
                Err(error) => return Err(error),
            },
        };
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            path: path.to_owned(),
            inode,
            process: world.process,
            writable: how != Open::Read,
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.begin(Op::Create, path)?.names.create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.begin(Op::Read, path)?.names.read_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.begin(Op::Rename, from)?.names.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.begin(Op::Remove, path)?.names.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let fault = self.faults.strike(Op::SyncDir, path);
        let mut world = self.lock();
        world.step(Op::SyncDir)?;
        if fault? == Fate::Done {
            world.names.sync_dir(path)?;
        }
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.begin(Op::Open, path)?.names.exists(path))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let world = self.begin(Op::Open, path)?;
        let total = world.capacity.unwrap_or(CAPACITY_DEFAULT);
        Ok(Space {
            total,
            available: total.saturating_sub(world.used()),
        })
    }

    fn lock_dir(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        let mut world = self.begin(Op::Open, path)?;
        if !world.locked.insert(path.to_owned()) {
            return Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                format!("{} is in use by process {}", path.display(), world.process),
            ));
        }
        world.names.add_durable(&path.join("in_use.lock"));
        Ok(Box::new(SimDirLock {
            disk: self.clone(),
            path: path.to_owned(),
            process: world.process,
        }))
    }
}

struct SimDirLock {
    disk: SimDisk,
    path: PathBuf,
    process: u64,
}

impl DirLock for SimDirLock {}

impl Drop for SimDirLock {
    fn drop(&mut self) {
        let mut world = self.disk.lock();
        if world.process == self.process {
            world.locked.remove(&self.path);
        }
    }
}

struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    inode: Inode,
    process: u64,
    writable: bool,
}

impl SimFile {
    /// Begins an operation, and says what faults make of it.
    fn begin(&self, op: Op) -> io::Result<(MutexGuard<'_, World>, io::Result<Fate>)> {
        let fault = self.disk.faults.strike(op, &self.path);
        let mut world = self.disk.lock();
        if world.process != self.process {
            return Err(io::Error::other(
                "the file was open in a simulated process that has died",
            ));
        }
        world.step(op)?;
        if op != Op::Read && op != Op::SyncData && !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok((world, fault))
    }
}

impl File for SimFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let (_world, fault) = self.begin(Op::Read)?;
        fault?;
        let offset = index(offset)?;
        Ok(self.inode.with(|content| content.read(bytes, offset)))
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (world, fault) = self.begin(Op::Write)?;
        let offset = index(offset)?;
        world.admit(&self.inode, offset.saturating_add(bytes.len()))?;
        let written = match &fault {
            Ok(Fate::Elsewhere { path, offset: place }) => {
                let place = index(*place)?;
                if let Ok(other) = world.names.find(path) {
                    other.with(|content| content.overwrite(bytes, place));
                }
                let end = offset.saturating_add(bytes.len());
                self.inode.with(|content| content.set_len(content.len().max(end)));
                return Ok(());
            }
            Ok(_) => bytes,
            Err(_) => bytes.split_at(bytes.len() / 2).0,
        };
        self.inode.with(|content| content.write(written, offset));
        fault.map(drop)
    }

    fn sync_data(&self) -> io::Result<()> {
        let (_world, fault) = self.begin(Op::SyncData)?;
        self.inode.with(|content| match fault {
            Ok(Fate::Done) => content.sync(),
            Ok(_) => {}
            Err(_) => content.fail_sync(),
        });
        fault.map(drop)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let (world, fault) = self.begin(Op::SetLen)?;
        fault?;
        let len = index(len)?;
        world.admit(&self.inode, len)?;
        self.inode.with(|content| content.set_len(len));
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        let (_world, _) = self.begin(Op::Read)?;
        Ok(self.inode.with(|content| content.len() as u64))
    }

    /// Writes nothing back: a crash may keep unsynced writes anyway.
    fn start_writeback(&self, _offset: u64, _len: u64) {}

    /// There is no cache.
    fn uncache(&self, _offset: u64, _len: u64) {}

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

fn index(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

#[cfg(test)]
mod tests;
