//! A simulated disk with checkpoints of known content on it.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use checkpoint::{Checkpoint, Header, Info, Pace, WriteError, newest, write};
use env::disk::{Disk, Open, SimDisk, read_file};
use types::{Term, UnixMillis};

pub(crate) const DIRECTORY: &str = "/master";

/// A header of the checkpoint of `index`.
pub(crate) fn header(index: u64) -> Header {
    Header {
        term: Term(3),
        index,
        written: UnixMillis(1_000_000 + index),
        membership: b"members".to_vec(),
    }
}

/// `length` bytes that are known from `seed`.
pub(crate) fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        bytes.extend_from_slice(&random.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A disk with the directory, and no thread beside this one.
pub(crate) struct World {
    pub(crate) sim: SimDisk,
    pub(crate) disk: Arc<dyn Disk>,
    _inline: env::Inline,
}

impl World {
    pub(crate) fn new() -> Self {
        let sim = SimDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        disk.create_dir_all(directory()).unwrap();
        Self {
            sim,
            disk,
            _inline: env::Inline::enter(),
        }
    }

    /// Writes the checkpoint of `index`, with the content of that seed.
    pub(crate) fn write(&self, index: u64, length: usize) -> Result<Info, WriteError> {
        write(&self.disk, directory(), &header(index), Pace::FULL, |out| {
            out.write_all(&content(index, length))
        })
    }

    pub(crate) fn newest(&self) -> Option<Checkpoint> {
        newest(&*self.disk, directory()).unwrap()
    }

    /// The index of the newest whole checkpoint, whose content is compared.
    pub(crate) fn newest_index(&self) -> Option<u64> {
        let checkpoint = self.newest()?;
        let index = checkpoint.header().index;
        assert_eq!(checkpoint.header(), &header(index));
        let bytes = read(&checkpoint);
        assert_eq!(bytes, content(index, bytes.len()));
        Some(index)
    }

    /// The names in the directory.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = self.disk.read_dir(directory()).unwrap();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        entries.iter().map(|entry| name(&entry.path)).collect()
    }

    /// The bytes of the file.
    pub(crate) fn file(&self, index: u64) -> Vec<u8> {
        read_file(&*self.disk, &path(index)).unwrap()
    }

    /// Puts other bytes in its place.
    pub(crate) fn put(&self, index: u64, bytes: &[u8]) {
        let file = self.disk.open(&path(index), Open::CreateTruncate).unwrap();
        file.write_all_at(bytes, 0).unwrap();
    }
}

pub(crate) fn directory() -> &'static Path {
    Path::new(DIRECTORY)
}

pub(crate) fn path(index: u64) -> PathBuf {
    directory().join(checkpoint::name(index))
}

/// The whole content.
pub(crate) fn read(checkpoint: &Checkpoint) -> Vec<u8> {
    let mut bytes = Vec::new();
    checkpoint.open().read_to_end(&mut bytes).unwrap();
    bytes
}

/// As much as can be read, and how it ended.
pub(crate) fn read_until_error(checkpoint: &Checkpoint) -> (Vec<u8>, io::Result<()>) {
    let (mut bytes, mut piece) = (Vec::new(), [0; 1000]);
    let mut reader = checkpoint.open();
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return (bytes, Ok(())),
            Ok(read) => bytes.write_all(&piece[..read]).unwrap(),
            Err(error) => return (bytes, Err(error)),
        }
    }
}
