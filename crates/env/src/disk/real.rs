//! The operating system's files.

use std::fs::{self, OpenOptions};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::{DirLock, Disk, Entry, EntryKind, File, Open, Space};

/// The operating system's disk.
#[derive(Debug)]
pub struct RealDisk;

/// A file of the operating system.
struct RealFile(fs::File);

/// A file that another process opened and handed over.
pub(crate) fn received(descriptor: OwnedFd) -> Arc<dyn File> {
    Arc::new(RealFile(descriptor.into()))
}

/// A locked `in_use.lock`; the kernel lets the lock go with the descriptor.
struct RealDirLock {
    _file: fs::File,
}

impl DirLock for RealDirLock {}

impl Disk for RealDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match how {
            Open::Read => &mut options,
            Open::Write => options.write(true),
            Open::CreateNew => options.write(true).create_new(true),
            Open::CreateTruncate => options.write(true).create(true).truncate(true),
        };
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut made = Vec::new();
        let mut at = path;
        while !at.as_os_str().is_empty() && !at.exists() {
            made.push(at);
            let Some(parent) = at.parent() else { break };
            at = parent;
        }
        fs::create_dir_all(path)?;
        for directory in made {
            self.sync_dir(directory)?;
            if let Some(parent) = directory.parent().filter(|p| !p.as_os_str().is_empty()) {
                self.sync_dir(parent)?;
            }
        }
        Ok(())
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = fs::read_dir(path)?
            .map(|entry| {
                let entry = entry?;
                let kind = match entry.file_type()? {
                    t if t.is_file() => EntryKind::File,
                    t if t.is_dir() => EntryKind::Directory,
                    _ => EntryKind::Other,
                };
                Ok(Entry {
                    path: entry.path(),
                    kind,
                })
            })
            .collect::<io::Result<Vec<_>>>()?;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Space {
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }

    fn lock_dir(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        let name = path.join("in_use.lock");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&name)?;
        if rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
            let holder = fs::read_to_string(&name).unwrap_or_default();
            let holder = match holder.trim() {
                "" => "another process".to_owned(),
                pid => format!("process {pid}"),
            };
            return Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                format!("{} is in use by {holder}", path.display()),
            ));
        }
        file.set_len(0)?;
        file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0)?;
        Ok(Box::new(RealDirLock { _file: file }))
    }
}

impl File for RealFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn read_cached_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let into = &mut [IoSliceMut::new(bytes)];
        match rustix::io::preadv2(&self.0, into, offset, rustix::io::ReadWriteFlags::NOWAIT) {
            // The file system can not tell.
            Err(rustix::io::Errno::OPNOTSUPP) => Err(io::ErrorKind::WouldBlock.into()),
            read => Ok(read?),
        }
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    #[expect(unsafe_code, reason = "no library wraps sync_file_range")]
    fn start_writeback(&self, offset: u64, len: u64) {
        let (Ok(offset), Ok(len)) = (i64::try_from(offset), i64::try_from(len)) else {
            return;
        };
        // SAFETY: the descriptor is open for as long as `self`; the call reads and writes no memory of ours.
        unsafe { libc::sync_file_range(self.0.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE) };
    }

    fn uncache(&self, offset: u64, len: u64) {
        // To the system, a length of 0 is the rest of the file.
        if let Some(len) = std::num::NonZeroU64::new(len) {
            let _ = rustix::fs::fadvise(&self.0, offset, Some(len), rustix::fs::Advice::DontNeed);
        }
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{read_exact_at, read_file, replace_file};

    #[test]
    fn files_are_written_read_cut_and_lengthened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert_eq!(
            RealDisk.open(&path, Open::Write).err().unwrap().kind(),
            io::ErrorKind::NotFound
        );
        let file = RealDisk.open(&path, Open::CreateNew).unwrap();
        assert_eq!(
            RealDisk.open(&path, Open::CreateNew).err().unwrap().kind(),
            io::ErrorKind::AlreadyExists
        );
        file.write_all_at(b"0123456789", 2).unwrap();
        file.start_writeback(0, 12);
        file.sync_data().unwrap();
        let mut bytes = [9; 16];
        assert_eq!(file.read_at(&mut bytes, 8).unwrap(), 4, "short only at the end");
        assert_eq!(&bytes[..5], b"6789\x09");
        assert!(read_exact_at(&*file, &mut bytes, 0).is_err());
        assert_eq!(file.read_cached_at(&mut bytes, 8).unwrap(), 4, "just written");
        file.set_len(3).unwrap();
        file.set_len(5).unwrap();
        assert_eq!(read_file(&RealDisk, &path).unwrap(), b"\0\x000\0\0");
        assert_eq!(
            RealDisk
                .open(&path, Open::CreateTruncate)
                .unwrap()
                .size()
                .unwrap(),
            0
        );
    }

    #[test]
    fn names_are_made_listed_replaced_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("a/b");
        RealDisk.create_dir_all(&deep).unwrap();
        RealDisk.create_dir_all(&deep).unwrap();
        replace_file(&RealDisk, &deep.join("x"), b"one").unwrap();
        replace_file(&RealDisk, &deep.join("x"), b"two").unwrap();
        RealDisk.create_dir_all(&deep.join("c")).unwrap();
        let entries = RealDisk.read_dir(&deep).unwrap();
        let kinds: Vec<_> = entries.iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, [EntryKind::Directory, EntryKind::File]);
        assert_eq!(read_file(&RealDisk, &deep.join("x")).unwrap(), b"two");
        RealDisk.remove_file(&deep.join("x")).unwrap();
        assert!(!RealDisk.exists(&deep.join("x")).unwrap());
        let space = RealDisk.space(&deep).unwrap();
        assert!(space.available > 0 && space.available <= space.total);
    }

    /// The lock belongs to the open file, not to the process: so a second one is refused within a process too.
    #[test]
    fn a_locked_directory_is_refused_by_name_of_its_holder() {
        let directory = tempfile::tempdir().unwrap();
        let lock = RealDisk.lock_dir(directory.path()).unwrap();
        let error = RealDisk.lock_dir(directory.path()).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(
            error
                .to_string()
                .contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        drop(lock);
        RealDisk.lock_dir(directory.path()).unwrap();
    }
}
