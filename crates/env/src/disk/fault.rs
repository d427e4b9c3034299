//! Disks that fail or are slow, on purpose: for tests.
//!
//! A [`Faults`] is a list of faults that a test adds to while the disk is in use. [`SimDisk`](super::SimDisk) has one;
//! [`FaultDisk`] puts one in front of any other disk.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::{DirLock, Disk, Entry, File, Open, Space};
use crate::blocking::{is_inline, owe};

/// The kinds of operation that a fault can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// Opening a file that is there.
    Open,
    /// Opening a file that is made or emptied by it, and making a directory.
    Create,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Changing the length.
    SetLen,
    /// `sync_data` of a file.
    SyncData,
    /// `sync_dir` of a directory.
    SyncDir,
    /// Renaming; the path is the old one.
    Rename,
    /// Removing.
    Remove,
}

impl Op {
    /// Whether it changes what a crash would leave.
    #[must_use]
    pub const fn is_mutating(self) -> bool {
        !matches!(self, Self::Open | Self::Read)
    }
}

/// What a fault does to an operation.
#[derive(Debug, Clone)]
pub enum Effect {
    /// It fails with this error number (`libc::EIO`, `libc::ENOSPC`, …). A write has written its first half by then; the
    /// bytes of a file whose sync fails will never be durable, whatever syncs follow.
    Fail(i32),
    /// It takes this much longer: a slow disk. Where nothing may block ([`Inline`](crate::Inline)), the
    /// [`blocking`](crate::blocking) call that it is in does.
    Delay(Duration),
    /// It says that it is done, and does nothing: of syncs only. A disk that lies, or a program that forgets to sync.
    Lie,
    /// It is done at another place of the disk: of writes to a [`SimDisk`](super::SimDisk) only. The place where the bytes should be
    /// keeps what it had, and is as long as if they were there.
    Elsewhere {
        /// In which file; where there is none, the bytes are nowhere.
        path: PathBuf,
        /// From which byte on. What goes beyond the file's end is nowhere.
        offset: u64,
    },
    /// It waits until the gate is opened: a slow disk, for tests that must not depend on time.
    Hold(Gate),
}

/// One fault.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The kind of operation that it strikes.
    pub op: Op,
    /// A part of the path of the files that it strikes; empty for all.
    pub path_contains: String,
    /// How many such operations pass first.
    pub skip: u64,
    /// How many it strikes after these.
    pub times: u64,
    /// What it does.
    pub effect: Effect,
}

impl Fault {
    /// Strikes the operation once, after `skip` of its kind.
    #[must_use]
    pub const fn once(op: Op, skip: u64, effect: Effect) -> Self {
        Self {
            op,
            path_contains: String::new(),
            skip,
            times: 1,
            effect,
        }
    }

    /// Strikes every operation of the kind.
    #[must_use]
    pub const fn always(op: Op, effect: Effect) -> Self {
        Self {
            op,
            path_contains: String::new(),
            skip: 0,
            times: u64::MAX,
            effect,
        }
    }

    /// Limits it to files with `part` in their path.
    #[must_use]
    pub fn on(mut self, part: &str) -> Self {
        part.clone_into(&mut self.path_contains);
        self
    }
}

/// A gate that operations wait at. Clones are the same gate. It starts closed.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Debug, Default)]
struct GateState {
    open: bool,
    waiting: usize,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everyone through, now and later.
    pub fn open(&self) {
        self.lock().open = true;
        self.0.1.notify_all();
    }

