//! The names of checkpoints, and which of them stay.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::disk::{Disk, EntryKind, File, Open};

use crate::error::{Failure, While};
use crate::kept::{Looked, look};

/// So many are kept: the newest, and one to fall back to.
const KEPT: usize = 2;

/// So many may be written or received at once.
const AT_ONCE: u32 = 64;

/// The name of the checkpoint as of `index`.
#[must_use]
pub fn name(index: u64) -> String {
    format!("checkpoint-{index:020}")
}

/// The index that the name of a checkpoint tells, if it is one.
pub(crate) fn index_of(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_prefix("checkpoint-")?;
    let is_index = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_index.then(|| digits.parse().ok()).flatten()
}

fn is_temporary(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name.starts_with("checkpoint-") && name.strip_suffix(".tmp").is_some()
}

/// The checkpoints of a directory by their names, newest first.
pub(crate) fn list(disk: &dyn Disk, directory: &Path) -> Result<Vec<(u64, PathBuf)>, Failure> {
    let entries = match disk.read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.when("list", directory)?,
    };
    let mut found: Vec<_> = entries
        .into_iter()
        .filter(|entry| entry.kind == EntryKind::File)
        .filter_map(|entry| Some((index_of(&entry.path)?, entry.path)))
        .collect();
    found.sort_by(|(a, _), (b, _)| b.cmp(a));
    Ok(found)
}

/// Removes what writing and receiving left when the process ended in the middle of it. To be called when a directory is
/// opened, before anything is written in it.
///
/// # Errors
/// As the file system answers.
pub fn tidy(disk: &dyn Disk, directory: &Path) -> Result<(), Failure> {
    let entries = match disk.read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.when("list", directory)?,
    };
    for entry in entries.iter().filter(|entry| is_temporary(&entry.path)) {
        disk.remove_file(&entry.path).when("remove", &entry.path)?;
    }
    Ok(())
}

/// Removes every checkpoint that is older than the two newest whole ones, and answers the index of the older of these two.
///
/// What can not be removed stays: it is in nobody's way, and is tried again at the next time. While fewer than two are
/// whole nothing is removed, and what a newer program wrote is never.
pub(crate) fn prune(disk: &dyn Disk, directory: &Path) -> Option<u64> {
    let (mut whole, mut damaged) = (Vec::new(), Vec::new());
    let found = list(disk, directory)
        .inspect_err(|error| tracing::warn!(%error, "old checkpoints are not removed"))
        .ok()?;
    for (index, path) in found {
        match look(disk, &path, index) {
            Ok(Looked::Whole(_)) => whole.push((index, path)),
            Ok(Looked::Damaged(_)) => damaged.push((index, path)),
            Ok(Looked::Newer(_) | Looked::Gone) => {}
            Err(error) => tracing::warn!(%error, "a checkpoint can not be looked at"),
        }
    }
    let &(older, _) = whole.get(KEPT - 1)?;
    let too_many = whole.into_iter().skip(KEPT);
    for (_, path) in too_many.chain(damaged) {
        match disk.remove_file(&path) {
            Ok(()) => tracing::debug!(file = %path.display(), "removed an old checkpoint"),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "an old checkpoint can not be removed");
            }
        }
    }
    Some(older)
}

/// A file that is not a checkpoint yet. Dropping it removes it.
pub(crate) struct Temporary {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    removed: bool,
}

impl Temporary {
    /// Makes one that nobody else writes.
    pub(crate) fn create(disk: &Arc<dyn Disk>, directory: &Path, purpose: &str) -> Result<Self, Failure> {
        let mut number = 0;
        loop {
            let path = directory.join(format!("checkpoint-{purpose}-{number}.tmp"));
            match disk.open(&path, Open::CreateNew) {
                Ok(file) => {
                    return Ok(Self {
                        disk: Arc::clone(disk),
                        directory: directory.to_owned(),
                        path,
                        file,
                        removed: false,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < AT_ONCE => number += 1,
                Err(error) => return Err(error).when("make", &path),
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it durable under a name in its directory, and gives its path.
    pub(crate) fn finish(mut self, name: &OsStr) -> Result<PathBuf, Failure> {
        self.file.sync_data().when("sync", &self.path)?;
        let path = self.directory.join(name);
        self.disk.rename(&self.path, &path).when("rename", &self.path)?;
        self.removed = true;
        self.disk
            .sync_dir(&self.directory)
            .when("sync", &self.directory)?;
        Ok(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.removed
            && let Err(error) = self.disk.remove_file(&self.path)
        {
            tracing::warn!(file = %self.path.display(), %error, "an unfinished checkpoint can not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_indexes_and_are_told_from_others() {
        assert_eq!(name(4711), "checkpoint-00000000000000004711");
        assert_eq!(
            index_of(Path::new("/d/checkpoint-00000000000000004711")),
            Some(4711)
        );
        assert_eq!(index_of(&Path::new("/d").join(name(u64::MAX))), Some(u64::MAX));
        for other in [
            "checkpoint-4711",
            "checkpoint-0000000000000000471x",
            "checkpoint-+0000000000000004711",
            "checkpoint-99999999999999999999",
            "checkpoint-writing-0.tmp",
            "wal-00000000000000004711.log",
        ] {
            assert_eq!(index_of(Path::new(other)), None, "{other}");
        }
        assert!(is_temporary(Path::new("/d/checkpoint-receiving-3.tmp")));
        assert!(!is_temporary(Path::new("/d/synced.tmp")));
    }
}
