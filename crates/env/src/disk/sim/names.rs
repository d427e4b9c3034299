//! The names of a simulated disk: as the process sees them, and as the platters do.
//!
//! A rename is atomic: a crash keeps all of it or nothing. Operations that were not followed by a sync of their directory
//! may be kept in any combination, in the order in which they were made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};

use fastrand::Rng;

use super::CrashReport;
use super::content::Content;
use crate::disk::{Entry, EntryKind};

/// A system writes names back by itself after a while, the oldest first: when there are more changes than these.
const UNSYNCED_MAX: usize = 4_096;

/// A file, whatever its names.
#[derive(Clone, Default)]
pub(super) struct Inode(Arc<Mutex<Content>>);

impl Inode {
    pub(super) fn with<T>(&self, f: impl FnOnce(&mut Content) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Inode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inode").field(&Arc::as_ptr(&self.0)).finish()
    }
}

/// An operation on names since the last sync of its directories.
#[derive(Debug)]
enum Change {
    Add {
        path: PathBuf,
        inode: Inode,
    },
    Remove {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        inode: Inode,
    },
}

impl Change {
    fn is_in(&self, directory: &Path) -> bool {
        let within = |path: &PathBuf| path.parent() == Some(directory);
        match self {
            Self::Add { path, .. } | Self::Remove { path } => within(path),
            Self::Rename { from, to, .. } => within(from) || within(to),
        }
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, Inode>) {
        match self {
            Self::Add { path, inode } => {
                names.insert(path, inode);
            }
            Self::Remove { path } => {
                names.remove(&path);
            }
            Self::Rename { from, to, inode } => {
                if names.get(&from).is_some_and(|there| there.is(&inode)) {
                    names.remove(&from);
                }
                names.insert(to, inode);
            }
        }
    }
}

/// Directories are durable as soon as they are made (as [`Disk::create_dir_all`](crate::disk::Disk::create_dir_all)
/// promises).
#[derive(Debug, Default)]
pub(super) struct Names {
    directories: BTreeSet<PathBuf>,
    live: BTreeMap<PathBuf, Inode>,
    durable: BTreeMap<PathBuf, Inode>,
    unsynced: Vec<Change>,
}

impl Names {
    pub(super) fn find(&self, path: &Path) -> io::Result<Inode> {
        if self.is_directory(path) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.live
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        self.is_directory(path) || self.live.contains_key(path)
    }

    /// All files that a process sees.
    pub(super) fn inodes(&self) -> impl Iterator<Item = &Inode> {
        self.live.values()
    }

    /// And those that a crash may bring back.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Inode> {
        let of_change = |change| match change {
            &Change::Add { ref inode, .. } | &Change::Rename { ref inode, .. } => Some(inode),
            &Change::Remove { .. } => None,
        };
        let named = self.live.values().chain(self.durable.values());
        let mut seen = BTreeSet::new();
        named
            .chain(self.unsynced.iter().filter_map(of_change))
            .filter(move |inode| seen.insert(Arc::as_ptr(&inode.0)))
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.live.keys()
    }

    pub(super) fn add(&mut self, path: &Path) -> io::Result<Inode> {
        if self.exists(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !path.parent().is_some_and(|parent| self.is_directory(parent)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inode = Inode::default();
        self.change(Change::Add {
            path: path.to_owned(),
            inode: inode.clone(),
        });
        Ok(inode)
    }

    /// Adds a name that is durable at once.
    pub(super) fn add_durable(&mut self, path: &Path) {
        if !self.exists(path) {
            let inode = Inode::default();
            self.live.insert(path.to_owned(), inode.clone());
            self.durable.insert(path.to_owned(), inode);
        }
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        self.change(Change::Remove {
            path: path.to_owned(),
        });
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.find(from)?;
        if self.is_directory(to) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !to.parent().is_some_and(|parent| self.is_directory(parent)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if from != to {
            self.change(Change::Rename {
                from: from.to_owned(),
                to: to.to_owned(),
                inode,
            });
        }
        Ok(())
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        if path.ancestors().any(|ancestor| self.live.contains_key(ancestor)) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        self.directories.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    pub(super) fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        if !self.is_directory(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let within = |entry: &&PathBuf| entry.parent() == Some(path);
        let directories = self.directories.iter().map(|path| (path, EntryKind::Directory));
        let files = self.live.keys().map(|path| (path, EntryKind::File));
        let mut entries: Vec<Entry> = directories
            .chain(files)
            .filter(|(path, _)| within(path))
            .map(|(path, kind)| Entry {
                path: path.clone(),
                kind,
            })
            .collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        if !self.is_directory(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        for change in std::mem::take(&mut self.unsynced) {
            if change.is_in(path) {
                change.apply(&mut self.durable);
            } else {
                self.unsynced.push(change);
            }
        }
        Ok(())
    }

    /// The power goes: any of the changes since the last sync may have reached the disk. The files go through the same.
    pub(super) fn crash(&mut self, rng: &mut Rng, report: &mut CrashReport) {
        let likely = *rng.choice(&[0, 128, 255]).unwrap_or(&0);
        for change in std::mem::take(&mut self.unsynced) {
            if rng.u8(..) < likely {
                change.apply(&mut self.durable);
                report.names_kept += 1;
            } else {
                report.names_lost += 1;
            }
        }
        self.live.clone_from(&self.durable);
        let mut crashed: Vec<&Inode> = Vec::new();
        for inode in self.live.values() {
            if !crashed.iter().any(|seen| seen.is(inode)) {
                inode.with(|content| content.crash(rng, report));
                crashed.push(inode);
            }
        }
    }

    fn change(&mut self, change: Change) {
        match &change {
            Change::Add { path, inode } => {
                self.live.insert(path.clone(), inode.clone());
            }
            Change::Remove { path } => {
                self.live.remove(path);
            }
            Change::Rename { from, to, inode } => {
                self.live.remove(from);
                self.live.insert(to.clone(), inode.clone());
            }
        }
        self.unsynced.push(change);
        if self.unsynced.len() > UNSYNCED_MAX {
            for change in self.unsynced.drain(..UNSYNCED_MAX / 2) {
                change.apply(&mut self.durable);
            }
        }
    }

    fn is_directory(&self, path: &Path) -> bool {
        self.directories.contains(path) || path == Path::new("/") || path.as_os_str().is_empty()
    }
}
