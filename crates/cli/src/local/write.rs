//! Writing a local file so that it is there whole or not at all.
//!
//! The bytes go to a temporary file beside the target, which gets the target's name when all are there. Whatever ends
//! before (an error, ctrl-C) removes the temporary file. Devices and pipes are written to directly.

use std::fs::{File, FileTimes, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

/// Blocks that wait for the disk. Each is a packet, at most 1 MiB from our own datanodes.
const BLOCKS_WAITING: usize = 8;

/// Bytes that [`save`] gathers before it writes them.
const SAVE_BYTES: usize = 256 << 10;

/// What a file keeps from where it comes from.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Keep {
    /// Permission bits; none: as the umask says.
    pub(crate) mode: Option<u32>,
    /// Times of the last change and the last read; none: now.
    pub(crate) times: Option<(SystemTime, SystemTime)>,
}

enum Message {
    Data(Bytes),
    Done,
}

/// A local file that is being written by a thread of its own.
pub(crate) struct Sink {
    messages: mpsc::Sender<Message>,
    thread: JoinHandle<io::Result<()>>,
}

/// # Errors
/// `AlreadyExists` when there is a file at `target` that must not be replaced, `IsADirectory` when there is a directory.
pub(crate) fn check_free(target: &Path, overwrite: bool) -> io::Result<()> {
    match std::fs::metadata(target) {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(there) if there.is_file() && !overwrite => Err(io::ErrorKind::AlreadyExists.into()),
        _ => Ok(()),
    }
}

