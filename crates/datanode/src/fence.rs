//! The fence: the highest term that any master has shown, and `term.json` in each directory, which keeps it.
//!
//! # Guarantees
//! - Of two leaders only the later one is obeyed, from the moment that its term was seen, by whatever answer.
//! - Before a leader is obeyed, its term is on disk: a datanode that restarts does not obey an older one than it did before.
//!   Where it can not be written in any directory, nothing is obeyed.
//!
//! Terms change when masters are elected, so this costs a few small files now and then.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use env::disk::{Disk, read_file, replace_file};
use plant::Bug;
use serde::{Deserialize, Serialize};
use types::Term;

use crate::error::StartError;

/// The file's name.
const FILE: &str = "term.json";

const FORMAT: u32 = 1;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: u32,
    term: u64,
}

pub(crate) struct Fence {
    highest: AtomicU64,
    durable: AtomicU64,
    /// One at a time, so that a lower term is never written over a higher one.
    writing: tokio::sync::Mutex<()>,
}

impl Fence {
    /// A fence that stands where it stood before.
    pub(crate) fn new(kept: Term) -> Self {
        Self {
            highest: AtomicU64::new(kept.as_u64()),
            durable: AtomicU64::new(kept.as_u64()),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// The highest term that was seen.
    pub(crate) fn highest(&self) -> Term {
        Term(self.highest.load(Ordering::Acquire))
    }

    /// Whether no higher term than this has been seen.
    pub(crate) fn stands(&self, term: Term) -> bool {
        self.highest() <= term || plant::is_planted(Bug::ObeyFormer)
    }

    /// Whether a master of this term may be obeyed: no higher one was seen, and the fence stands, durably, where it is.
    pub(crate) async fn admits(&self, term: Term, disk: &Arc<dyn Disk>, dirs: Vec<PathBuf>) -> bool {
        let term = term.as_u64();
        if self.highest.fetch_max(term, Ordering::AcqRel) > term {
            return plant::is_planted(Bug::ObeyFormer);
        }
        if self.durable.load(Ordering::Acquire) >= term {
            return true;
        }
        let _one_at_a_time = self.writing.lock().await;
        let highest = self.highest.load(Ordering::Acquire);
        if self.durable.load(Ordering::Acquire) < highest {
            let disk = Arc::clone(disk);
            let written = env::blocking(move || write(&*disk, &dirs, highest)).await;
            if !written {
                return false;
            }
            self.durable.fetch_max(highest, Ordering::AcqRel);
        }
        highest == term
    }
}

/// The term that a directory keeps; 0 when it keeps none.
pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> Result<Term, StartError> {
    let path = dir.join(FILE);
    let broken = |why: String| StartError::Term {
        path: path.clone(),
        why,
    };
    let bytes = match read_file(disk, &path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Term(0)),
        Err(source) => {
            return Err(StartError::Directory {
                dir: dir.to_owned(),
                source,
            });
        }
    };
    let kept: Kept = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
    if kept.format == FORMAT {
        Ok(Term(kept.term))
    } else {
        Err(broken(format!(
            "its format is {}; this program knows format {FORMAT}",
            kept.format
        )))
    }
}

/// Writes it to every directory; true when one of them has it.
fn write(disk: &dyn Disk, dirs: &[PathBuf], term: u64) -> bool {
    let mut written = false;
    for dir in dirs {
        let result = serde_json::to_vec(&Kept { format: FORMAT, term })
            .map_err(io::Error::from)
            .and_then(|mut bytes| {
                bytes.push(b'\n');
                replace_file(disk, &dir.join(FILE), &bytes)
            });
        match result {
            Ok(()) => written = true,
            Err(error) => {
                tracing::warn!(dir = %dir.display(), %error, "can not note the term of the leader");
            }
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use env::disk::{FaultDisk, SimDisk};

    use super::*;

    fn dirs() -> Vec<PathBuf> {
        vec!["/a".into(), "/b".into()]
    }

    #[tokio::test]
    async fn what_was_obeyed_is_known_after_a_crash() {
        let sim = SimDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        for dir in dirs() {
            disk.create_dir_all(&dir).unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            assert_eq!(read(&*disk, &dir).unwrap(), Term(0));
        }
        let fence = Fence::new(Term(0));
        assert!(fence.admits(Term(5), &disk, dirs()).await);
        assert!(fence.admits(Term(7), &disk, dirs()).await);
        assert!(!fence.admits(Term(6), &disk, dirs()).await);
        assert!(fence.stands(Term(7)) && !fence.stands(Term(6)));
        sim.crash(1);
        for dir in dirs() {
            assert_eq!(read(&*disk, &dir).unwrap(), Term(7));
        }
        let fence = Fence::new(Term(7));
        assert!(!fence.admits(Term(6), &disk, dirs()).await);
        assert!(fence.admits(Term(7), &disk, dirs()).await);
    }

    #[tokio::test]
    async fn a_term_that_can_not_be_kept_is_not_obeyed_but_fences() {
        let sim = SimDisk::new();
        sim.create_dir_all(Path::new("/a")).unwrap();
        let disk: Arc<dyn Disk> = Arc::new(FaultDisk::new(Arc::new(sim)));
        let fence = Fence::new(Term(5));
        assert!(!fence.admits(Term(6), &disk, vec!["/missing/dir".into()]).await);
        assert!(!fence.admits(Term(5), &disk, vec!["/a".into()]).await);
        assert!(fence.admits(Term(6), &disk, vec!["/a".into()]).await);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let sim = SimDisk::new();
        sim.create_dir_all(Path::new("/a")).unwrap();
        for bytes in [&b"{"[..], b"{\"format\":2,\"term\":1}", b""] {
            replace_file(&sim, Path::new("/a/term.json"), bytes).unwrap();
            let error = read(&sim, Path::new("/a")).unwrap_err().to_string();
            assert!(error.contains("/a/term.json"), "{error}");
        }
    }
}
