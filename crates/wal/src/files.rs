//! The files of a log: their names, and how segments and the position are made.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::disk::{Disk, File, Open, replace_file};

use crate::layout::LogId;
use crate::layout::header::{HEADER_BYTES, Header};
use crate::layout::position::{POSITION_BYTES, Position, SLOT_STEP};

/// Bytes that are written at once where zeros are wanted.
const ZEROS_BYTES: usize = 1 << 20;

/// A segment that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The index of its first record.
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
}

impl Segment {
    pub(crate) fn new(directory: &Path, first: u64) -> Self {
        Self {
            first,
            path: directory.join(format!("wal-{first:020}.log")),
        }
    }

    /// The segment of this name, if it is the name of one.
    pub(crate) fn from_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let digits = name.strip_prefix("wal-")?.strip_suffix(".log")?;
        (digits.len() == 20).then_some(Self {
            first: digits.parse().ok()?,
            path: path.to_owned(),
        })
    }
}

pub(crate) fn position_path(directory: &Path) -> PathBuf {
    directory.join("synced")
}

pub(crate) fn spare_path(directory: &Path) -> PathBuf {
    directory.join("spare")
}

/// Whether this is a file of the log's that is unfinished or can be made again.
pub(crate) fn is_leftover(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    ["spare", "spare.tmp", "synced.tmp", "meta.tmp"].contains(&name)
        || (name.starts_with("wal-") && name.strip_suffix(".tmp").is_some())
}

/// Writes zeros from `start` to `end`.
pub(crate) fn write_zeros(file: &dyn File, start: u64, end: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS_BYTES.min(usize::try_from(end.saturating_sub(start)).unwrap_or(ZEROS_BYTES))];
    let mut at = start;
    while at < end {
        let len = usize::try_from(end - at).unwrap_or(ZEROS_BYTES).min(zeros.len());
        file.write_all_at(zeros.split_at(len).0, at)?;
        at += len as u64;
    }
    Ok(())
}

/// Makes a file of zeros, durable but for its name.
fn zero_file(disk: &dyn Disk, path: &Path, bytes: u64) -> io::Result<Arc<dyn File>> {
    let file = disk.open(path, Open::CreateTruncate)?;
    write_zeros(&*file, 0, bytes)?;
    file.sync_data()?;
    Ok(file)
}

/// Makes a segment. It gets its name when it is whole and durable, so a named segment always has a header.
///
/// A spare that is large enough becomes the segment; then nothing large is to be written.
pub(crate) fn create_segment(
    disk: &dyn Disk,
    directory: &Path,
    segment: &Segment,
    header: &Header,
    bytes: u64,
) -> io::Result<(Arc<dyn File>, u64)> {
    let spare = spare_path(directory);
    let (from, file) = match disk.open(&spare, Open::Write) {
        Ok(file) if file.size()? >= bytes => (spare, file),
        Ok(_) => new_segment_file(disk, segment, bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => new_segment_file(disk, segment, bytes)?,
        Err(error) => return Err(error),
    };
    file.write_all_at(&header.encode(), 0)?;
    file.sync_data()?;
    disk.rename(&from, &segment.path)?;
    disk.sync_dir(directory)?;
    let size = file.size()?;
    Ok((file, size))
}

fn new_segment_file(disk: &dyn Disk, segment: &Segment, bytes: u64) -> io::Result<(PathBuf, Arc<dyn File>)> {
    let temporary = segment.path.with_extension("tmp");
    let file = zero_file(disk, &temporary, bytes)?;
    Ok((temporary, file))
}

/// The making of the next segment in advance: many milliseconds that no proposal need wait for.
#[must_use]
pub struct SpareJob {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    pub(crate) bytes: u64,
}

impl SpareJob {
    /// Does it. Blocks; may run beside everything else that the log does.
    ///
    /// # Errors
    /// As the file system answers. The log is none the worse: it makes its next segment itself.
    pub fn run(self) -> io::Result<()> {
        let temporary = self.directory.join("spare.tmp");
        zero_file(&*self.disk, &temporary, self.bytes)?;
        self.disk.rename(&temporary, &spare_path(&self.directory))
    }
}

/// The file of the stored position.
///
/// It is written after every sync of the log and synced rarely ([`PositionFile::settle`]): it is true whenever it reaches
/// the disk, because the records that it speaks of are there already. So it is exact after the process was killed, and a
/// lower bound after the power was cut.
///
/// Between two settlings only one slot is written, the other keeps the position of the last settling.
pub(crate) struct PositionFile {
    file: Arc<dyn File>,
    slot: usize,
    current: Position,
    settled: bool,
}

impl PositionFile {
    pub(crate) fn create(disk: &dyn Disk, directory: &Path, position: &Position) -> io::Result<()> {
        let mut bytes = position.encode();
        bytes.resize(POSITION_BYTES, 0);
        replace_file(disk, &position_path(directory), &bytes)
    }

    /// Opens the file whose newest slot is number `newest`, and makes a first position durable in the other one.
    pub(crate) fn open(
        disk: &dyn Disk,
        directory: &Path,
        newest: (usize, Position),
        index: u64,
        chain: u32,
    ) -> io::Result<Self> {
        let (slot, current) = newest;
        let mut file = Self {
            file: disk.open(&position_path(directory), Open::Write)?,
            slot: usize::from(slot == 0),
            current,
            settled: false,
        };
        file.write(index, chain)?;
        file.settle()?;
        Ok(file)
    }

    pub(crate) const fn index(&self) -> u64 {
        self.current.index
    }

    pub(crate) const fn chain(&self) -> u32 {
        self.current.chain
    }

    pub(crate) const fn log(&self) -> LogId {
        self.current.log
    }

    /// Writes the position, in the system's memory only.
    pub(crate) fn write(&mut self, index: u64, chain: u32) -> io::Result<()> {
        self.current = Position {
            sequence: self.current.sequence + 1,
            index,
            chain,
            ..self.current
        };
        self.settled = false;
        let offset = self.slot * SLOT_STEP;
        self.file.write_all_at(&self.current.encode(), offset as u64)
    }

    /// Makes the position durable.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        if !self.settled {
            self.file.sync_data()?;
            self.settled = true;
            self.slot = 1 - self.slot;
        }
        Ok(())
    }
}

const _: () = assert!(
    HEADER_BYTES.is_multiple_of(4096),
    "records begin on a page of their own"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_segments_sort_as_their_records() {
        let segment = Segment::new(Path::new("/log"), 4711);
        assert_eq!(segment.path, Path::new("/log/wal-00000000000000004711.log"));
        assert_eq!(Segment::from_path(&segment.path), Some(segment));
        for other in [
            "synced",
            "wal-1.log",
            "wal-0000000000000000000x.log",
            "wal-00000000000000004711.tmp",
        ] {
            assert_eq!(Segment::from_path(Path::new(other)), None);
        }
    }
}
