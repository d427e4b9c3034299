//! File contents that follow from a seed: any part can be made again, so nothing large is kept in memory.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;

use fastrand::Rng;
use sha2::{Digest as _, Sha256};

const BLOCK_BYTES: u64 = 64 << 10;

/// A SHA-256.
pub(crate) type Digest = [u8; 32];

/// So many bytes of a seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content {
    seed: u64,
    len: u64,
}

impl Content {
    pub(crate) const fn new(seed: u64, len: u64) -> Self {
        Self { seed, len }
    }

    pub(crate) const fn len(self) -> u64 {
        self.len
    }

    /// The bytes of `range`, as far as there are any.
    pub(crate) fn bytes(self, range: Range<u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_range(range, &mut bytes).unwrap();
        bytes
    }

    /// Writes the bytes of `range`, as far as there are any.
    pub(crate) fn write_range(self, range: Range<u64>, to: &mut impl Write) -> io::Result<()> {
        let end = range.end.min(self.len);
        let mut at = range.start;
        let mut block = vec![0; usize::try_from(BLOCK_BYTES).unwrap()];
        while at < end {
            let number = at / BLOCK_BYTES;
            Rng::with_seed(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).fill(&mut block);
            let start = at % BLOCK_BYTES;
            let stop = (end - number * BLOCK_BYTES).min(BLOCK_BYTES);
            to.write_all(&block[usize::try_from(start).unwrap()..usize::try_from(stop).unwrap()])?;
            at = number * BLOCK_BYTES + stop;
        }
        Ok(())
    }

    pub(crate) fn write_file(self, path: &Path) {
        let mut file = File::create(path).unwrap();
        self.write_range(0..self.len, &mut file).unwrap();
    }

    pub(crate) fn digest(self) -> Digest {
        let mut hasher = Hasher(Sha256::new());
        self.write_range(0..self.len, &mut hasher).unwrap();
        hasher.0.finalize().into()
    }
}

/// The digest of everything that `reader` gives.
pub(crate) fn digest_of(mut reader: impl Read) -> Digest {
    let mut hasher = Hasher(Sha256::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        let length = reader.read(&mut buffer).unwrap();
        if length == 0 {
            return hasher.0.finalize().into();
        }
        hasher.write_all(&buffer[..length]).unwrap();
    }
}

pub(crate) fn digest_of_file(path: &Path) -> Digest {
    digest_of(File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// A digest as something to write to.
struct Hasher(Sha256);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn parts_of_a_content_agree_with_the_whole() {
    let content = Content::new(7, 3 * BLOCK_BYTES + 100);
    let whole = content.bytes(0..u64::MAX);
    assert_eq!(whole.len() as u64, content.len());
    for range in [
        0..1,
        BLOCK_BYTES - 1..BLOCK_BYTES + 1,
        100..2 * BLOCK_BYTES,
        3 * BLOCK_BYTES..content.len() + 9,
    ] {
        let part = content.bytes(range.clone());
        let end = usize::try_from(range.end.min(content.len())).unwrap();
        assert_eq!(part, whole[usize::try_from(range.start).unwrap()..end]);
    }
    assert_eq!(content.digest(), digest_of(whole.as_slice()));
    assert_ne!(content.digest(), Content::new(8, content.len()).digest());
}
