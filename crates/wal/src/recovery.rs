//! Opening a log: reading what is there, and deciding what its end is.
//!
//! - Every segment but the last was durable before the next one got its name: anything wrong in it is corruption.
//! - In the last one, a record up to the stored position was durable: if it is not there, that is corruption.
//! - What is wrong beyond is a write that was under way, and was never acknowledged: it is cut off, by writing zeros over
//!   it and syncing them before anything is appended.
//! - What is right beyond may be in the system's memory only (the process was killed before its sync, or its sync
//!   failed): it is written again and synced before it is relied on.
//!
//! A corruption alters nothing on disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::disk::{Disk, Open, read_exact_at, read_file};
use types::Term;

use crate::error::{Corruption, Damage, Evidence, OpenError, While};
use crate::files::{PositionFile, Segment, create_segment, is_leftover, position_path, write_zeros};
use crate::layout::frame::{self, BadFrame, FRAME_BYTES, Record};
use crate::layout::header::{HEADER_BYTES, Header};
use crate::layout::position::Position;
use crate::log::{Active, Options, Wal};
use crate::reader::{Index, Mark};
use crate::trim::remove_segments;

/// What was found when the log was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The first record that the log has (or will have).
    pub first_index: u64,
    /// The last record; one less than `first_index` where there is none.
    pub last_index: u64,
    /// The term of the last record; 0 where there is none.
    pub last_term: Term,
    /// What was cut off the end, if anything.
    pub torn: Option<Torn>,
}

/// The end of a write that was under way when the process or the machine stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The segment.
    pub path: PathBuf,
    /// Where the cut is.
    pub offset: u64,
    /// How many bytes were replaced by zeros.
    pub bytes: u64,
    /// Why this is not the next record.
    pub found: BadFrame,
}

/// Where the reading of a log stands: the last record that was read.
pub(crate) struct Reading {
    pub(crate) chain: u32,
    pub(crate) last: u64,
    pub(crate) last_term: Term,
}

/// Where the records of a segment end.
pub(crate) struct End {
    pub(crate) offset: usize,
    /// Why what is there is not the next record.
    pub(crate) found: BadFrame,
}

/// The segment that is read last.
pub(crate) struct Tail<'a> {
    pub(crate) segment: &'a Segment,
    bytes: Vec<u8>,
    end: End,
    /// Where the record of the stored position ends; the first record's start where that is in an earlier segment.
    known: usize,
}

impl Tail<'_> {
    /// What is behind the last record and is not zeros, if anything.
    pub(crate) fn torn(&self) -> Option<Torn> {
        let rest = self.bytes.get(self.end.offset..).unwrap_or_default();
        let last = rest.iter().rposition(|byte| *byte != 0)?;
        Some(Torn {
            path: self.segment.path.clone(),
            offset: self.end.offset as u64,
            bytes: last as u64 + 1,
            found: self.end.found,
        })
    }
}

impl Wal {
    /// Opens the log in `directory`, or begins one there, and shows every record from index `from` on to `replay`.
    ///
    /// # Errors
    /// [`OpenError::Corrupt`] when a record that was durable is not there any more, or record `from` is not; `replay` may
    /// have been called by then.
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
        from: u64,
        mut replay: impl FnMut(Record<'_>),
    ) -> Result<(Self, Recovery), OpenError> {
        let mut segments = prepare(&*disk, directory)?;
        let obsolete = obsolete(&*disk, &segments)?;
        let kept = segments.split_off(obsolete);
        let obsolete = std::mem::replace(&mut segments, kept);
        let newest = stored_position(&*disk, directory, &options, &segments)?;
        let (_, position) = newest;
        let Some(first_index) = segments.first().map(|segment| segment.first) else {
            return begin(disk, directory, options, from, newest);
        };
        if from < first_index {
            let first = first_index;
            return Err(corrupt(directory, 0, Damage::Start { from, first }).into());
        }
        let mut show = |record: Record<'_>| {
            if record.index >= from {
                replay(record);
            }
        };
        let mut index = Index::default();
        let (reading, tail) = read_segments(&*disk, directory, &segments, position, &mut index, &mut show)?;
        remove_segments(&*disk, directory, &obsolete)?;
        let (active, torn) = mend(&*disk, &tail, options.segment_bytes).when("mend", &tail.segment.path)?;
        let stored = PositionFile::open(&*disk, directory, newest, reading.last, reading.chain)
            .when("write", &position_path(directory))?;
        let recovery = Recovery {
            first_index,
            last_index: reading.last,
            last_term: reading.last_term,
            torn,
        };
        Ok((
            Self::new(disk, directory, options, segments, active, stored, index),
            recovery,
        ))
    }
}

