//! Rot on a disk: bits flip, files become shorter or vanish, behind the back of the datanode that wrote them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use fastrand::Rng;

/// At most so many files at a time.
const FILES_MAX: usize = 12;

/// Spoils some of the finished replicas below the directory of a datanode. Answers what was done.
pub(super) fn spoil(dir: &Path, random: &mut Rng) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for part in ["chunks", "packs"] {
        collect(&dir.join(part), &mut files)?;
    }
    files.sort();
    let mut done = Vec::new();
    let count = random.usize(1..=FILES_MAX);
    for path in random.choose_multiple(&files, count) {
        match one(path, random) {
            Ok(what) => done.push(format!("{}: {what}", path.display())),
            // The datanode works on meanwhile, and may remove what it likes.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn one(path: &Path, random: &mut Rng) -> io::Result<String> {
    let length = fs::metadata(path)?.len();
    let what = random.u32(0..10);
    if what == 0 || length == 0 {
        fs::remove_file(path)?;
        return Ok("removed".to_owned());
    }
    let file = File::options().read(true).write(true).open(path)?;
    let at = random.u64(..length);
    if what == 1 {
        file.set_len(at)?;
        return Ok(format!("cut to {at} of {length} bytes"));
    }
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    let bit = random.u32(..8);
    let flipped = byte.map(|byte| byte ^ (1 << bit));
    file.write_all_at(&flipped, at)?;
    Ok(format!("bit {bit} of byte {at} of {length} flipped"))
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_spoils_something() {
        let dir = tempfile::tempdir().unwrap();
        let chunks = dir.path().join("chunks/ab");
        fs::create_dir_all(&chunks).unwrap();
        let mut random = Rng::with_seed(3);
        for number in 0..50 {
            let path = chunks.join(format!("chunk-{number}"));
            fs::write(&path, [7; 100]).unwrap();
            let done = spoil(dir.path(), &mut random).unwrap();
            assert_eq!(done.len(), 1, "{done:?}");
            assert_ne!(fs::read(&path).unwrap_or_default(), [7; 100], "{done:?}");
            let _ = fs::remove_file(&path);
        }
        assert_eq!(spoil(&dir.path().join("none"), &mut random).unwrap(), [""; 0]);
    }
}
