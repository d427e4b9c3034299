//! A look at a log that changes nothing: for tools.

use std::io;
use std::path::{Path, PathBuf};

use env::disk::{Disk, Open, read_file};
use types::Term;

use crate::error::{Damage, OpenError, While};
use crate::files::{Segment, position_path};
use crate::layout::LogId;
use crate::layout::frame::Record;
use crate::layout::position::Position;
use crate::reader::Index;
use crate::recovery::{Torn, corrupt, obsolete, read_segments};

/// What a log looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The id that all of its files carry.
    pub log: LogId,
    /// Its segments, in the order of their records.
    pub segments: Vec<SegmentInfo>,
    /// The first record that it has (or will have).
    pub first_index: u64,
    /// The last record; one less than `first_index` where there is none.
    pub last_index: u64,
    /// The term of the last record; 0 where there is none.
    pub last_term: Term,
    /// Records up to this one are known to have been durable.
    pub synced: u64,
    /// What is behind the last record: the next opening will cut it off.
    pub torn: Option<Torn>,
    /// Segments that count no more, because the log was begun anew after them: the next opening will remove them.
    pub obsolete: Vec<SegmentInfo>,
}

/// A segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The index of its first record.
    pub first: u64,
    /// The file.
    pub path: PathBuf,
    /// The length of the file.
    pub bytes: u64,
}

/// Reads and judges a whole log as [`Wal::open`](crate::Wal::open) does, shows every record, and changes nothing; none where
/// there is no log. What is written meanwhile may look torn or damaged: lock the directory.
///
/// # Errors
/// As [`Wal::open`](crate::Wal::open); `show` may have been called by then.
pub fn inspect(
    disk: &dyn Disk,
    directory: &Path,
    mut show: impl FnMut(Record<'_>),
) -> Result<Option<Inspection>, OpenError> {
    let entries = disk.read_dir(directory).when("list", directory)?;
    let mut found: Vec<Segment> = (entries.iter())
        .filter_map(|entry| Segment::from_path(&entry.path))
        .collect();
    found.sort_by_key(|segment| segment.first);
    let segments = found.split_off(obsolete(disk, &found)?);
    let path = position_path(directory);
    let bytes = match read_file(disk, &path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && segments.is_empty() => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        result => result.when("read", &path)?,
    };
    let (_, position) = Position::newest(&bytes).ok_or_else(|| corrupt(&path, 0, Damage::Position))?;
    if segments.is_empty() && position.index == 0 {
        return Ok(None);
    }
    let mut index = Index::default();
    let (reading, tail) = read_segments(disk, directory, &segments, position, &mut index, &mut show)?;
    Ok(Some(Inspection {
        log: position.log,
        first_index: segments.first().map_or(1, |segment| segment.first),
        last_index: reading.last,
        last_term: reading.last_term,
        synced: position.index,
        torn: tail.torn(),
        segments: infos(disk, &segments)?,
        obsolete: infos(disk, &found)?,
    }))
}

fn infos(disk: &dyn Disk, segments: &[Segment]) -> Result<Vec<SegmentInfo>, OpenError> {
    let info = |segment: &Segment| {
        let file = disk.open(&segment.path, Open::Read).when("open", &segment.path)?;
        Ok(SegmentInfo {
            first: segment.first,
            path: segment.path.clone(),
            bytes: file.size().when("read", &segment.path)?,
        })
    };
    segments.iter().map(info).collect()
}
