//! Where the files are: what a person names, found and locked.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use env::Env;
use env::disk::{DirLock, EntryKind};

use crate::failure::{Exit, Failure, Result, words};

/// What a command was given: the directory of a master, or one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The directory of a master.
    Directory(PathBuf),
    /// One file.
    File(PathBuf),
}

impl Source {
    /// What `path` is. The directory of `mini` stands for that of its master.
    ///
    /// # Errors
    /// When there is nothing there.
    pub(crate) fn find(env: &Env, path: &Path) -> Result<Self> {
        let failed = |error| Failure::local(path.display(), &error);
        let entries = match env.disk.read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Ok(Self::File(path.to_owned()));
            }
            Err(error) => return Err(failed(error)),
        };
        let master = path.join("master");
        let is_mini = entries
            .iter()
            .any(|entry| entry.path == master && entry.kind == EntryKind::Directory);
        Ok(Self::Directory(if is_mini { master } else { path.to_owned() }))
    }

    /// The directory, where it must be one.
    ///
    /// # Errors
    /// When it is a file.
    pub(crate) fn directory(env: &Env, path: &Path) -> Result<PathBuf> {
        match Self::find(env, path)? {
            Self::Directory(directory) => Ok(directory),
            Self::File(file) => Err(Failure::usage(file.display(), "is a file")
                .next("name the directory of a master: what it was started with as --dir")),
        }
    }
}

/// Keeps masters out of a directory as long as it lives.
pub(crate) struct Held {
    _lock: Option<Box<dyn DirLock>>,
}

/// Locks the directory of a master. On a file system that can only be read no master runs, and there is nothing to lock.
///
/// # Errors
/// When a master, or another command, has it locked.
pub(crate) fn lock(env: &Env, directory: &Path) -> Result<Held> {
    let locked = env.disk.lock_dir(directory);
    match locked {
        Ok(lock) => Ok(Held { _lock: Some(lock) }),
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => Ok(Held { _lock: None }),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            let text = words(&error);
            let why = text
                .strip_prefix(&directory.display().to_string())
                .unwrap_or(&text);
            Err(Failure::new(Exit::InTheWay, directory.display(), why.trim_start()).next(
                "stop the master that runs on it first; `distrifs admin backup FILE` copies what a running one has",
            ))
        }
        Err(error) => Err(Failure::local(directory.display(), &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_a_mini_s_directory_and_a_file_are_told_apart() {
        let env = Env::real();
        let home = tempfile::tempdir().unwrap();
        let master = home.path().join("master");
        assert!(Source::find(&env, &master).is_err());
        std::fs::create_dir(&master).unwrap();
        for named in [home.path(), &master] {
            assert_eq!(
                Source::find(&env, named).unwrap(),
                Source::Directory(master.clone())
            );
        }
        let file = master.join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(Source::find(&env, &file).unwrap(), Source::File(file.clone()));
        assert!(Source::directory(&env, &file).is_err());
    }

    #[test]
    fn a_locked_directory_is_in_the_way() {
        let env = Env::real();
        let home = tempfile::tempdir().unwrap();
        let held = lock(&env, home.path()).unwrap();
        let Err(failure) = lock(&env, home.path()) else {
            panic!("locked twice")
        };
        assert_eq!(failure.exit(), Exit::InTheWay);
        drop(held);
        assert!(lock(&env, home.path()).is_ok());
    }
}
