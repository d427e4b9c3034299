//! What the group agrees for: a state machine and its commands.

use std::error::Error;
use std::io;

/// A command that can be written to the log.
pub trait LogCommand: Send + Sized + 'static {
    /// Why bytes are not a command.
    type DecodeError: Error + Send + Sync + 'static;

    /// The number of the kind of command, for good: 1 to 254.
    fn op_code(&self) -> u8;

    /// Appends the payload to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// The command that was encoded.
    ///
    /// # Errors
    /// When the bytes are not a payload of this kind of command.
    fn decode(op: u8, payload: &[u8]) -> Result<Self, Self::DecodeError>;
}

/// What commands are applied to, in the order of the log, each once.
///
/// The same commands must give the same state and the same outcomes on every machine and at every replay: no clock, no
/// I/O, no randomness.
pub trait StateMachine: Send + Sync + 'static {
    /// What goes in.
    type Command: LogCommand;
    /// What comes out.
    type Outcome: Send + 'static;
    /// The state at one moment.
    type Image: Image;

    /// Applies the commands from `first_index` of the log on. Called by one thread at a time, and never while
    /// [`StateMachine::image`] or [`StateMachine::restore`] runs. Indexes grow, but not every one is a command's.
    ///
    /// `awaited` says whether somebody waits for an outcome at this member: not at a follower, nor at a replay.
    fn apply_batch(
        &self,
        first_index: u64,
        commands: Vec<Self::Command>,
        awaited: bool,
    ) -> Vec<Self::Outcome>;

    /// The state as of the last applied command. Must cost next to nothing: no command is applied meanwhile.
    fn image(&self) -> Self::Image;

    /// Replaces the whole state by one that was saved. Until it returns, and when it fails, the state may be anything: it
    /// is then restored again, from something else, or the process stops.
    ///
    /// # Errors
    /// When the bytes are not a state, or can not be read.
    fn restore(&self, input: &mut dyn io::Read) -> Result<(), RestoreError>;
}

/// A state that stands still.
pub trait Image: Send + 'static {
    /// Writes it all, so that [`StateMachine::restore`] can read it. Equal states give equal bytes. May take long; runs
    /// beside everything else.
    ///
    /// # Errors
    /// What `out` answers.
    fn save(&self, out: &mut dyn io::Write) -> io::Result<()>;
}

/// Why a state was not restored.
#[derive(Debug, thiserror::Error)]
#[error("the saved state can not be restored: {0}")]
pub struct RestoreError(#[from] pub Box<dyn Error + Send + Sync>);

impl From<io::Error> for RestoreError {
    fn from(error: io::Error) -> Self {
        Self(error.into())
    }
}