/// Reads and judges all segments, of which there is at least one.
pub(crate) fn read_segments<'a>(
    disk: &dyn Disk,
    directory: &Path,
    segments: &'a [Segment],
    position: Position,
    index: &mut Index,
    show: &mut dyn FnMut(Record<'_>),
) -> Result<(Reading, Tail<'a>), OpenError> {
    let mut before: Option<Reading> = None;
    let mut following = segments.iter().skip(1);
    for segment in segments {
        let next = following.next();
        let bytes = read_file(disk, &segment.path).when("read", &segment.path)?;
        let header = header(segment, &bytes, position)?;
        let mut reading = before.take().unwrap_or_else(|| Reading::after_header(&header));
        check_chain(segment, &header, &reading)?;
        index.begin(segment.path.clone(), segment.first, header.chain);
        let mut known = HEADER_BYTES;
        let mut expected_chain = None;
        let until = next.map_or(u64::MAX, |next| next.first.saturating_sub(1));
        let end = reading.records(&bytes, until, &mut |record, chain, offset| {
            if record.index <= position.index {
                known = offset;
            }
            if record.index == position.index && chain != position.chain {
                expected_chain = Some(chain);
            }
            index.mark(Mark {
                index: record.index + 1,
                offset: offset as u64,
                chain,
            });
            show(record);
        });
        if let Some(found) = expected_chain {
            let damage = Damage::PositionChain {
                index: position.index,
                expected: position.chain,
                found,
            };
            return Err(corrupt(&position_path(directory), 0, damage).into());
        }
        let evidence = match next {
            Some(next) if reading.last + 1 != next.first => Some(Evidence::NextSegment(next.first)),
            None if reading.last < position.index => Some(Evidence::Synced(position.index)),
            _ => None,
        };
        if let Some(evidence) = evidence {
            let damage = Damage::Record {
                index: reading.last + 1,
                evidence,
                found: end.found,
            };
            return Err(corrupt(&segment.path, end.offset, damage).into());
        }
        if next.is_none() {
            let tail = Tail {
                segment,
                bytes,
                end,
                known,
            };
            return Ok((reading, tail));
        }
        before = Some(reading);
    }
    let synced = position.index;
    Err(corrupt(directory, 0, Damage::NoSegment { synced }).into())
}

