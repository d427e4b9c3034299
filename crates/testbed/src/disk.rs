//! Small disks that can be filled: file systems in memory, each mounted on a directory.
//!
//! What is on them survives every death of a process, and nothing else; that is all that is asked of them. It needs root.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::netns::run;
use crate::{Error, Result};

/// The file that takes the room.
const BALLAST: &str = ".ballast";

/// A disk of its own for one directory. Dropping it takes it away, with everything on it.
#[derive(Debug)]
pub struct SmallDisk {
    dir: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of so many bytes on `dir`, which is made.
    ///
    /// # Errors
    /// [`Error::NoDisks`].
    pub fn mount(dir: &Path, bytes: u64) -> Result<Self> {
        fs::create_dir_all(dir).map_err(Error::system(dir.display().to_string()))?;
        let options = format!("size={bytes},mode=0755");
        let target = dir.display().to_string();
        run("mount", &["-t", "tmpfs", "-o", &options, "dfb", &target])
            .map_err(|error| Error::NoDisks(Box::new(error)))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Fills it to the last block.
    ///
    /// # Errors
    /// When it can not be written to for another reason than that it is full.
    pub fn fill(&self) -> Result<()> {
        let path = self.dir.join(BALLAST);
        let failed = || Error::system(path.display().to_string());
        let file = File::create(&path).map_err(failed())?;
        let mut at = 0;
        let mut step: u64 = 64 << 20;
        while step >= 4096 {
            match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), at, step) {
                Ok(()) => at += step,
                Err(rustix::io::Errno::NOSPC) => step /= 2,
                Err(error) => return Err(failed()(error.into())),
            }
        }
        Ok(())
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// When the file system does not let go.
    pub fn free(&self) -> Result<()> {
        let path = self.dir.join(BALLAST);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::system(path.display().to_string())(error))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open keeps only that.
        let _ = run("umount", &["-l", &self.dir.display().to_string()]);
    }
}

/// Whether disks can be mounted below `dir`.
///
/// # Errors
/// When they can not, and why.
pub fn possible(dir: &Path) -> Result<()> {
    let place = dir.join(".disk");
    let mounted = SmallDisk::mount(&place, 1 << 20).map(drop);
    // Empty in any case.
    let _ = fs::remove_dir(&place);
    mounted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_takes_nothing_until_it_is_freed() {
        let dir = tempfile::tempdir().unwrap();
        if possible(dir.path()).is_err() {
            // Not root: there is nothing that could be tested.
            return;
        }
        let place = dir.path().join("disk");
        let disk = SmallDisk::mount(&place, 4 << 20).unwrap();
        fs::write(place.join("a"), b"before").unwrap();
        disk.fill().unwrap();
        let full = fs::write(place.join("b"), vec![1; 8192]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        assert_eq!(fs::read(place.join("a")).unwrap(), b"before");
        disk.free().unwrap();
        fs::write(place.join("b"), vec![1; 8192]).unwrap();
        drop(disk);
        assert!(!place.join("a").exists());
    }
}
