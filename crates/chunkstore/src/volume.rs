//! One directory of a store: its space, and whether it can be used.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use env::disk::{Disk, Open, read_exact_at};
use types::{StorageId, UnixMillis};

use crate::names::{BUCKETS, CHUNKS, CORRUPT, QUARANTINE, TMP};
use crate::pack::Packs;

/// A volume of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeDir {
    /// The identity of the storage.
    pub storage: StorageId,
    /// Where it is.
    pub dir: PathBuf,
}

/// How much of a volume's space is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reserve {
    /// 1 GiB, or a twentieth of the disk where that is less.
    #[default]
    Auto,
    /// This many bytes.
    Bytes(u64),
}

impl Reserve {
    const fn of(self, total: u64) -> u64 {
        const AUTO_MAX: u64 = 1 << 30;
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Auto if total / 20 < AUTO_MAX => total / 20,
            Self::Auto => AUTO_MAX,
        }
    }
}

/// What there is to say about a volume.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeStatus {
    /// Which one.
    pub storage: StorageId,
    /// Where it is.
    pub dir: PathBuf,
    /// Bytes of its disk.
    pub capacity: u64,
    /// Bytes of its replicas, sidecars included.
    pub used: u64,
    /// Bytes that replicas may still take: free space beyond the reserve, and what rests in quarantine in files.
    pub available: u64,
    /// The number of its replicas.
    pub chunks: u64,
    /// Why it is not used; none when it is.
    pub failed: Option<String>,
    /// Bytes of deleted replicas that rest.
    pub quarantined: u64,
    /// The recent mean time of a sync; zero when there was none.
    pub sync_time: Duration,
    /// The recent mean time of a read of up to 1 MiB; zero when there was none.
    pub read_time: Duration,
    /// When the round of scrubbing that runs, or ran last, was begun.
    pub scrub_begun: Option<UnixMillis>,
    /// How much of it is done, from 0 to 1.
    pub scrub_done: f64,
}

/// Whether a volume is used.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Working,
    /// It is not, and why.
    Failed(String),
    /// It was taken out, or its directory is used under another position.
    Detached,
}

/// A recent mean, of values that come one by one.
#[derive(Debug, Default)]
pub(crate) struct Mean(AtomicU64);

impl Mean {
    /// What a new value counts, as a power of two.
    const WEIGHT: u32 = 4;

    pub(crate) fn note(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX >> 1).max(1);
        let old = self.0.load(Ordering::Relaxed);
        let new = match old {
            0 => nanos,
            old => old - (old >> Self::WEIGHT) + (nanos >> Self::WEIGHT),
        };
        // Of two at once one may be lost: it is a mean.
        self.0.store(new.max(1), Ordering::Relaxed);
    }

    fn value(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) struct Volume {
    pub(crate) storage: StorageId,
    pub(crate) dir: PathBuf,
    pub(crate) packs: Packs,
    pub(crate) syncs: Mean,
    pub(crate) reads: Mean,
    reserve: Reserve,
    /// Bytes that replicas which are being written may still take.
    promised: AtomicU64,
    /// Reads that failed since the last one that did not.
    failed_reads: AtomicU64,
    /// Subdirectories that are known to exist.
    made: Vec<AtomicBool>,
    state: Mutex<State>,
    /// How many looks at it were begun.
    looks: AtomicU64,
    /// Held while it is looked at: there is one file for that.
    last_look: Mutex<Look>,
    scrub: Mutex<Option<(UnixMillis, f64)>>,
}

/// What came of looking whether a volume can be used.
struct Look {
    /// Which look.
    number: u64,
    outcome: Result<(), Arc<io::Error>>,
}

impl Volume {
    pub(crate) fn new(disk: &Arc<dyn Disk>, place: VolumeDir, reserve: Reserve) -> Self {
        Self {
            packs: Packs::new(Arc::clone(disk), &place.dir, place.storage),
            storage: place.storage,
            dir: place.dir,
            syncs: Mean::default(),
            reads: Mean::default(),
            reserve,
            promised: AtomicU64::new(0),
            failed_reads: AtomicU64::new(0),
            made: (0..BUCKETS).map(|_| AtomicBool::new(false)).collect(),
            state: Mutex::new(State::Working),
            looks: AtomicU64::new(0),
            last_look: Mutex::new(Look {
                number: 0,
                outcome: Ok(()),
            }),
            scrub: Mutex::new(None),
        }
    }

    /// Makes the directories that are missing.
    pub(crate) fn prepare(&self, disk: &dyn Disk) -> io::Result<()> {
        for name in [CHUNKS, TMP, QUARANTINE, CORRUPT] {
            disk.create_dir_all(&self.dir.join(name))?;
        }
        disk.create_dir_all(&self.packs.directory)
    }

    /// Makes the subdirectory of a bucket, durably, unless it is there.
    pub(crate) fn prepare_bucket(&self, disk: &dyn Disk, bucket: usize, directory: &Path) -> io::Result<()> {
        let Some(made) = self.made.get(bucket) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if !made.load(Ordering::Acquire) {
            disk.create_dir_all(directory)?;
            made.store(true, Ordering::Release);
        }
        Ok(())
    }

