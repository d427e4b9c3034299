//! Logs to try things on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::disk::{Disk, SimDisk, read_file};
use types::Term;
use wal::{LogId, OpenError, Options, Recovery, Wal};

/// What was appended: term, op code, payload.
pub(crate) type Content = (u64, u8, Vec<u8>);

/// Room for a few records in a segment.
pub(crate) const SEGMENT_BYTES: u64 = 4096 + 300;

pub(crate) fn directory() -> &'static Path {
    Path::new("/log")
}

/// Opens the log: with what recovery says, and all records.
pub(crate) fn open_on(disk: Arc<dyn Disk>) -> Result<(Wal, Recovery, Vec<Content>), OpenError> {
    let options = Options {
        segment_bytes: SEGMENT_BYTES,
        ..Options::new(LogId(*b"a log for tests!"))
    };
    let mut records = Vec::new();
    let (wal, recovery) = Wal::open(disk, directory(), options, 1, |record| {
        assert_eq!(record.index, records.len() as u64 + 1);
        records.push((record.term.as_u64(), record.op, record.payload.to_vec()));
    })?;
    assert_eq!(recovery.last_index, records.len() as u64);
    Ok((wal, recovery, records))
}

pub(crate) fn open(disk: &SimDisk) -> Result<(Wal, Recovery, Vec<Content>), OpenError> {
    open_on(Arc::new(disk.clone()))
}

/// A record that is like no other, of a length that varies.
pub(crate) fn content(term: u64, number: usize) -> Content {
    let op = u8::try_from(number % 251).unwrap();
    let text = format!("record {number} of term {term} ");
    (term, op, text.repeat(number % 4).into_bytes())
}

/// Appends all and syncs.
pub(crate) fn write(wal: &mut Wal, contents: &[Content]) -> Result<(), wal::Failure> {
    for (term, op, payload) in contents {
        match wal.append(Term(*term), *op, payload) {
            Ok(_) => {}
            Err(wal::AppendError::Failed(failure)) => return Err(failure),
            Err(error) => unreachable!("{error}"),
        }
    }
    assert_eq!(wal.sync()?, wal.last());
    Ok(())
}

/// All files of a log, as they are.
pub(crate) type Image = Vec<(PathBuf, Vec<u8>)>;

pub(crate) fn image(disk: &SimDisk) -> Image {
    let entries = disk.read_dir(directory()).unwrap();
    entries
        .into_iter()
        .map(|entry| (entry.path.clone(), read_file(disk, &entry.path).unwrap()))
        .collect()
}

/// A disk with these files.
pub(crate) fn disk_with(image: &Image) -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir_all(directory()).unwrap();
    for (path, bytes) in image {
        let file = disk.open(path, env::disk::Open::CreateNew).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file.sync_data().unwrap();
    }
    disk.sync_dir(directory()).unwrap();
    disk
}
