//! What the group agrees for: a state machine and its commands.

use std::error::Error;

/// A command that can be written to the log.
pub trait LogCommand: Send + Sized + 'static {
    /// Why bytes are not a command.
    type DecodeError: Error + Send + Sync + 'static;

    /// The number of the kind of command, for good.
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

    /// Applies the command at `index` of the log. Called by one thread at a time.
    fn apply(&self, index: u64, command: Self::Command) -> Self::Outcome;

    /// Applies the commands from `first_index` on. To be overridden where a lock is to be taken once for all of them.
    fn apply_batch(&self, first_index: u64, commands: Vec<Self::Command>) -> Vec<Self::Outcome> {
        (first_index..)
            .zip(commands)
            .map(|(index, command)| self.apply(index, command))
            .collect()
    }
}
