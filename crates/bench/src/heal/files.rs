//! What was stored: which bytes, under which name, in which chunks.
//!
//! The bytes of a file follow from its number, so that any part of it can be compared at any time, from a reader or from a
//! datanode's disk. Which chunks it has is asked of the metadata when it was acknowledged; where they are, never.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use client::FileSystem;
use proto::v1;
use types::{ChunkId, FsPath, PoolId};

use crate::payload;
use crate::wire::Wire;

/// The longest file.
pub(super) const FILE_MAX: u64 = 64 << 20;

/// How many bytes later a file may begin in the payload.
const SHIFT_MAX: u64 = 16 << 20;

/// The bytes that all files are cut from.
pub(super) struct Content(Vec<u8>);

impl Content {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self(payload::incompressible(usize::try_from(
            FILE_MAX + SHIFT_MAX,
        )?)))
    }

    /// `len` bytes at `offset` of the file of this number; none beyond the longest file.
    pub(super) fn part(&self, number: u64, offset: u64, len: u64) -> Option<&[u8]> {
        // Any two files of one run begin elsewhere: 4,099 is prime, and so shares no factor with the length of the shift.
        let shift = number.wrapping_mul(4_099) % SHIFT_MAX;
        let from = usize::try_from(shift + offset).ok()?;
        let to = from.checked_add(usize::try_from(len).ok()?)?;
        self.0.get(from..to)
    }
}

/// A chunk of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    /// The UUID in the names of its files on disk.
    pub name: String,
    /// Where it begins in the file.
    pub offset: u64,
    pub len: u64,
}

/// A file that was acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub path: FsPath,
    pub number: u64,
    pub len: u64,
    /// One of those that are there from the beginning to the end.
    pub base: bool,
    pub chunks: Vec<Chunk>,
}

/// All files that are there.
#[derive(Default)]
pub(super) struct Files(Mutex<BTreeMap<FsPath, Arc<Stored>>>);

impl Files {
    pub(super) fn add(&self, stored: Stored) {
        self.lock().insert(stored.path.clone(), Arc::new(stored));
    }

    /// It is about to be deleted.
    pub(super) fn remove(&self, path: &FsPath) {
        self.lock().remove(path);
    }

    pub(super) fn has(&self, path: &FsPath) -> bool {
        self.lock().contains_key(path)
    }

    pub(super) fn all(&self) -> Vec<Arc<Stored>> {
        self.lock().values().cloned().collect()
    }

    pub(super) fn base(&self) -> Vec<Arc<Stored>> {
        let mut files = self.all();
        files.retain(|file| file.base);
        files
    }

    /// Any of them.
    pub(super) fn any(&self, random: &mut fastrand::Rng) -> Option<Arc<Stored>> {
        let files = self.lock();
        let nth = random.usize(..files.len().max(1));
        files.values().nth(nth).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<FsPath, Arc<Stored>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The chunks of a file, by the metadata.
pub(super) async fn chunks_of(
    wire: &Wire,
    pool: &PoolId,
    path: &FsPath,
    len: u64,
) -> anyhow::Result<Vec<Chunk>> {
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut offset = 0;
    while offset < len {
        let request = v1::LocateRequest {
            caller: wire.caller(),
            path: path.to_string(),
            offset,
            length: len - offset,
            host: String::new(),
        };
        let answer = wire.namespace(0)?.locate(request).await;
        let answer = answer
            .with_context(|| format!("cannot locate {path}"))?
            .into_inner();
        anyhow::ensure!(!answer.chunks.is_empty(), "{path} has no chunk at {offset}");
        for located in answer.chunks {
            let extent = located.extent.context("a chunk without its extent")?;
            let chunk = ChunkId::new(extent.chunk).context("what is no chunk")?;
            offset = located.offset + extent.length;
            chunks.push(Chunk {
                name: pool.chunk_uuid(chunk).to_string(),
                offset: located.offset,
                len: extent.length,
            });
        }
    }
    Ok(chunks)
}

/// Reads a file whole and compares it. The error says what is wrong: `Ok(Err(_))` is a byte that was not written.
pub(super) async fn compare(
    fs: &FileSystem,
    content: &Content,
    file: &Stored,
) -> Result<Result<(), String>, client::Error> {
    let mut stream = fs.open(&file.path).await?.stream_all();
    let mut at = 0;
    while let Some(part) = stream.next().await {
        let part = part?;
        let len = u64::try_from(part.len()).unwrap_or(u64::MAX);
        if content.part(file.number, at, len) != Some(&*part) {
            return Ok(Err(format!(
                "{}: other bytes within {at}..{}",
                file.path,
                at + len
            )));
        }
        at += len;
    }
    if at == file.len {
        Ok(Ok(()))
    } else {
        Ok(Err(format!("{}: {at} of {} bytes came", file.path, file.len)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_different_numbers_differ() {
        let content = Content::new().unwrap();
        let first = content.part(1, 0, 512).unwrap();
        assert_ne!(first, content.part(2, 0, 512).unwrap());
        assert_eq!(content.part(1, 100, 12).unwrap(), &first[100..112]);
        assert!(content.part(7, FILE_MAX, SHIFT_MAX + 1).is_none());
    }
}
