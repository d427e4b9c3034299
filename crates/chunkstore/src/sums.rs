//! The sums of a replica that is being written: those of whole units go to the sidecar in blocks, the rest is in memory.

use std::io;
use std::sync::Arc;

use env::disk::{File, read_exact_at};

use crate::sidecar::{self, Header};
use crate::units::SUM;

/// Sums kept in memory before they are written to the sidecar.
const TAIL_BYTES: usize = 64 << 10;

/// # Invariants
/// - the sidecar holds the first `spilled` sums, all of whole units, and `tail` those that follow;
/// - `crc` is the checksum over the sums in the sidecar.
pub(crate) struct Sums {
    sidecar: Arc<dyn File>,
    spilled: u64,
    crc: crc_fast::Digest,
    tail: Vec<u8>,
}

impl Sums {
    /// None yet.
    pub(crate) fn new(sidecar: Arc<dyn File>) -> Self {
        Self {
            sidecar,
            spilled: 0,
            crc: new_digest(),
            tail: Vec::new(),
        }
    }

    /// Where they go.
    pub(crate) fn file(&self) -> Arc<dyn File> {
        Arc::clone(&self.sidecar)
    }

    pub(crate) const fn is_long(&self) -> bool {
        self.tail.len() >= TAIL_BYTES
    }

    /// Puts `sums` in the place of those from number `unit` on, which are still in memory; else they are refused.
    pub(crate) fn replace(&mut self, unit: u64, sums: &[u8]) -> io::Result<()> {
        let at = self.position(unit);
        if unit < self.spilled || at > self.tail.len() {
            return Err(io::Error::other("sums that do not follow those that are here"));
        }
        self.tail.truncate(at);
        self.tail.extend_from_slice(sums);
        Ok(())
    }

    /// Writes the sums before number `whole` to the sidecar; they are here.
    pub(crate) fn spill(&mut self, whole: u64) -> io::Result<()> {
        let bytes = self.position(whole).min(self.tail.len());
        let (sums, _) = self.tail.split_at(bytes);
        if sums.is_empty() {
            return Ok(());
        }
        self.sidecar.write_all_at(sums, sidecar::sum_at(self.spilled))?;
        self.crc.update(sums);
        self.spilled = self.spilled.max(whole);
        self.tail.drain(..bytes);
        Ok(())
    }

    /// Writes what is in memory, too, and the header: the sidecar is complete.
    pub(crate) fn complete(&self, header: Header) -> io::Result<()> {
        let header = Header {
            sums_crc: self.crc(),
            ..header
        };
        if !self.tail.is_empty() {
            self.sidecar
                .write_all_at(&self.tail, sidecar::sum_at(self.spilled))?;
        }
        self.sidecar.write_all_at(&header.encode(), 0)?;
        // Sums that were cut off may lie beyond.
        self.sidecar.set_len(sidecar::file_len(header.len))
    }

    /// The checksum over all sums.
    pub(crate) fn crc(&self) -> u32 {
        let mut crc = self.crc;
        crc.update(&self.tail);
        // 32 bits, in a u64.
        u32::try_from(crc.finalize()).unwrap_or_default()
    }

    /// Fills `sums` from number `first` on.
    pub(crate) fn read(&self, first: u64, sums: &mut [u8]) -> io::Result<()> {
        let on_disk = usize::try_from(self.spilled.saturating_sub(first) * SUM).unwrap_or(usize::MAX);
        let (spilled, rest) = sums.split_at_mut(on_disk.min(sums.len()));
        read_exact_at(&*self.sidecar, spilled, sidecar::sum_at(first))?;
        let from = self.position(first);
        let held = self.tail.get(from..from + rest.len());
        rest.copy_from_slice(held.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    /// Keeps the first `units`.
    pub(crate) fn cut(&mut self, units: u64) -> io::Result<()> {
        if units < self.spilled {
            self.load(units)
        } else {
            self.tail.truncate(self.position(units));
            Ok(())
        }
    }

    /// Takes the first `units` of the sidecar as those that are there.
    pub(crate) fn load(&mut self, units: u64) -> io::Result<()> {
        let mut crc = new_digest();
        let mut block = vec![0; TAIL_BYTES];
        let (mut at, end) = (sidecar::sum_at(0), sidecar::sum_at(units));
        while at < end {
            let take = usize::try_from(end - at).map_or(block.len(), |left| left.min(block.len()));
            block.truncate(take);
            read_exact_at(&*self.sidecar, &mut block, at)?;
            crc.update(&block);
            at += take as u64;
        }
        self.spilled = units;
        self.crc = crc;
        self.tail.clear();
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.sidecar.sync_data()
    }

    /// Where in `tail` sum number `unit` is.
    fn position(&self, unit: u64) -> usize {
        usize::try_from(unit.saturating_sub(self.spilled) * SUM).unwrap_or(usize::MAX)
    }
}

fn new_digest() -> crc_fast::Digest {
    crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi)
}
