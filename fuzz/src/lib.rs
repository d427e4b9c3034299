//! What fuzz targets share: files of a server, spoiled as the input says.

use std::path::Path;

use env::disk::{Disk, EntryKind, Open, SimDisk, read_file};

/// Changes that one input makes at most.
const EDITS_MAX: usize = 16;

/// How far a file grows at most, by one change.
const GROWTH_MAX: u64 = 64 << 10;

/// Changes the files below `directory`, in the order of their paths, as `input` says:
///
/// ```text
/// 0      which file
/// 1      what: 0 bytes are overwritten, 1 it is cut, 2 it grows by zeros, 3 it vanishes
/// 2..4   where (little-endian); from the end of the file when bit 15 is set
/// 4      how many bytes follow that are written there
/// 5..
/// ```
pub fn spoil(disk: &SimDisk, directory: &Path, mut input: &[u8]) {
    for _ in 0..EDITS_MAX {
        let Some((&[which, what, low, high, count], rest)) = input.split_first_chunk::<5>() else {
            return;
        };
        let count = usize::from(count).min(rest.len());
        let (bytes, rest) = rest.split_at(count);
        input = rest;
        let files = files(disk, directory);
        let Some(path) = files.get(usize::from(which) % files.len().max(1)) else {
            return;
        };
        let len = read_file(disk, path).expect("it is there").len() as u64;
        let place = u64::from(u16::from_le_bytes([low, high & 0x7f]));
        let at = match high & 0x80 {
            0 => place.min(len),
            _ => len.saturating_sub(place),
        };
        if what % 4 == 3 {
            disk.remove_file(path).expect("it is there");
            continue;
        }
        let file = disk.open(path, Open::Write).expect("it is there");
        match what % 4 {
            0 => file.write_all_at(bytes, at),
            1 => file.set_len(at),
            _ => file.set_len(len + place.min(GROWTH_MAX)),
        }
        .expect("the disk works");
    }
}

/// The files below a directory, in the order of their paths.
fn files(disk: &SimDisk, directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in disk.read_dir(&directory).expect("it is there") {
            match entry.kind {
                EntryKind::Directory => directories.push(entry.path),
                _ => found.push(entry.path),
            }
        }
    }
    found.sort();
    found
}
