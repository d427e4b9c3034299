//! Reading a local file ahead of its consumer.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;

use rustix::fs::{Advice, fadvise};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

/// Bytes of one block.
const BLOCK_BYTES: usize = 1 << 20;

/// Bytes of one piece of what comes slowly.
const PIECE_BYTES: usize = 64 << 10;

/// Blocks that wait for the consumer.
const BLOCKS_AHEAD: usize = 3;

/// The bytes of a local file in order, read ahead by at most [`BLOCKS_AHEAD`] blocks of [`BLOCK_BYTES`].
pub(crate) struct ReadAhead {
    blocks: mpsc::Receiver<io::Result<Vec<u8>>>,
}

/// A file that is open, and what is known of it.
pub(crate) struct Opened {
    /// Its bytes.
    pub(crate) bytes: ReadAhead,
    /// Its length, mode and times.
    pub(crate) metadata: Metadata,
}

impl ReadAhead {
    /// Opens a file.
    ///
    /// # Errors
    /// As the file system answers; a directory is refused.
    pub(crate) async fn open(path: PathBuf) -> io::Result<Opened> {
        let (sender, blocks) = mpsc::channel(BLOCKS_AHEAD);
        let (opened, outcome) = oneshot::channel();
        spawn_blocking(move || match open(&path) {
            Ok((file, metadata)) => {
                let expected = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
                if opened.send(Ok(metadata)).is_ok() {
                    pump(file, expected, &sender);
                }
            }
            // Where nobody waits any more there is nobody to tell.
            Err(error) => drop(opened.send(Err(error))),
        });
        let gone = |_| io::Error::other("the reading thread has gone");
        let metadata = outcome.await.map_err(gone)??;
        Ok(Opened {
            bytes: Self { blocks },
            metadata,
        })
    }

    /// Reads standard input.
    pub(crate) fn stdin() -> Self {
        let (sender, blocks) = mpsc::channel(BLOCKS_AHEAD);
        spawn_blocking(move || match io::stdin().as_fd().try_clone_to_owned() {
            Ok(stdin) => pump(File::from(stdin), usize::MAX, &sender),
            Err(error) => drop(sender.blocking_send(Err(error))),
        });
        Self { blocks }
    }

    /// Reads standard input as it comes: what is there is not kept waiting for more.
    pub(crate) fn stdin_as_it_comes() -> Self {
        let (sender, blocks) = mpsc::channel(BLOCKS_AHEAD);
        spawn_blocking(move || match io::stdin().as_fd().try_clone_to_owned() {
            Ok(stdin) => trickle(File::from(stdin), &sender),
            Err(error) => drop(sender.blocking_send(Err(error))),
        });
        Self { blocks }
    }

    /// The next bytes, never empty; none behind the last.
    pub(crate) async fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        self.blocks.recv().await
    }
}

fn open(path: &std::path::Path) -> io::Result<(File, Metadata)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // A hint: without it the file is read all the same.
    let _ = fadvise(&file, 0, None, Advice::Sequential);
    Ok((file, metadata))
}

/// Reads until the end of the file, or until nobody wants more. `expected` bytes are probably there.
fn pump(file: File, expected: usize, blocks: &mpsc::Sender<io::Result<Vec<u8>>>) {
    // One more than a short file has, so that its end is seen without another block. What has more than it says, a pipe for
    // one, comes in whole blocks after the first.
    let mut capacity = expected.saturating_add(1).min(BLOCK_BYTES);
    loop {
        let mut block = Vec::with_capacity(capacity);
        match (&file).take(capacity as u64).read_to_end(&mut block) {
            Ok(0) => return,
            Ok(read) => {
                if blocks.blocking_send(Ok(block)).is_err() || (read < capacity && capacity < BLOCK_BYTES) {
                    return;
                }
                capacity = BLOCK_BYTES;
            }
            Err(error) => {
                // Where nobody waits any more there is nobody to tell.
                let _ = blocks.blocking_send(Err(error));
                return;
            }
        }
    }
}

/// Hands on whatever a read gives.
fn trickle(mut file: File, blocks: &mpsc::Sender<io::Result<Vec<u8>>>) {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let piece = match file.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => Ok(buffer.get(..read).unwrap_or_default().to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let over = piece.is_err();
        if blocks.blocking_send(piece).is_err() || over {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use super::*;

    async fn read(path: PathBuf) -> io::Result<(Vec<u8>, usize)> {
        let mut opened = ReadAhead::open(path).await?;
        let (mut all, mut blocks) = (Vec::new(), 0);
        while let Some(block) = opened.bytes.next().await {
            all.extend(block?);
            blocks += 1;
        }
        Ok((all, blocks))
    }

    #[tokio::test]
    async fn files_of_all_sizes_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        for size in [
            0,
            1,
            1000,
            BLOCK_BYTES - 1,
            BLOCK_BYTES,
            BLOCK_BYTES + 1,
            3 * BLOCK_BYTES + 7,
        ] {
            let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
            std::fs::write(&path, &bytes).unwrap();
            let (read, blocks) = read(path.clone()).await.unwrap();
            assert!(read == bytes, "{size}");
            assert_eq!(blocks, size.div_ceil(BLOCK_BYTES), "{size}");
        }
    }

    #[tokio::test]
    async fn what_says_no_length_comes_in_blocks() {
        let (read_end, mut write_end) = io::pipe().unwrap();
        let writer = std::thread::spawn(move || write_end.write_all(&vec![7; 3 * BLOCK_BYTES]));
        let path = PathBuf::from(format!("/proc/self/fd/{}", read_end.as_raw_fd()));
        let (all, blocks) = read(path).await.unwrap();
        drop(read_end);
        writer.join().unwrap().unwrap();
        assert_eq!((all.len(), blocks), (3 * BLOCK_BYTES, 4));
    }

    #[tokio::test]
    async fn what_is_no_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let error = read(directory.path().to_path_buf()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        let error = read(directory.path().join("none")).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_file_without_a_length_is_read_to_its_end() {
        let (read, _) = read("/proc/self/status".into()).await.unwrap();
        assert!(!read.is_empty());
    }
}
