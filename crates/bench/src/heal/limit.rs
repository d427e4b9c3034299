//! What the disk takes at most: chunks written, synced and renamed as a datanode does it, by several threads, without a network
//! and without checksums.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, anyhow};

use crate::payload;

/// Threads: the streams of a small cluster's repair.
const WRITERS: usize = 8;

/// Bytes that are written at once.
const SLICE: usize = 1 << 20;

/// Writes of that kind, below a directory of their own.
pub(super) struct Limit {
    dir: PathBuf,
    payload: Vec<u8>,
    pieces: usize,
}

impl Limit {
    /// Of `bytes` in pieces of `piece`, below `base`.
    pub(super) fn new(base: &Path, bytes: u64, piece: u64) -> anyhow::Result<Self> {
        Ok(Self {
            dir: base.join("limit"),
            payload: payload::incompressible(usize::try_from(piece)?),
            pieces: usize::try_from(bytes.div_ceil(piece.max(1)))?,
        })
    }

    /// Does it once. Answers the bytes a second.
    pub(super) fn measure(&self) -> anyhow::Result<f64> {
        fs::create_dir_all(&self.dir)?;
        rustix::fs::sync();
        let begun = Instant::now();
        thread::scope(|scope| {
            let write = |writer| {
                (writer..self.pieces)
                    .step_by(WRITERS)
                    .try_for_each(|number| one(&self.dir, number, &self.payload))
            };
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| scope.spawn(move || write(writer)))
                .collect();
            writers
                .into_iter()
                .try_for_each(|writer| writer.join().map_err(|_| anyhow!("a writer panicked"))?)
        })?;
        let seconds = begun.elapsed().as_secs_f64();
        fs::remove_dir_all(&self.dir)?;
        let written = self.pieces * self.payload.len();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
        let rate = written as f64 / seconds.max(f64::EPSILON);
        println!("the disk takes {:.0} MB/s", rate / 1e6);
        Ok(rate)
    }
}

fn one(dir: &Path, number: usize, payload: &[u8]) -> anyhow::Result<()> {
    let (temporary, name) = (dir.join(format!("{number}.tmp")), dir.join(number.to_string()));
    let mut file = File::create(&temporary).context("cannot write at the limit")?;
    for slice in payload.chunks(SLICE) {
        file.write_all(slice)?;
    }
    file.sync_data()?;
    fs::rename(&temporary, &name)?;
    File::open(dir)?.sync_all()?;
    Ok(())
}