/// # Errors
/// `AlreadyExists` when there is anything at `target`: also a device or a link to nowhere.
pub(crate) fn check_nothing(target: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(target) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes a file that is there, and on disk, whole or not at all. `write` may say what it likes; when it fails, there is no
/// file. An existing file is not replaced.
///
/// # Errors
/// What `write` answers, or `told` makes of a failure of the file system.
pub(crate) fn save<T, E>(
    target: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<T, E>,
    told: impl Fn(io::Error) -> E,
) -> Result<T, E> {
    check_free(target, false).map_err(&told)?;
    let temporary = Temporary::create(target, false).map_err(&told)?;
    let mut out = BufWriter::with_capacity(SAVE_BYTES, &temporary.file);
    let answer = write(&mut out)?;
    let flushed = out.into_inner().map_err(io::IntoInnerError::into_error);
    flushed.and_then(File::sync_all).map_err(&told)?;
    temporary.publish(target, false, Keep::default()).map_err(&told)?;
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let synced = File::open(directory.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all());
    synced.map_err(told)?;
    Ok(answer)
}

impl Sink {
    /// Writes to `target`. Nothing is checked or made before the first poll of [`Sink::write`] or [`Sink::finish`]
    /// reports it.
    pub(crate) fn create(target: PathBuf, overwrite: bool, keep: Keep) -> Self {
        Self::start(move |mut messages| {
            check_free(&target, overwrite)?;
            if std::fs::metadata(&target).is_ok_and(|there| !there.is_file()) {
                let file = OpenOptions::new().write(true).open(&target)?;
                return drain(&file, &mut messages);
            }
            let temporary = Temporary::create(&target, keep.mode.is_some())?;
            drain(&temporary.file, &mut messages)?;
            temporary.publish(&target, overwrite, keep)
        })
    }

    /// Writes to an open file.
    pub(crate) fn to(file: File) -> Self {
        Self::start(move |mut messages| drain(&file, &mut messages))
    }

    fn start(write: impl FnOnce(mpsc::Receiver<Message>) -> io::Result<()> + Send + 'static) -> Self {
        let (messages, receiver) = mpsc::channel(BLOCKS_WAITING);
        Self {
            messages,
            thread: spawn_blocking(move || write(receiver)),
        }
    }

    /// Hands over more bytes.
    ///
    /// # Errors
    /// When the thread has failed: with its error. The sink must not be used any more.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        match self.messages.send(Message::Data(bytes)).await {
            Ok(()) => Ok(()),
            Err(_) => self.outcome().await,
        }
    }

    /// All bytes are there: the file gets its name.
    ///
    /// # Errors
    /// When that or anything before failed; then there is no file.
    pub(crate) async fn finish(mut self) -> io::Result<()> {
        // Where the thread is gone it has an error to tell.
        let _ = self.messages.send(Message::Done).await;
        self.outcome().await
    }

    async fn outcome(&mut self) -> io::Result<()> {
        (&mut self.thread)
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// Writes what comes until it is said to be all. The other side just going away is an error.
fn drain(mut file: &File, messages: &mut mpsc::Receiver<Message>) -> io::Result<()> {
    loop {
        match messages.blocking_recv() {
            Some(Message::Data(bytes)) => file.write_all(&bytes)?,
            Some(Message::Done) => return Ok(()),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// A temporary file beside its target; removed when dropped.
struct Temporary {
    file: File,
    path: PathBuf,
}

impl Temporary {
    /// `private`: nobody else may read it until it is published with its own permissions.
    fn create(target: &Path, private: bool) -> io::Result<Self> {
        let name = target.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        let mut attempt = 0_u32;
        loop {
            // Names have at most 255 bytes; a temporary one need not be recognised by its whole name.
            let name = name.to_string_lossy();
            let short: String = name.chars().take(40).collect();
            let path = target.with_file_name(format!(".{short}.{}-{attempt}.part", std::process::id()));
            match OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(if private { 0o600 } else { 0o666 })
                .open(&path)
            {
                Ok(file) => return Ok(Self { file, path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn publish(self, target: &Path, overwrite: bool, keep: Keep) -> io::Result<()> {
        if let Some(mode) = keep.mode {
            self.file.set_permissions(Permissions::from_mode(mode))?;
        }
        if let Some((modified, accessed)) = keep.times {
            let times = FileTimes::new().set_modified(modified).set_accessed(accessed);
            self.file.set_times(times)?;
        }
        if overwrite {
            return std::fs::rename(&self.path, target);
        }
        match renameat_with(CWD, &self.path, CWD, target, RenameFlags::NOREPLACE) {
            // Not every file system can rename without replacing; a second name can not replace either.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                std::fs::hard_link(&self.path, target)
            }
            renamed => renamed.map_err(io::Error::from),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After the renaming there is nothing of this name any more.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_finished_file_is_there_with_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("f");
        let keep = Keep {
            mode: Some(0o640),
            times: Some((SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH)),
        };
        let mut sink = Sink::create(target.clone(), false, keep);
        sink.write(Bytes::from_static(b"hello ")).await.unwrap();
        sink.write(Bytes::from_static(b"world")).await.unwrap();
        sink.finish().await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"hello world");
        let metadata = std::fs::metadata(&target).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o640);
        assert_eq!(metadata.modified().unwrap(), SystemTime::UNIX_EPOCH);
        assert_eq!(names(directory.path()), ["f"]);
    }

    #[test]
    fn what_is_saved_is_there_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("f");
        let failed: io::Result<()> = save(
            &target,
            |out| {
                out.write_all(b"half")?;
                Err(io::Error::other("no more"))
            },
            |error| error,
        );
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert!(names(directory.path()).is_empty());
        let saved: io::Result<usize> =
            save(&target, |out| out.write_all(b"whole").map(|()| 5), |error| error);
        assert_eq!(saved.unwrap(), 5);
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");
        let again: io::Result<()> = save(&target, |_| Ok(()), |error| error);
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(names(directory.path()), ["f"]);
    }

    #[tokio::test]
    async fn an_unfinished_file_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut sink = Sink::create(directory.path().join("f"), false, Keep::default());
        sink.write(Bytes::from_static(b"half")).await.unwrap();
        let Sink { messages, thread } = sink;
        drop(messages);
        assert!(thread.await.unwrap().is_err());
        assert!(names(directory.path()).is_empty());
    }

    #[tokio::test]
    async fn a_file_is_replaced_only_when_asked() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("f");
        std::fs::write(&target, b"old").unwrap();
        let refused = Sink::create(target.clone(), false, Keep::default())
            .finish()
            .await;
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        let mut sink = Sink::create(target.clone(), true, Keep::default());
        sink.write(Bytes::from_static(b"new")).await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"old", "until it is whole");
        sink.finish().await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
    }

    #[tokio::test]
    async fn what_is_to_be_private_is_so_from_the_beginning() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("f");
        let temporary = Temporary::create(&target, true).unwrap();
        let mode = temporary.file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
        let keep = Keep {
            mode: Some(0o604),
            times: None,
        };
        temporary.publish(&target, false, keep).unwrap();
        let mode = std::fs::metadata(&target).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o604);
    }

    #[test]
    fn nothing_is_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let free = directory.path().join("free");
        check_nothing(&free).unwrap();
        std::os::unix::fs::symlink("/nowhere", &free).unwrap();
        for taken in [&*free, Path::new("/dev/null"), directory.path()] {
            let error = check_nothing(taken).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        }
    }

    #[tokio::test]
    async fn a_file_that_appears_meanwhile_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("f");
        let temporary = Temporary::create(&target, false).unwrap();
        std::fs::write(&target, b"theirs").unwrap();
        let error = temporary.publish(&target, false, Keep::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(names(directory.path()), ["f"]);
        assert_eq!(std::fs::read(&target).unwrap(), b"theirs");
    }

    #[tokio::test]
    async fn a_device_is_written_to_directly() {
        let mut sink = Sink::create("/dev/null".into(), false, Keep::default());
        sink.write(Bytes::from_static(b"x")).await.unwrap();
        sink.finish().await.unwrap();
        assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    }
}
