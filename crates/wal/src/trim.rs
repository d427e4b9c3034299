//! Removing records: at the end, where consensus found that others hold, and at the start, where a checkpoint has them.

use std::io;
use std::path::Path;

use env::disk::{Disk, Open, read_file};

use crate::error::{Failure, While};
use crate::files::{Segment, create_segment, position_path, write_zeros};
use crate::layout::header::{HEADER_BYTES, Header};
use crate::log::{Active, Wal};
use crate::recovery::Reading;

impl Wal {
    /// Removes all records after the one at `index`, durably. What was appended before is synced first.
    ///
    /// A crash on the way leaves the log as it was, or shorter, but with every record up to `index`: the stored position
    /// is lowered first, then whole segments go from the end, then the rest is overwritten by zeros.
    ///
    /// # Errors
    /// As [`Wal::sync`]; and when `index` is before the first record.
    pub fn truncate_after(&mut self, index: u64) -> Result<(), Failure> {
        self.sync()?;
        if index < self.last() {
            let truncated = self.truncate(index);
            self.remember(truncated)?;
        }
        Ok(())
    }

    /// Removes the segments that hold only records before `index`, durably. The last segment stays.
    ///
    /// # Errors
    /// As [`Wal::sync`].
    pub fn purge_before(&mut self, index: u64) -> Result<(), Failure> {
        self.check()?;
        let purged = self.purge(index);
        self.remember(purged)
    }

    /// Begins the log anew after record `index`: all records that it has go, and the next one that is appended has the index
    /// after. For a member that was given a checkpoint from beyond the end of its log. What was appended before is synced
    /// first.
    ///
    /// A crash on the way leaves the log as it was, or begun anew.
    ///
    /// # Errors
    /// As [`Wal::sync`]; and when `index` is before the last record.
    pub fn begin_after(&mut self, index: u64) -> Result<(), Failure> {
        self.sync()?;
        let begun = self.begin_anew(index);
        self.remember(begun)
    }

    fn begin_anew(&mut self, index: u64) -> Result<(), Failure> {
        let first = index.checked_add(1).filter(|_| index >= self.last());
        let Some(first) = first else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput)).when("cut", &self.directory);
        };
        let segment = Segment::new(&self.directory, first);
        if self.segments.last() == Some(&segment) {
            // It has no record, and begins where it should: only those before are to go.
            return self.purge(first);
        }
        let header = Header {
            log: self.position.log(),
            first,
            chain: self.position.chain(),
            anew: true,
        };
        // From the moment that it has its name, the segments before count no more.
        let bytes = self.options.segment_bytes;
        let (file, size) = create_segment(&*self.disk, &self.directory, &segment, &header, bytes)
            .when("make", &segment.path)?;
        let gone = std::mem::replace(&mut self.segments, vec![segment.clone()]);
        {
            let mut places = self.reader.index();
            places.clear();
            places.begin(segment.path, first, header.chain);
            places.synced(index);
        }
        remove_segments(&*self.disk, &self.directory, &gone)?;
        let stored = position_path(&self.directory);
        self.position
            .write(index, header.chain)
            .and_then(|()| self.position.settle())
            .when("write", &stored)?;
        let active = Active {
            file,
            size,
            end: HEADER_BYTES as u64,
        };
        self.continue_after(index, header.chain, active);
        Ok(())
    }

    fn truncate(&mut self, index: u64) -> Result<(), Failure> {
        let keep = self
            .segments
            .partition_point(|segment| segment.first <= index + 1);
        let Some(segment) = keep
            .checked_sub(1)
            .and_then(|last| self.segments.get(last))
            .cloned()
        else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput)).when("cut", &self.directory);
        };
        let bytes = read_file(&*self.disk, &segment.path).when("read", &segment.path)?;
        let header = Header::decode(&bytes)
            .map_err(io::Error::other)
            .when("read", &segment.path)?;
        let mut reading = Reading::after_header(&header);
        let end = reading.records(&bytes, index, &mut |_, _, _| {});
        if reading.last != index {
            return Err(io::Error::other(end.found)).when("read", &segment.path);
        }
        // Nobody reads what is about to go.
        self.reader.index().truncate(index);
        let stored = position_path(&self.directory);
        self.position
            .write(index, reading.chain)
            .and_then(|()| self.position.settle())
            .when("write", &stored)?;
        while self.segments.len() > keep {
            let Some(gone) = self.segments.pop() else { break };
            self.disk.remove_file(&gone.path).when("remove", &gone.path)?;
            // One at a time: a crash must not leave a gap.
            self.disk
                .sync_dir(&self.directory)
                .when("sync", &self.directory)?;
        }
        let file = self
            .disk
            .open(&segment.path, Open::Write)
            .when("open", &segment.path)?;
        let size = bytes.len() as u64;
        write_zeros(&*file, end.offset as u64, size)
            .and_then(|()| file.sync_data())
            .when("write", &segment.path)?;
        let active = Active {
            file,
            size,
            end: end.offset as u64,
        };
        self.continue_after(index, reading.chain, active);
        Ok(())
    }

    fn purge(&mut self, index: u64) -> Result<(), Failure> {
        while self.segments.get(1).is_some_and(|next| next.first <= index) {
            let gone = self.segments.remove(0);
            self.reader.index().drop_first();
            self.disk.remove_file(&gone.path).when("remove", &gone.path)?;
            self.disk
                .sync_dir(&self.directory)
                .when("sync", &self.directory)?;
        }
        Ok(())
    }
}

/// Removes segments from the front on, durably.
pub(crate) fn remove_segments(disk: &dyn Disk, directory: &Path, gone: &[Segment]) -> Result<(), Failure> {
    for segment in gone {
        disk.remove_file(&segment.path).when("remove", &segment.path)?;
    }
    if gone.is_empty() {
        return Ok(());
    }
    disk.sync_dir(directory).when("sync", directory)
}
