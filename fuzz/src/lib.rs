//! What fuzz targets share: files of a server, spoiled as the input says.

use std::path::Path;

use env::disk::{Disk, Open, SimDisk, read_file};

/// Changes that one input makes at most.
const EDITS_MAX: usize = 16;

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
        let mut files = disk.files();
        files.retain(|path| path.starts_with(directory));
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
            _ => file.set_len(len + place),
        }
        .expect("the disk works");
    }
}
