//! Reading records back by their index, beside the writing.
//!
//! The log remembers where about every 64 KiB of records begin. A reader opens the segment there and goes on record by
//! record, checking each as recovery does. Only records that are durable are shown. While a range is read nothing is removed
//! from the log: what is read is what was there when the reading began.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use env::disk::{Disk, File, Open};
use types::Term;

use crate::error::{Corruption, Damage, Evidence, OpenError, While};
use crate::layout::frame::{self, BadFrame, FRAME_BYTES};
use crate::layout::header::HEADER_BYTES;

/// Bytes of records between two remembered places.
const MARK_BYTES: u64 = 64 << 10;

/// Bytes that are read from a file at once.
const READ_BYTES: usize = 256 << 10;

/// A record that was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Its place.
    pub index: u64,
    /// The term in which it was appended.
    pub term: Term,
    /// What kind of command it is.
    pub op: u8,
    /// The command.
    pub payload: Vec<u8>,
}

/// Reads records back. Clones read the same log.
#[derive(Clone)]
pub struct Reader {
    disk: Arc<dyn Disk>,
    index: Arc<RwLock<Index>>,
}

/// Where records are.
#[derive(Debug, Default)]
pub(crate) struct Index {
    segments: Vec<Indexed>,
    /// The last record that is durable.
    synced: u64,
}

#[derive(Debug)]
struct Indexed {
    path: PathBuf,
    /// Never empty: the first is the first record's. In the order of the records.
    marks: Vec<Mark>,
}

/// Where a record begins, and the CRC of the one before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) index: u64,
    pub(crate) offset: u64,
    pub(crate) chain: u32,
}

impl Index {
    /// A segment was begun (or found) whose first record has this index.
    pub(crate) fn begin(&mut self, path: PathBuf, first: u64, chain: u32) {
        let mark = Mark {
            index: first,
            offset: HEADER_BYTES as u64,
            chain,
        };
        self.segments.push(Indexed {
            path,
            marks: vec![mark],
        });
    }

    /// A record begins here, in the last segment. Remembered when it is far enough from the last one that was.
    pub(crate) fn mark(&mut self, mark: Mark) {
        let Some(segment) = self.segments.last_mut() else {
            return;
        };
        if segment
            .marks
            .last()
            .is_none_or(|last| mark.index > last.index && mark.offset >= last.offset + MARK_BYTES)
        {
            segment.marks.push(mark);
        }
    }

    /// Records up to this one are durable.
    pub(crate) fn synced(&mut self, index: u64) {
        self.synced = index;
    }

    /// Forgets all records after this one. The segment that is then the last one stays, even with no record.
    pub(crate) fn truncate(&mut self, last: u64) {
        let keep = self
            .segments
            .partition_point(|segment| segment.first() <= last + 1)
            .max(1);
        self.segments.truncate(keep);
        if let Some(segment) = self.segments.last_mut() {
            let keep = segment
                .marks
                .partition_point(|mark| mark.index <= last + 1)
                .max(1);
            segment.marks.truncate(keep);
        }
        self.synced = last;
    }

    /// Forgets the first segment.
    pub(crate) fn drop_first(&mut self) {
        if self.segments.len() > 1 {
            self.segments.remove(0);
        }
    }

    /// Forgets all segments.
    pub(crate) fn clear(&mut self) {
        self.segments.clear();
    }

    /// The last remembered place that is not after record `index`, and its segment.
    fn find(&self, index: u64) -> Option<(usize, Mark)> {
        let after = self.segments.partition_point(|segment| segment.first() <= index);
        let at = after.checked_sub(1)?;
        let marks = &self.segments.get(at)?.marks;
        let after = marks.partition_point(|mark| mark.index <= index);
        Some((at, *marks.get(after.checked_sub(1)?)?))
    }
}

impl Indexed {
    fn first(&self) -> u64 {
        self.marks.first().map_or(u64::MAX, |mark| mark.index)
    }
}