    pub(crate) fn promise(&self, bytes: u64) {
        self.promised.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn release(&self, bytes: u64) {
        self.promised.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Notes whether a read failed. Says how many failed in a row.
    pub(crate) fn note_read(&self, failed: bool) -> u64 {
        if failed {
            return self.failed_reads.fetch_add(1, Ordering::Relaxed) + 1;
        }
        if self.failed_reads.load(Ordering::Relaxed) > 0 {
            self.failed_reads.store(0, Ordering::Relaxed);
        }
        0
    }

    pub(crate) fn is_working(&self) -> bool {
        *self.state() == State::Working
    }

    pub(crate) fn is_detached(&self) -> bool {
        *self.state() == State::Detached
    }

    /// Why it is not used.
    pub(crate) fn failure(&self) -> Option<String> {
        match &*self.state() {
            State::Working => None,
            State::Failed(why) => Some(why.clone()),
            State::Detached => Some("it was taken out".to_owned()),
        }
    }

    /// It is not used any more. False when it was not before.
    pub(crate) fn fail(&self, why: String) -> bool {
        let mut state = self.state();
        let first = *state == State::Working;
        if first {
            *state = State::Failed(why);
        }
        first
    }

    /// It is not used any more, and not spoken of.
    pub(crate) fn detach(&self) {
        *self.state() = State::Detached;
    }

    pub(crate) fn note_scrub(&self, begun: UnixMillis, done: f64) {
        *self.scrub.lock().unwrap_or_else(PoisonError::into_inner) = Some((begun, done));
    }

    /// Bytes of the disk, and bytes beyond its reserve that are free.
    pub(crate) fn space(&self, disk: &dyn Disk) -> io::Result<(u64, u64)> {
        let space = disk.space(&self.dir)?;
        let reserve = self.reserve.of(space.total);
        Ok((space.total, space.available.saturating_sub(reserve)))
    }

    /// What is free when the replicas that are being written have taken what they may. None when the volume is not used.
    pub(crate) fn room(&self, disk: &dyn Disk) -> Option<u64> {
        if !self.is_working() {
            return None;
        }
        let (_, free) = self.space(disk).ok()?;
        Some(free.saturating_sub(self.promised.load(Ordering::Relaxed)))
    }

    /// `tally`: chunks and bytes; `resting`: bytes in quarantine, and those of them that are in files.
    pub(crate) fn status(&self, disk: &dyn Disk, tally: (u64, u64), resting: (u64, u64)) -> VolumeStatus {
        let (space, unknown) = match self.space(disk) {
            Ok(space) => (space, None),
            Err(error) => ((0, 0), Some(format!("its space is not known: {error}"))),
        };
        let scrub = *self.scrub.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = self.failure().or(unknown);
        VolumeStatus {
            storage: self.storage,
            dir: self.dir.clone(),
            capacity: space.0,
            used: tally.1,
            available: if failed.is_none() { space.1 + resting.1 } else { 0 },
            chunks: tally.0,
            failed,
            quarantined: resting.0,
            sync_time: self.syncs.value(),
            read_time: self.reads.value(),
            scrub_begun: scrub.map(|(begun, _)| begun),
            scrub_done: scrub.map_or(0.0, |(_, done)| done),
        }
    }

    /// Finds out whether the volume can be used. Many may ask at once: one looks at a time, and what it finds is told to all
    /// who had asked before it began.
    ///
    /// Asked after something failed: one bad replica is not a bad disk.
    ///
    /// # Errors
    /// When it can not. That the process or the system lacks means says nothing of the disk.
    pub(crate) fn look(&self, disk: &dyn Disk) -> Result<(), Arc<io::Error>> {
        let begun = self.looks.load(Ordering::SeqCst);
        let mut last = self.last_look.lock().unwrap_or_else(PoisonError::into_inner);
        if last.number > begun {
            return last.outcome.clone();
        }
        last.number = self.looks.fetch_add(1, Ordering::SeqCst) + 1;
        last.outcome = match self.probe(disk) {
            Err(error) if is_lack_of_means(&error) => {
                tracing::warn!(dir = %self.dir.display(), %error, "can not look whether a volume works");
                Ok(())
            }
            found => found.map_err(Arc::new),
        };
        last.outcome.clone()
    }

    /// Finds out, by writing, syncing and reading a small file, whether the volume can be used. Not twice at once.
    ///
    /// # Errors
    /// When it can not. A full disk is not a bad one: it is refused by its free space.
    pub(crate) fn probe(&self, disk: &dyn Disk) -> io::Result<()> {
        const TEXT: &[u8] = b"can this be written?";
        let path = self.dir.join(TMP).join("probe");
        let probe = || {
            // Of a directory that has vanished nothing is made again: behind it may be another disk by now.
            let file = disk.open(&path, Open::CreateTruncate)?;
            file.write_all_at(TEXT, 0)?;
            file.sync_data()?;
            let mut read = [0; TEXT.len()];
            read_exact_at(&*file, &mut read, 0)?;
            if read != TEXT {
                return Err(io::Error::other("it does not give back what was written"));
            }
            disk.remove_file(&path)
        };
        match probe() {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                let _ = disk.remove_file(&path);
                disk.read_dir(&self.dir.join(TMP)).map(drop)
            }
            other => other,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the process or the system has no more descriptors, or no memory.
fn is_lack_of_means(error: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    error
        .raw_os_error()
        .is_some_and(|code| [ENOMEM, ENFILE, EMFILE].contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_shrinks_with_the_disk() {
        assert_eq!(Reserve::Auto.of(1 << 40), 1 << 30);
        assert_eq!(Reserve::Auto.of(2_000), 100);
        assert_eq!(Reserve::Bytes(0).of(1 << 40), 0);
    }

    #[test]
    fn a_mean_follows_what_it_is_told() {
        let mean = Mean::default();
        assert_eq!(mean.value(), Duration::ZERO);
        mean.note(Duration::from_millis(10));
        assert_eq!(mean.value(), Duration::from_millis(10));
        for _ in 0..200 {
            mean.note(Duration::from_millis(50));
        }
        let value = mean.value();
        assert!(
            value > Duration::from_millis(49) && value <= Duration::from_millis(50),
            "{value:?}"
        );
    }
}
