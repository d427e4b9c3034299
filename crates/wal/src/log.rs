//! The log while it is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::disk::{Disk, File};
use types::Term;

use crate::error::{AppendError, Failure, While};
use crate::files::{PositionFile, Segment, SpareJob, create_segment, position_path};
use crate::layout::LogId;
use crate::layout::frame::{self, PAYLOAD_BYTES_MAX, Record};
use crate::layout::header::{HEADER_BYTES, Header};
use crate::reader::{Index, Mark, Reader};

/// A buffer that grew beyond this for one large batch is given back after it.
const BUFFER_BYTES_KEPT: usize = 4 << 20;

/// After this many syncs the position is settled, however busy the log is: what a power cut can leave in doubt is bounded.
const SYNCS_UNSETTLED_MAX: u32 = 256;

/// The settings of a log.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes of a segment. A batch that is larger gets a larger one.
    pub segment_bytes: u64,
    /// The id of the log, if a new one is begun: random bytes.
    pub new_log: LogId,
    /// The index of the first record, if a new one is begun: 1, or more where something else holds those before.
    pub new_first: u64,
}

impl Options {
    /// Segments of 16 MiB.
    #[must_use]
    pub const fn new(new_log: LogId) -> Self {
        Self {
            segment_bytes: 16 << 20,
            new_log,
            new_first: 1,
        }
    }
}

/// The segment that is written.
pub(crate) struct Active {
    pub(crate) file: Arc<dyn File>,
    pub(crate) size: u64,
    /// Where the next frame goes.
    pub(crate) end: u64,
}

/// A write-ahead log that is open.
///
/// [`Wal::append`] collects records in memory, [`Wal::sync`] writes and syncs what was collected: the more records
/// between two syncs, the less each costs. A record may be acknowledged when the `sync` after its `append` has returned.
///
/// Once a call has failed, every later one fails with the first cause. Whether the records of the failed sync are in the
/// log is found out by the next open.
pub struct Wal {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    pub(crate) options: Options,
    /// Never empty; the last is the active one.
    pub(crate) segments: Vec<Segment>,
    pub(crate) active: Active,
    pub(crate) position: PositionFile,
    /// Where records are, for those who read them back.
    pub(crate) reader: Reader,
    syncs_unsettled: u32,
    spare_asked: bool,
    /// Frames that are not written yet, and the CRC and index of the last of them (or of the last one written).
    buffer: Vec<u8>,
    chain: u32,
    last: u64,
    failure: Option<Failure>,
}

