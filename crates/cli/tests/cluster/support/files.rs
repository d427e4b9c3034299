//! Looking at and spoiling what lies on disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::{Digest, digest_of_file};

/// Every file below `dir`; one that vanishes meanwhile is left out.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(dir) else {
        return found;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Finished chunks (`chunk-<uuid>`) and sidecars (`chunk-<uuid>.meta`) below `dir`.
pub(crate) fn chunk_files(dir: &Path) -> Vec<PathBuf> {
    let is_finished = |path: &PathBuf| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        name.strip_prefix("chunk-")
            .map(|rest| rest.strip_suffix(".meta").unwrap_or(rest))
            .is_some_and(|uuid| uuid.len() == 36 && uuid.chars().all(|c| c == '-' || c.is_ascii_hexdigit()))
    };
    files(dir).into_iter().filter(is_finished).collect()
}

/// Bytes of all files below `dir`.
pub(crate) fn usage(dir: &Path) -> u64 {
    files(dir)
        .iter()
        .filter_map(|path| fs::metadata(path).ok())
        .map(|metadata| metadata.len())
        .sum()
}

/// Flips bit `bit` of the byte at `offset`.
pub(crate) fn flip_bit(path: &Path, offset: u64, bit: u32) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << bit)], offset).unwrap();
}

/// The digest of every file below `dir`, by its relative path.
pub(crate) fn tree_digest(dir: &Path) -> BTreeMap<PathBuf, Digest> {
    files(dir)
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(dir).unwrap().to_owned();
            let digest = digest_of_file(&path);
            (name, digest)
        })
        .collect()
}
