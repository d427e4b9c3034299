//! The state that a checkpoint holds, in memory.

use std::io;
use std::path::PathBuf;

use checkpoint::{Checkpoint, Header, RestoreError};
use env::Env;
use namespace::{LoadError, Namespace};

use super::Source;
use crate::failure::{Exit, Failure, Result};
use crate::progress::Progress;

/// What was loaded.
#[derive(Debug)]
pub(crate) struct State {
    /// The file.
    pub(crate) path: PathBuf,
    /// What it says of itself.
    pub(crate) header: Header,
    /// What is in it.
    pub(crate) namespace: Namespace,
}

/// Loads the newest whole checkpoint of a directory, or the one file that is named; none where a directory has none.
///
/// # Errors
/// When it is damaged, or of a newer version.
pub(crate) fn load(env: &Env, source: &Source) -> Result<Option<State>> {
    let progress = Progress::start(false, true);
    let loaded = match source {
        Source::Directory(directory) => {
            let restore =
                |_: &Header, input: &mut dyn io::Read| Namespace::load(&mut Counted(input, &progress));
            checkpoint::restore_newest(&*env.disk, directory, restore)
        }
        Source::File(file) => one(env, file, &progress).map(Some),
    };
    progress.clear();
    let Some((checkpoint, namespace)) = loaded.map_err(|error| told(source, &error))? else {
        return Ok(None);
    };
    for damaged in checkpoint.passed_over() {
        crate::output::note(&format!("{damaged}; the checkpoint before it is read instead"));
    }
    Ok(Some(State {
        path: checkpoint.path().to_owned(),
        header: checkpoint.header().clone(),
        namespace,
    }))
}

fn one(
    env: &Env,
    file: &std::path::Path,
    progress: &Progress,
) -> Result<(Checkpoint, Namespace), RestoreError<LoadError>> {
    let checkpoint = Checkpoint::open_file(&*env.disk, file)?;
    progress.expect("reading", checkpoint.totals().bytes);
    let mut reader = checkpoint.open();
    let namespace = Namespace::load(&mut Counted(&mut reader, progress));
    // Damage to the file is the cause of whatever came of it.
    reader.finish().map_err(checkpoint::Error::Damaged)?;
    let path = file.to_owned();
    let namespace = namespace.map_err(|error| RestoreError::State { path, error })?;
    Ok((checkpoint, namespace))
}

fn told(source: &Source, error: &RestoreError<LoadError>) -> Failure {
    let (Source::Directory(path) | Source::File(path)) = source;
    match error {
        RestoreError::Checkpoint(checkpoint::Error::Failed(failure)) => {
            Failure::local(failure.path.display(), &failure.error)
        }
        RestoreError::Checkpoint(checkpoint::Error::Damaged(damaged)) => {
            let why = format_args!("damaged at byte {}: {}", damaged.offset, damaged.damage);
            Failure::new(Exit::Failed, path.display(), why)
        }
        _ => Failure::new(Exit::Failed, path.display(), error),
    }
}

/// Counts what is read.
struct Counted<'a>(&'a mut dyn io::Read, &'a Progress);

impl io::Read for Counted<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(bytes)?;
        self.1.moved(read);
        Ok(read)
    }
}