impl Wal {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
        segments: Vec<Segment>,
        active: Active,
        position: PositionFile,
        mut index: Index,
    ) -> Self {
        index.synced(position.index());
        Self {
            reader: Reader::new(Arc::clone(&disk), index),
            disk,
            directory: directory.to_owned(),
            options,
            segments,
            active,
            syncs_unsettled: 0,
            spare_asked: false,
            buffer: Vec::new(),
            chain: position.chain(),
            last: position.index(),
            position,
            failure: None,
        }
    }

    /// Adds a record to the batch, and gives its index.
    ///
    /// # Errors
    /// When the log has failed, or the record is too large; then nothing was added.
    pub fn append(&mut self, term: Term, op: u8, payload: &[u8]) -> Result<u64, AppendError> {
        self.check()?;
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(AppendError::TooLarge(payload.len()));
        }
        let index = self.last + 1;
        let record = Record {
            index,
            term,
            op,
            payload,
        };
        self.chain = frame::encode(&mut self.buffer, self.chain, record);
        self.last = index;
        Ok(index)
    }

    /// Makes all appended records durable, by one write and one sync, and gives the index of the last.
    ///
    /// # Errors
    /// When this or an earlier call failed on the disk.
    pub fn sync(&mut self) -> Result<u64, Failure> {
        self.check()?;
        if !self.buffer.is_empty() {
            let written = self.write_batch();
            self.remember(written)?;
            if self.buffer.capacity() > BUFFER_BYTES_KEPT {
                self.buffer = Vec::new();
            }
            self.buffer.clear();
        }
        Ok(self.last)
    }

    /// Makes the stored position durable. Worth a sync when there is nothing else to do: damage to the last records is then
    /// told from a torn write even after a power cut.
    ///
    /// # Errors
    /// As [`Wal::sync`].
    pub fn settle(&mut self) -> Result<(), Failure> {
        self.check()?;
        let settled = self.settle_position();
        self.remember(settled)
    }

    /// The index of the last record that is durable.
    #[must_use]
    pub const fn synced(&self) -> u64 {
        self.position.index()
    }

    /// The index of the last record that was appended.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// The first record that the log still has, or will have.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.segments.first().map_or(1, |segment| segment.first)
    }

    /// What reads the durable records back, from any thread.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Bytes that wait for [`Wal::sync`].
    #[must_use]
    pub const fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Whether it is time to make the next segment.
    #[must_use]
    pub const fn spare_due(&self) -> bool {
        !self.spare_asked && self.active.end >= self.active.size / 2
    }

    /// The making of the next segment, when it is time for it: once for each segment.
    pub fn spare_job(&mut self) -> Option<SpareJob> {
        if !self.spare_due() {
            return None;
        }
        self.spare_asked = true;
        Some(SpareJob {
            disk: Arc::clone(&self.disk),
            directory: self.directory.clone(),
            bytes: self.options.segment_bytes,
        })
    }

    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Poisons the log if `result` is a failure.
    pub(crate) fn remember<T>(&mut self, result: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(failure) = &result {
            self.failure = Some(failure.clone());
        }
        result
    }

    /// Forgets what was appended but not synced, and goes on after the record at `index`, which ends at `end`.
    pub(crate) fn continue_after(&mut self, index: u64, chain: u32, active: Active) {
        self.buffer.clear();
        self.last = index;
        self.chain = chain;
        self.active = active;
        self.spare_asked = false;
    }

    /// A batch is never split over two segments: so when the next segment is made, the one before it is durable.
    fn write_batch(&mut self) -> Result<(), Failure> {
        let bytes = self.buffer.len() as u64;
        if self.active.end + bytes > self.active.size {
            self.roll(bytes)?;
        }
        let segment = self
            .segments
            .last()
            .map_or(&*self.directory, |segment| &*segment.path);
        let active = &mut self.active;
        active
            .file
            .write_all_at(&self.buffer, active.end)
            .when("write", segment)?;
        active.file.sync_data().when("sync", segment)?;
        let begin = Mark {
            index: self.position.index() + 1,
            offset: active.end,
            chain: self.position.chain(),
        };
        active.end += bytes;
        self.position
            .write(self.last, self.chain)
            .when("write", &position_path(&self.directory))?;
        {
            let mut index = self.reader.index();
            index.mark(begin);
            index.synced(self.last);
        }
        self.syncs_unsettled += 1;
        if self.syncs_unsettled >= SYNCS_UNSETTLED_MAX {
            self.settle_position()?;
        }
        Ok(())
    }

    /// Begins the next segment, with room for `bytes`.
    fn roll(&mut self, bytes: u64) -> Result<(), Failure> {
        self.settle_position()?;
        let segment = Segment::new(&self.directory, self.position.index() + 1);
        let header = Header {
            log: self.position.log(),
            first: segment.first,
            chain: self.position.chain(),
            anew: false,
        };
        let size = self.options.segment_bytes.max(HEADER_BYTES as u64 + bytes);
        if self.segments.last() == Some(&segment) {
            // It has no record yet, and is too small for the first one.
            let (file, path) = (&*self.active.file, &segment.path);
            crate::files::write_zeros(file, self.active.size, size).when("lengthen", path)?;
            file.sync_data().when("sync", path)?;
            self.active.size = size;
            return Ok(());
        }
        let (file, size) = create_segment(&*self.disk, &self.directory, &segment, &header, size)
            .when("make", &segment.path)?;
        self.active = Active {
            file,
            size,
            end: HEADER_BYTES as u64,
        };
        self.reader
            .index()
            .begin(segment.path.clone(), segment.first, header.chain);
        self.segments.push(segment);
        self.spare_asked = false;
        Ok(())
    }

    fn settle_position(&mut self) -> Result<(), Failure> {
        self.syncs_unsettled = 0;
        self.position
            .settle()
            .when("sync", &position_path(&self.directory))
    }
}
