//! The state of a stopped master: its newest checkpoint, and all that its log has behind it.

use std::path::Path;

use env::Env;
use namespace::{Entry, Namespace};
use types::Term;
use wal::{Meta, OpenError, Record};

use super::{Source, load};
use crate::failure::{Exit, Failure, Result};

/// The op codes that are consensus's own; all others are commands to the namespace.
pub(crate) const OP_BLANK: u8 = 0;
/// See [`OP_BLANK`].
pub(crate) const OP_MEMBERSHIP: u8 = 255;

/// A state, and how far the log is in it.
#[derive(Debug)]
pub(crate) struct Current {
    /// What is in it.
    pub(crate) namespace: Namespace,
    /// The index of the last record that is in it.
    pub(crate) index: u64,
    /// The term of that record.
    pub(crate) term: Term,
    /// The highest term that is known of.
    pub(crate) seen: Term,
}

/// The state of what is named: of a checkpoint or backup alone, or of a master's directory with its log. The directory is
/// locked by the caller.
///
/// The log's last records may be ones that a group never agreed on; in the directory of a master that was the leader, or alone,
/// they are not.
///
/// # Errors
/// When the checkpoint or the log is damaged, or there is nothing.
pub(crate) fn current(env: &Env, source: &Source) -> Result<Current> {
    let loaded = load(env, source)?;
    let mut current = match loaded {
        Some(state) => Current {
            namespace: state.namespace,
            index: state.header.index,
            term: state.header.term,
            seen: state.header.term,
        },
        None => Current {
            namespace: Namespace::new(),
            index: 0,
            term: Term(0),
            seen: Term(0),
        },
    };
    if let Source::Directory(directory) = source {
        follow(env, directory, &mut current)?;
        let meta = Meta::load(&*env.disk, directory).map_err(|error| told(directory, &error))?;
        current.seen = current.term.max(meta.unwrap_or_default().term);
    }
    Ok(current)
}

/// Applies the log.
fn follow(env: &Env, directory: &Path, current: &mut Current) -> Result<()> {
    let mut failed = None;
    let inspected = wal::inspect(&*env.disk, directory, |record| {
        if failed.is_none() && record.index > current.index {
            failed = take(current, &record).err();
        }
    });
    if let Some((index, why)) = failed {
        let why = format!("record {index} of the log can not be applied: {why}");
        return Err(Failure::new(Exit::Failed, directory.display(), why)
            .next("`distrifs admin log verify DIR` says what is wrong with the log"));
    }
    match inspected.map_err(|error| told(directory, &error))? {
        None if current.index == 0 => Err(Failure::new(
            Exit::NotFound,
            directory.display(),
            "there is neither a checkpoint nor a log",
        )
        .next("name the directory of a master: what it was started with as --dir")),
        Some(_) | None => Ok(()),
    }
}

fn take(current: &mut Current, record: &Record<'_>) -> Result<(), (u64, String)> {
    if record.index != current.index + 1 {
        return Err((current.index + 1, "it is missing".to_owned()));
    }
    (current.index, current.term) = (record.index, record.term);
    if record.op == OP_BLANK || record.op == OP_MEMBERSHIP {
        return Ok(());
    }
    let entry =
        Entry::decode(record.op, record.payload).map_err(|error| (record.index, error.to_string()))?;
    // A refusal is an answer like any other: whoever gave the command has got it.
    let _ = current.namespace.apply(&entry);
    Ok(())
}

/// What is told of a log that can not be read, or is damaged.
pub(crate) fn told(directory: &Path, error: &OpenError) -> Failure {
    match error {
        OpenError::Failed(failure) => Failure::local(failure.path().display(), failure.io_error()),
        OpenError::Corrupt(corruption) => Failure::new(Exit::Failed, directory.display(), corruption),
    }
}
