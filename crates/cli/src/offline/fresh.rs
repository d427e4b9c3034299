//! A new directory for a master, made from a state: the end of `restore` and of `import`.
//!
//! What it holds is a group of one that goes on behind the state: a checkpoint, a new identity, and no log. Other masters
//! are added to it at run time.
//!
//! Two things must hold for datanodes that lived on in the meantime:
//! - **The term is higher than any that they have seen**, or they would refuse every order as one of a leader of the past.
//!   The state alone does not know how many terms came after it. So the term jumps: by [`TERM_STEP`], and to the seconds since
//!   1970 at least, which keeps it rising when the same copy is restored a second time. (Elections are rarer than one a
//!   second, so that no cluster's term overtakes the clock.)
//! - **No chunk that was made after the copy is taken for a new one of the same id**: see
//!   [`Namespace::begin_era`](namespace::Namespace::begin_era).

use std::path::{Path, PathBuf};
use std::time::Duration;

use checkpoint::{Header, Pace};
use env::Env;
use types::{ClusterId, MasterId, Term};
use wal::Meta;

use super::{Current, lock};
use crate::failure::{Exit, Failure, Result};

/// How much higher than the state's the new term is at least.
const TERM_STEP: u64 = 1_000_000;

/// What a lock leaves in a directory that is empty otherwise.
const LOCK_FILE: &str = "in_use.lock";

/// A directory that was made.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) directory: PathBuf,
    pub(crate) cluster: ClusterId,
    pub(crate) member: MasterId,
    pub(crate) index: u64,
    /// The master will lead in a higher one.
    pub(crate) term: Term,
    pub(crate) files: u64,
    pub(crate) directories: u64,
    pub(crate) bytes: u64,
}

/// Makes the directory of a master with this state. `term` is one that the new term must be above, if any is known.
///
/// # Errors
/// When the directory is not empty, the state is of no cluster, or the disk fails.
pub(crate) fn make(env: &Env, directory: &Path, mut state: Current, term: Option<u64>) -> Result<Fresh> {
    let Some(cluster) = state.namespace.cluster() else {
        return Err(Failure::new(
            Exit::Failed,
            "nothing to restore",
            "the state belongs to no cluster",
        ));
    };
    let local = |error| Failure::local(directory.display(), &error);
    env.disk.create_dir_all(directory).map_err(local)?;
    let there = env.disk.read_dir(directory).map_err(local)?;
    if there.iter().any(|entry| entry.path != directory.join(LOCK_FILE)) {
        return Err(Failure::new(Exit::InTheWay, directory.display(), "is not empty")
            .next("name a directory that is not there yet, or an empty one: nothing is ever overwritten"));
    }
    let held = lock(env, directory)?;
    let now = env.clock.wall();
    let term = term_above(
        state.seen.max(Term(term.unwrap_or(0))),
        Duration::from_millis(now.as_u64()),
    );
    if !state.namespace.begin_era() {
        let why = "it was restored too often: there are no higher generations for its chunks";
        return Err(Failure::new(Exit::Failed, directory.display(), why));
    }
    let header = Header {
        term: state.term,
        index: state.index.max(1),
        written: now,
        membership: Vec::new(),
    };
    let member = MasterId(env.random.u64().max(1));
    // A group of one elects itself: what is written behind the state belongs to this term.
    let meta = Meta {
        term,
        member,
        voted_for: Some(member),
        elected: true,
    };
    // In this order: a checkpoint without the other is refused by a master, the other alone would be a new, empty one.
    let written = checkpoint::write(&env.disk, directory, &header, Pace::FULL, |out| {
        state.namespace.save(out)
    })
    .map_err(|error| Failure::new(Exit::Failed, directory.display(), error))?;
    meta.store(&*env.disk, directory)
        .map_err(|failure| Failure::local(failure.path().display(), failure.io_error()))?;
    drop(held);
    let totals = state.namespace.totals();
    Ok(Fresh {
        directory: directory.to_owned(),
        cluster,
        member,
        index: header.index,
        term,
        files: totals.files,
        directories: totals.directories,
        bytes: written.bytes,
    })
}

/// See the module's text.
fn term_above(term: Term, since_1970: Duration) -> Term {
    Term(term.as_u64().saturating_add(TERM_STEP).max(since_1970.as_secs()))
}

impl Fresh {
    /// What to do next, for people.
    pub(crate) fn next_steps(&self) -> String {
        format!(
            "{} holds cluster {} now: {} files, {} directories. Start a master on it, alone:\n  \
             distrifs master --dir {}\n\
             Datanodes find it at its address; add other masters, with empty directories, when it runs:\n  \
             distrifs admin master add HOST:PORT",
            self.directory.display(),
            self.cluster,
            self.files,
            self.directories,
            self.directory.display(),
        )
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "directory": self.directory.to_string_lossy(),
            "cluster": self.cluster.to_string(),
            "member": self.member.to_string(),
            "index": self.index,
            "term": self.term.as_u64(),
            "files": self.files,
            "directories": self.directories,
            "bytes": self.bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_term_rises_with_every_restore() {
        let at = |seconds| Duration::from_secs(seconds);
        assert_eq!(term_above(Term(7), at(0)), Term(1_000_007), "without a clock");
        assert_eq!(term_above(Term(7), at(1_800_000_000)), Term(1_800_000_000));
        let first = term_above(Term(7), at(1_800_000_000));
        let second = term_above(Term(7), at(1_800_000_900));
        assert!(second > first, "of the same copy, later");
        assert!(
            term_above(first, at(1_800_000_000)) > first,
            "of a copy of what was restored"
        );
        assert_eq!(term_above(Term(u64::MAX), at(0)), Term(u64::MAX));
    }
}