/// Makes the directory, removes what is unfinished, makes the names durable that are there, and lists the segments.
fn prepare(disk: &dyn Disk, directory: &Path) -> Result<Vec<Segment>, OpenError> {
    disk.create_dir_all(directory).when("make", directory)?;
    let mut segments = Vec::new();
    for entry in disk.read_dir(directory).when("list", directory)? {
        if is_leftover(&entry.path) {
            disk.remove_file(&entry.path).when("remove", &entry.path)?;
        }
        segments.extend(Segment::from_path(&entry.path));
    }
    disk.sync_dir(directory).when("sync", directory)?;
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

/// How many segments at the front count no more, because the log was begun anew after them.
pub(crate) fn obsolete(disk: &dyn Disk, segments: &[Segment]) -> Result<usize, OpenError> {
    let mut obsolete = 0;
    for (at, segment) in segments.iter().enumerate() {
        let mut bytes = vec![0; HEADER_BYTES];
        let file = disk.open(&segment.path, Open::Read).when("open", &segment.path)?;
        match read_exact_at(&*file, &mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            result => result.when("read", &segment.path)?,
        }
        // What is wrong with a header is told when its segment is read.
        if Header::decode(&bytes).is_ok_and(|header| header.anew) {
            obsolete = at;
        }
    }
    Ok(obsolete)
}

/// The stored position; a new one where there is no log yet. It is made before the first segment: no segment without it.
fn stored_position(
    disk: &dyn Disk,
    directory: &Path,
    options: &Options,
    segments: &[Segment],
) -> Result<(usize, Position), OpenError> {
    let path = position_path(directory);
    let bytes = match read_file(disk, &path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && segments.is_empty() => {
            let position = Position {
                log: options.new_log,
                sequence: 0,
                index: 0,
                chain: options.new_log.chain(),
            };
            PositionFile::create(disk, directory, &position).when("write", &path)?;
            return Ok((0, position));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        result => result.when("read", &path)?,
    };
    Position::newest(&bytes).ok_or_else(|| corrupt(&path, 0, Damage::Position).into())
}

/// The first segment of a log.
fn begin(
    disk: Arc<dyn Disk>,
    directory: &Path,
    options: Options,
    from: u64,
    newest: (usize, Position),
) -> Result<(Wal, Recovery), OpenError> {
    let (_, position) = newest;
    let synced = position.index;
    if synced > 0 {
        return Err(corrupt(directory, 0, Damage::NoSegment { synced }).into());
    }
    let first = options.new_first.max(1);
    if from > first {
        return Err(corrupt(directory, 0, Damage::Start { from, first }).into());
    }
    let segment = Segment::new(directory, first);
    let header = Header {
        log: position.log,
        first,
        chain: position.chain,
        anew: false,
    };
    let (file, size) = create_segment(&*disk, directory, &segment, &header, options.segment_bytes)
        .when("make", &segment.path)?;
    let stored = PositionFile::open(&*disk, directory, newest, first - 1, position.chain)
        .when("write", &position_path(directory))?;
    let active = Active {
        file,
        size,
        end: HEADER_BYTES as u64,
    };
    let recovery = Recovery {
        first_index: first,
        last_index: first - 1,
        last_term: Term(0),
        torn: None,
    };
    let mut index = Index::default();
    index.begin(segment.path.clone(), first, header.chain);
    Ok((
        Wal::new(disk, directory, options, vec![segment], active, stored, index),
        recovery,
    ))
}

/// A segment's header, if it is this log's and this segment's.
fn header(segment: &Segment, bytes: &[u8], position: Position) -> Result<Header, Corruption> {
    let header = Header::decode(bytes).map_err(|bad| corrupt(&segment.path, 0, Damage::Header(bad)))?;
    if header.log != position.log {
        let damage = Damage::Foreign {
            expected: position.log,
            found: header.log,
        };
        return Err(corrupt(&segment.path, 0, damage));
    }
    if header.first != segment.first {
        return Err(corrupt(&segment.path, 0, Damage::Name(header.first)));
    }
    Ok(header)
}

fn check_chain(segment: &Segment, header: &Header, reading: &Reading) -> Result<(), Corruption> {
    if header.chain == reading.chain {
        return Ok(());
    }
    let damage = Damage::Chain {
        expected: header.chain,
        found: reading.chain,
    };
    Err(corrupt(&segment.path, 0, damage))
}

impl Reading {
    pub(crate) fn after_header(header: &Header) -> Self {
        Self {
            chain: header.chain,
            last: header.first.saturating_sub(1),
            last_term: Term(0),
        }
    }

    /// Reads the records of a segment, up to index `until` or to the first that is not one. `show` gets each with its CRC
    /// and the offset after it.
    pub(crate) fn records(
        &mut self,
        bytes: &[u8],
        until: u64,
        show: &mut dyn FnMut(Record<'_>, u32, usize),
    ) -> End {
        let mut offset = HEADER_BYTES;
        while self.last < until {
            let rest = bytes.get(offset..).unwrap_or_default();
            let (record, chain) = match frame::decode(rest, self.chain, self.last + 1) {
                Ok(read) => read,
                Err(found) => return End { offset, found },
            };
            offset += FRAME_BYTES + record.payload.len();
            self.chain = chain;
            self.last = record.index;
            self.last_term = record.term;
            show(record, chain, offset);
        }
        End {
            offset,
            found: BadFrame::Zeros,
        }
    }
}

/// Makes the last segment what it should be, durably: see the module's text.
fn mend(disk: &dyn Disk, tail: &Tail<'_>, segment_bytes: u64) -> io::Result<(Active, Option<Torn>)> {
    let file = disk.open(&tail.segment.path, Open::Write)?;
    let end = tail.end.offset;
    let torn = tail.torn();
    let torn_bytes = torn.as_ref().map_or(0, |torn| torn.bytes);
    let unsure = tail.bytes.get(tail.known..end).unwrap_or_default();
    let there = tail.bytes.len() as u64;
    let size = there.max(segment_bytes);
    if !unsure.is_empty() || torn_bytes > 0 || there < size {
        file.write_all_at(unsure, tail.known as u64)?;
        write_zeros(&*file, end as u64, end as u64 + torn_bytes)?;
        write_zeros(&*file, there, size)?;
        file.sync_data()?;
    }
    let active = Active {
        file,
        size,
        end: end as u64,
    };
    Ok((active, torn))
}

pub(crate) fn corrupt(path: &Path, offset: usize, damage: Damage) -> Corruption {
    Corruption {
        path: path.to_owned(),
        offset: offset as u64,
        damage,
    }
}
