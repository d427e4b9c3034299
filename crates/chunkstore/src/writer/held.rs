//! A small replica while it is written: in memory, until it is packed or grows too large for that.

use types::ChunkId;

use crate::reader::{ReadError, verify};
use crate::units::{SUM, UNIT, align_down, sum_of, units};

/// # Invariant
/// `sums` has one for each unit of `data`.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) data: Vec<u8>,
    pub(crate) sums: Vec<u8>,
}

impl Held {
    /// Writes `data` at `offset`, where the last whole unit ends.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8], sums: &[u8]) {
        self.data.truncate(index(offset));
        self.data.extend_from_slice(data);
        self.sums.truncate(index(offset / UNIT * SUM));
        self.sums.extend_from_slice(sums);
    }

    /// Fills the buffers, whose lengths fit what is here.
    pub(crate) fn read(&self, offset: u64, data: &mut [u8], sums: &mut [u8]) {
        let (from, sums_from) = (index(offset), index(offset / UNIT * SUM));
        if let Some(held) = self.data.get(from..from + data.len()) {
            data.copy_from_slice(held);
        }
        if let Some(held) = self.sums.get(sums_from..sums_from + sums.len()) {
            sums.copy_from_slice(held);
        }
    }

    /// Cuts to `len` bytes. The unit that is cut gets a new sum; what that is made from is checked first.
    pub(crate) fn cut(&mut self, chunk: ChunkId, len: u64) -> Result<(), ReadError> {
        let start = align_down(len);
        let last = self.data.get(index(start)..).unwrap_or_default();
        let sum = self.sums.get(index(start / UNIT * SUM)..).unwrap_or_default();
        let unit = last.get(..last.len().min(index(UNIT))).unwrap_or_default();
        verify(
            chunk,
            start,
            unit,
            sum.get(..sum.len().min(index(SUM))).unwrap_or_default(),
        )?;
        self.data.truncate(index(len));
        self.sums.truncate(index(units(len) * SUM));
        if start < len {
            let cut = sum_of(self.data.get(index(start)..).unwrap_or_default());
            self.sums.truncate(index(start / UNIT * SUM));
            self.sums.extend_from_slice(&cut);
        }
        Ok(())
    }
}

/// Held replicas are far smaller than an address space.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
