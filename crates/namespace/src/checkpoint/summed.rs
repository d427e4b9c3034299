//! A stream with the CRC32C of all of it at its end, read and written in large pieces.

use std::io::{self, Read, Write};

use super::{LoadError, damaged};

/// Bytes that are read or written at once.
const PIECE_BYTES: usize = 256 << 10;

fn new_digest() -> crc_fast::Digest {
    crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi)
}

#[expect(clippy::cast_possible_truncation, reason = "a CRC32C has 32 bits")]
fn sum(digest: &crc_fast::Digest) -> [u8; 4] {
    (digest.finalize() as u32).to_le_bytes()
}

/// Writes and sums.
pub(super) struct SummedWriter<'o> {
    out: &'o mut dyn Write,
    piece: Vec<u8>,
    digest: crc_fast::Digest,
}

impl<'o> SummedWriter<'o> {
    pub(super) fn new(out: &'o mut dyn Write) -> Self {
        Self {
            out,
            piece: Vec::with_capacity(PIECE_BYTES),
            digest: new_digest(),
        }
    }

    /// Writes the rest, and the sum.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.out.write_all(&sum(&self.digest))
    }
}

impl Write for SummedWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() + bytes.len() > PIECE_BYTES {
            self.flush()?;
        }
        if bytes.len() >= PIECE_BYTES {
            self.digest.update(bytes);
            self.out.write_all(bytes)?;
        } else {
            self.piece.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    /// Hands on what is collected; what is behind is not flushed.
    fn flush(&mut self) -> io::Result<()> {
        self.digest.update(&self.piece);
        self.out.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }
}

/// Reads and sums.
pub(super) struct SummedReader<'i> {
    input: &'i mut dyn Read,
    piece: Vec<u8>,
    /// What was handed out of `piece`, and what of it was summed.
    taken: usize,
    summed: usize,
    digest: crc_fast::Digest,
}

impl<'i> SummedReader<'i> {
    pub(super) fn new(input: &'i mut dyn Read) -> Self {
        Self {
            input,
            piece: Vec::new(),
            taken: 0,
            summed: 0,
            digest: new_digest(),
        }
    }

    /// Reads the sum: it must be that of what was read so far, and nothing may come behind it.
    pub(super) fn finish(mut self) -> Result<(), LoadError> {
        self.sum_up();
        let computed = sum(&self.digest);
        let mut found = [0; 4];
        self.read_exact(&mut found)?;
        if found != computed {
            return Err(damaged("its checksum is wrong"));
        }
        match self.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(damaged("it goes on behind its end")),
        }
    }

    fn sum_up(&mut self) {
        let handed_out = self.piece.get(self.summed..self.taken).unwrap_or_default();
        self.digest.update(handed_out);
        self.summed = self.taken;
    }

    fn refill(&mut self) -> io::Result<()> {
        self.sum_up();
        self.piece.clear();
        (self.taken, self.summed) = (0, 0);
        let limit = PIECE_BYTES as u64;
        (&mut *self.input).take(limit).read_to_end(&mut self.piece)?;
        Ok(())
    }
}

impl Read for SummedReader<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.piece.len() {
            self.refill()?;
        }
        let mut left = self.piece.get(self.taken..).unwrap_or_default();
        let read = left.read(to)?;
        self.taken += read;
        Ok(read)
    }

    fn read_exact(&mut self, to: &mut [u8]) -> io::Result<()> {
        let left = self.piece.get(self.taken..).unwrap_or_default();
        if let Some(bytes) = left.get(..to.len()) {
            to.copy_from_slice(bytes);
            self.taken += to.len();
            return Ok(());
        }
        let mut to = to;
        while !to.is_empty() {
            match self.read(to)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => to = to.split_at_mut(read).1,
            }
        }
        Ok(())
    }
}
