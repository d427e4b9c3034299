//! Which files there are: paths and places that are calculated from a number, so that no list of them takes memory.

use std::fmt::Write as _;

use anyhow::Context as _;
use fastrand::Rng;
use types::{ChunkId, FsPath, StorageId};

/// Length of a name.
const NAME_BYTES: usize = 20;
/// Directories right below the root; the others lie in these.
const TOP: u64 = 1_000;
/// How many storages the replicas are on.
const STORAGES: u64 = 1_000;
/// Replicas of each chunk.
pub(super) const REPLICAS: u64 = 3;

/// A set of files, in so many directories.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files {
    pub(super) directories: u64,
}

impl Files {
    /// The path of a directory.
    pub(super) fn directory(self, number: u64) -> anyhow::Result<FsPath> {
        parse(&self.directory_text(number))
    }

    /// The path of a file: in any of the directories, under a random name.
    pub(super) fn path(self, number: u64) -> anyhow::Result<FsPath> {
        let mut random = Rng::with_seed(!number);
        let mut text = self.directory_text(random.u64(..self.directories));
        push_name(&mut text, &mut random);
        parse(&text)
    }

    fn directory_text(self, number: u64) -> String {
        let mut text = String::new();
        if number >= TOP {
            push_name(&mut text, &mut Rng::with_seed(number % TOP));
        }
        push_name(&mut text, &mut Rng::with_seed(number));
        text
    }
}

fn parse(text: &str) -> anyhow::Result<FsPath> {
    FsPath::parse(text).with_context(|| format!("not a path: {text}"))
}

fn push_name(text: &mut String, random: &mut Rng) {
    text.push('/');
    for _ in 0..NAME_BYTES {
        let _ = text.write_char(random.alphanumeric());
    }
}

/// The storages that have a chunk: three different ones.
pub(super) fn storages(chunk: ChunkId) -> impl Iterator<Item = StorageId> {
    let first = Rng::with_seed(chunk.as_u64()).u64(..STORAGES);
    (0..REPLICAS).map(move |replica| {
        let number = (first + replica * 331) % STORAGES;
        let mut bytes = [0; 16];
        let (low, _) = bytes.split_at_mut(8);
        low.copy_from_slice(&number.to_le_bytes());
        StorageId::from_random_bytes(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_always_the_same() {
        let files = Files { directories: 5_000 };
        let path = files.path(7).unwrap();
        assert_eq!(path, files.path(7).unwrap());
        assert_ne!(path, files.path(8).unwrap());
        assert_eq!(path.name().unwrap().len(), NAME_BYTES);
        assert!(
            files
                .directory(4_000)
                .unwrap()
                .is_within(&files.directory(0).unwrap())
        );
    }

    #[test]
    fn replicas_are_on_different_storages() {
        let on: std::collections::BTreeSet<_> = storages(ChunkId::new(9).unwrap()).collect();
        assert_eq!(on.len(), 3);
    }
}