impl Reader {
    pub(crate) fn new(disk: Arc<dyn Disk>, index: Index) -> Self {
        Self {
            disk,
            index: Arc::new(RwLock::new(index)),
        }
    }

    /// The places, to change them. Waits for those who read.
    pub(crate) fn index(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The durable records from index `from` on and before `until`: at least one if there is one, then so many that their
    /// payloads stay below `bytes_max`. None when the log does not begin so early, or does not reach so far.
    ///
    /// # Errors
    /// When a file can not be read, or a record in it is damaged.
    pub fn read(&self, from: u64, until: u64, bytes_max: usize) -> Result<Vec<OwnedRecord>, OpenError> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let until = until.min(index.synced + 1);
        let mut records: Vec<OwnedRecord> = Vec::new();
        let mut bytes = 0;
        let Some((mut at, mut mark)) = index.find(from) else {
            return Ok(records);
        };
        while mark.index < until {
            let Some(segment) = index.segments.get(at) else {
                break;
            };
            let next = index.segments.get(at + 1);
            let end = next.map_or(until, |next| next.first().min(until));
            let mut scan = Scan::open(&*self.disk, &segment.path, mark)?;
            while scan.next < end {
                let record = scan.record(end)?;
                if record.index < from {
                    continue;
                }
                bytes += record.payload.len();
                if bytes > bytes_max && !records.is_empty() {
                    return Ok(records);
                }
                records.push(record);
            }
            let Some(first) = next.and_then(|next| next.marks.first()) else {
                break;
            };
            (at, mark) = (at + 1, *first);
        }
        Ok(records)
    }
}

/// A segment that is read from some record on.
struct Scan {
    path: PathBuf,
    file: Arc<dyn File>,
    size: u64,
    /// What was read and not used yet begins here in the file.
    offset: u64,
    buffer: Vec<u8>,
    used: usize,
    chain: u32,
    next: u64,
}

impl Scan {
    fn open(disk: &dyn Disk, path: &std::path::Path, mark: Mark) -> Result<Self, OpenError> {
        let file = disk.open(path, Open::Read).when("open", path)?;
        let size = file.size().when("read", path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            size,
            offset: mark.offset,
            buffer: Vec::new(),
            used: 0,
            chain: mark.chain,
            next: mark.index,
        })
    }

    /// The next record. `end` is after the last one that must be here.
    fn record(&mut self, end: u64) -> Result<OwnedRecord, OpenError> {
        loop {
            let rest = self.buffer.get(self.used..).unwrap_or_default();
            let decoded = frame::decode(rest, self.chain, self.next).map(|(record, chain)| {
                let record = OwnedRecord {
                    index: record.index,
                    term: record.term,
                    op: record.op,
                    payload: record.payload.to_vec(),
                };
                (record, chain)
            });
            match decoded {
                Ok((record, chain)) => {
                    self.used += FRAME_BYTES + record.payload.len();
                    self.chain = chain;
                    self.next += 1;
                    return Ok(record);
                }
                Err(BadFrame::Cut | BadFrame::Zeros) if self.more().when("read", &self.path)? => {}
                Err(found) => {
                    let damage = Damage::Record {
                        index: self.next,
                        evidence: Evidence::Synced(end - 1),
                        found,
                    };
                    return Err(Corruption {
                        path: self.path.clone(),
                        offset: self.offset + self.used as u64,
                        damage,
                    }
                    .into());
                }
            }
        }
    }

    /// Reads more of the file, if there is more.
    fn more(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.used);
        self.offset += self.used as u64;
        self.used = 0;
        let at = self.offset + self.buffer.len() as u64;
        let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        // Twice as much each time: a large record costs few reads.
        let wanted = READ_BYTES.max(self.buffer.len()).min(left);
        let had = self.buffer.len();
        self.buffer.resize(had + wanted, 0);
        let space = self.buffer.get_mut(had..).unwrap_or_default();
        let read = self.file.read_at(space, at)?;
        self.buffer.truncate(had + read);
        Ok(read > 0)
    }
}
