//! Opening: the log is read, every command in it applied, and the term raised.

use std::path::Path;
use std::sync::Arc;

use env::Env;
use types::Term;
use wal::{LogId, Meta, Options, Record, Wal};

use crate::error::OpenError;
use crate::machine::{LogCommand, StateMachine};

/// Commands that are applied at once.
const REPLAY_COMMANDS: usize = 1024;

/// A log whose commands have been applied.
pub(crate) struct Opened {
    pub(crate) wal: Wal,
    pub(crate) term: Term,
}

/// Blocks.
pub(crate) fn open<M: StateMachine>(
    env: &Env,
    directory: &Path,
    machine: &M,
    segment_bytes: u64,
) -> Result<Opened, OpenError> {
    let disk = &env.disk;
    let mut options = Options::new(LogId(env.random.uuid_bytes()));
    options.segment_bytes = segment_bytes;
    let mut replay = Replay::new(machine);
    let (wal, recovery) = Wal::open(Arc::clone(disk), directory, options, 1, |record| {
        replay.take(record)
    })?;
    replay.finish().map_err(|(index, op, source)| OpenError::Decode {
        directory: directory.to_owned(),
        index,
        op,
        source: Box::new(source),
    })?;
    if let Some(torn) = &recovery.torn {
        tracing::info!(
            file = %torn.path.display(), offset = torn.offset, bytes = torn.bytes, found = %torn.found,
            "cut off a write that was under way at the end of the log when the process stopped",
        );
    }
    let before = match Meta::load(&**disk, directory)? {
        Some(meta) => meta.term,
        // Stored before the first command is taken.
        None if recovery.last_index == 0 => Term(0),
        None => return Err(Meta::missing(directory).into()),
    };
    // Durable before anything is done in it: no other opening has ever had, or will have, this term.
    let term = before.max(recovery.last_term).next();
    Meta { term, ..Meta::default() }.store(&**disk, directory)?;
    tracing::info!(%term, last = recovery.last_index, "opened the log");
    Ok(Opened { wal, term })
}

type DecodeFailure<M> = (u64, u8, <<M as StateMachine>::Command as LogCommand>::DecodeError);

/// Applies the records of the log, many at once, up to the first that is not a command.
struct Replay<'a, M: StateMachine> {
    machine: &'a M,
    commands: Vec<M::Command>,
    first_index: u64,
    failure: Option<DecodeFailure<M>>,
}

impl<'a, M: StateMachine> Replay<'a, M> {
    fn new(machine: &'a M) -> Self {
        Self {
            machine,
            commands: Vec::new(),
            first_index: 1,
            failure: None,
        }
    }

    fn take(&mut self, record: Record<'_>) {
        if self.failure.is_some() {
            return;
        }
        match M::Command::decode(record.op, record.payload) {
            Ok(command) => self.commands.push(command),
            Err(error) => self.failure = Some((record.index, record.op, error)),
        }
        if self.commands.len() >= REPLAY_COMMANDS {
            self.apply(record.index + 1);
        }
    }

    fn apply(&mut self, next_index: u64) {
        let commands = std::mem::take(&mut self.commands);
        if !commands.is_empty() {
            self.machine.apply_batch(self.first_index, commands);
        }
        self.first_index = next_index;
    }

    fn finish(mut self) -> Result<(), DecodeFailure<M>> {
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => {
                self.apply(0);
                Ok(())
            }
        }
    }
}
