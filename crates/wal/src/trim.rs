//! Removing records: at the end, where consensus found that others hold, and at the start, where a checkpoint has them.

use std::io;

use env::disk::{Open, read_file};

use crate::error::{Failure, While};
use crate::files::{position_path, write_zeros};
use crate::layout::header::Header;
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
            self.disk.remove_file(&gone.path).when("remove", &gone.path)?;
            self.disk
                .sync_dir(&self.directory)
                .when("sync", &self.directory)?;
        }
        Ok(())
    }
}
