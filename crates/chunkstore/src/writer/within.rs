//! Bytes that go on within a checksum unit, without those that it begins with.

use super::{WriteError, Writer, index};
use crate::reader::verify;
use crate::units::{SUM, UNIT, align_down, sum_of};

impl Writer {
    /// Writes on in a unit that is not full, up to its end. Its new sum is made from the bytes that are here, which are compared
    /// with the old one, and from those that came, which the caller has compared with theirs.
    pub(super) fn write_within_unit(
        &mut self,
        offset: u64,
        data: &[u8],
        sums: &[u8],
    ) -> Result<(), WriteError> {
        let (received, len) = (self.received(), data.len() as u64);
        let (start, end) = (align_down(offset), offset.saturating_add(len));
        let follows = offset <= received && end <= start + UNIT && sums.len() as u64 == SUM;
        if !follows {
            return Err(WriteError::Misplaced {
                chunk: self.chunk,
                received,
                offset,
                len,
                sums: sums.len() as u64,
            });
        }
        let mut unit = vec![0; index((received - start).min(UNIT))];
        let mut sum = [0; 4];
        let read = self.shape().read(start, &mut unit, &mut sum);
        self.poison_on(read)?;
        verify(self.chunk, start, &unit, &sum)?;
        let (before, here) = unit.split_at(index(offset - start));
        let again = here.len().min(data.len());
        if here.get(..again) != data.get(..again) {
            return Err(WriteError::Differs {
                chunk: self.chunk,
                offset,
                len,
            });
        }
        if end <= received {
            return Ok(());
        }
        let whole = [before, data].concat();
        self.write(start, &whole, &sum_of(&whole))
    }
}