    /// How many operations wait at it.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// Blocks until `count` operations wait at it.
    pub fn wait_for(&self, count: usize) {
        let mut state = self.lock();
        while state.waiting < count {
            state = self.0.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn pass(&self) {
        let mut state = self.lock();
        state.waiting += 1;
        self.0.1.notify_all();
        while !state.open {
            state = self.0.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of an operation that does not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is done.
    Done,
    /// It only seems so.
    Forgotten,
    /// It is done at another place.
    Elsewhere { path: PathBuf, offset: u64 },
}

/// The faults that wait for their operation. Clones are the same list.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Fault>>>);

impl Faults {
    /// Adds a fault.
    pub fn add(&self, fault: Fault) {
        self.lock().push(fault);
    }

    /// Removes all faults. Those that operations wait in already are not cut short.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Tells the faults of an operation, waits where they say so, and fails where they say so.
    pub(super) fn strike(&self, op: Op, path: &Path) -> io::Result<Fate> {
        let mut struck = Vec::new();
        {
            let mut faults = self.lock();
            if faults.is_empty() {
                return Ok(Fate::Done);
            }
            let text = path.to_string_lossy();
            for fault in &mut *faults {
                if fault.op != op || !text.contains(&fault.path_contains) {
                    continue;
                }
                if fault.skip > 0 {
                    fault.skip -= 1;
                } else if fault.times > 0 {
                    fault.times -= 1;
                    struck.push(fault.effect.clone());
                }
            }
            faults.retain(|fault| fault.times > 0);
        }
        let mut outcome = Ok(Fate::Done);
        for effect in struck {
            match effect {
                Effect::Fail(code) => outcome = Err(io::Error::from_raw_os_error(code)),
                Effect::Delay(time) if is_inline() => owe(time),
                Effect::Delay(time) => thread::sleep(time),
                Effect::Hold(gate) => gate.pass(),
                Effect::Lie => outcome = outcome.map(|_| Fate::Forgotten),
                Effect::Elsewhere { path, offset } => {
                    outcome = outcome.map(|_| Fate::Elsewhere { path, offset });
                }
            }
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Faults in front of another disk. Clones share them.
#[derive(Clone)]
pub struct FaultDisk {
    inner: Arc<dyn Disk>,
    faults: Faults,
}

impl FaultDisk {
    /// `inner`, without faults so far.
    #[must_use]
    pub fn new(inner: Arc<dyn Disk>) -> Self {
        Self {
            inner,
            faults: Faults::default(),
        }
    }

    /// The faults, to add to.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }
}

impl Disk for FaultDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        self.faults.strike(how.op(), path)?;
        Ok(Arc::new(FaultFile {
            inner: self.inner.open(path, how)?,
            path: path.to_owned(),
            faults: self.faults.clone(),
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.faults.strike(Op::Create, path)?;
        self.inner.create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.faults.strike(Op::Read, path)?;
        self.inner.read_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.faults.strike(Op::Rename, from)?;
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.faults.strike(Op::Remove, path)?;
        self.inner.remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if self.faults.strike(Op::SyncDir, path)? == Fate::Done {
            self.inner.sync_dir(path)?;
        }
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.inner.exists(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.inner.space(path)
    }

    fn lock_dir(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        self.inner.lock_dir(path)
    }
}

struct FaultFile {
    inner: Arc<dyn File>,
    path: PathBuf,
    faults: Faults,
}

impl File for FaultFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.faults.strike(Op::Read, &self.path)?;
        self.inner.read_at(bytes, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(error) = self.faults.strike(Op::Write, &self.path) {
            let (half, _) = bytes.split_at(bytes.len() / 2);
            self.inner.write_all_at(half, offset)?;
            return Err(error);
        }
        self.inner.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.faults.strike(Op::SyncData, &self.path)? == Fate::Done {
            self.inner.sync_data()?;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.faults.strike(Op::SetLen, &self.path)?;
        self.inner.set_len(len)
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn start_writeback(&self, offset: u64, len: u64) {
        self.inner.start_writeback(offset, len);
    }

    fn uncache(&self, offset: u64, len: u64) {
        self.inner.uncache(offset, len);
    }

    /// None: the fast paths would go around the faults.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{RealDisk, read_file};

    fn disk() -> (tempfile::TempDir, FaultDisk, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        (directory, FaultDisk::new(Arc::new(RealDisk)), path)
    }

    #[test]
    fn the_nth_operation_on_a_matching_path_fails_once() {
        let (_directory, disk, path) = disk();
        let file = disk.open(&path, Open::CreateNew).unwrap();
        disk.faults()
            .add(Fault::once(Op::Write, 1, Effect::Fail(libc::EIO)).on("file"));
        disk.faults()
            .add(Fault::always(Op::SyncData, Effect::Fail(libc::EIO)).on("elsewhere"));
        file.write_all_at(b"first", 0).unwrap();
        let error = file.write_all_at(b"second", 5).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EIO));
        assert_eq!(read_file(&disk, &path).unwrap(), b"firstsec");
        file.write_all_at(b"third", 0).unwrap();
        file.sync_data().unwrap();
    }

    #[test]
    fn faults_last_until_they_are_cleared() {
        let (_directory, disk, path) = disk();
        let file = disk.open(&path, Open::CreateNew).unwrap();
        disk.faults()
            .add(Fault::always(Op::SyncData, Effect::Fail(libc::EIO)));
        assert!(file.sync_data().is_err());
        assert!(file.sync_data().is_err());
        disk.faults().clear();
        file.sync_data().unwrap();
    }

    #[test]
    fn an_operation_waits_at_a_gate() {
        let (_directory, disk, path) = disk();
        let gate = Gate::new();
        disk.faults()
            .add(Fault::always(Op::Write, Effect::Hold(gate.clone())));
        let file = disk.open(&path, Open::CreateNew).unwrap();
        let writer = thread::spawn(move || file.write_all_at(b"late", 0));
        gate.wait_for(1);
        assert_eq!(read_file(&disk, &path).unwrap(), b"");
        gate.open();
        writer.join().unwrap().unwrap();
        assert_eq!(read_file(&disk, &path).unwrap(), b"late");
    }
}
