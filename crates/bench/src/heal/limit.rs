//! What the disk takes at most: chunks written, synced and renamed as a datanode does it, by several threads, without a network
//! and without checksums.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, anyhow};

use crate::payload;

/// Threads: the streams of a small cluster's repair.
const WRITERS: usize = 8;

/// Bytes that are written at once.
const SLICE: usize = 1 << 20;

/// Writes `bytes` in pieces of `piece` below `base`. Answers the bytes a second.
pub(super) fn write(base: &Path, bytes: u64, piece: u64) -> anyhow::Result<f64> {
    let dir = base.join("limit");
    fs::create_dir_all(&dir)?;
    let payload = payload::incompressible(usize::try_from(piece)?);
    let pieces = usize::try_from(bytes.div_ceil(piece.max(1)))?;
    rustix::fs::sync();
    let begun = Instant::now();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (dir, payload) = (&dir, &payload);
                scope.spawn(move || {
                    (writer..pieces)
                        .step_by(WRITERS)
                        .try_for_each(|number| one(dir, number, payload))
                })
            })
            .collect();
        writers
            .into_iter()
            .try_for_each(|writer| writer.join().map_err(|_| anyhow!("a writer panicked"))?)
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    fs::remove_dir_all(&dir)?;
    let written = pieces * payload.len();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
    Ok(written as f64 / seconds.max(f64::EPSILON))
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
