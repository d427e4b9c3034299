//! The state machine without its types, so that Raft is built once and not for every machine.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::machine::{Image, LogCommand, RestoreError, StateMachine};
use crate::raft::Command;

/// A share of what may be under way, given back when it is dropped.
pub(crate) struct Room {
    _commands: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Room {
    pub(crate) const fn new(commands: OwnedSemaphorePermit, bytes: OwnedSemaphorePermit) -> Self {
        Self {
            _commands: commands,
            _bytes: bytes,
        }
    }
}

/// Most encoded commands are shorter.
const COMMAND_BYTES_USUAL: usize = 192;

/// A command that is encoded, to be proposed. It is small, whatever the command is: who waits for the outcome carries no more.
pub struct Prepared<M: StateMachine> {
    pub(crate) op: u8,
    pub(crate) payload: Bytes,
    pub(crate) proposal: Arc<Proposal<M>>,
}

impl<M: StateMachine> Prepared<M> {
    /// Encodes `command`.
    #[must_use]
    pub fn new(command: M::Command) -> Self {
        let mut payload = Vec::with_capacity(COMMAND_BYTES_USUAL);
        command.encode(&mut payload);
        Self {
            op: command.op_code(),
            payload: payload.into(),
            proposal: Arc::new(Proposal {
                under_way: Mutex::new((Some(command), None)),
                outcome: Mutex::new(None),
            }),
        }
    }
}

/// A command on its way, on the member that it was proposed at, and later its outcome.
pub(crate) struct Proposal<M: StateMachine> {
    under_way: Mutex<(Option<M::Command>, Option<Room>)>,
    outcome: Mutex<Option<M::Outcome>>,
}

impl<M: StateMachine> Proposal<M> {
    /// It is under way from now on.
    pub(crate) fn admit(&self, room: Room) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(room);
    }

    /// The command, once; its room is given back.
    fn take_command(&self) -> Option<M::Command> {
        std::mem::take(&mut *self.under_way.lock().unwrap_or_else(PoisonError::into_inner)).0
    }

    /// What came out, once: after the command was applied.
    pub(crate) fn take_outcome(&self) -> Option<M::Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A record that is no command of this machine.
#[derive(Debug)]
pub(crate) struct Undecodable {
    pub(crate) index: u64,
    pub(crate) op: u8,
    pub(crate) source: Box<dyn std::error::Error + Send + Sync>,
}

/// A [`StateMachine`] whose types are forgotten.
pub(crate) trait Erased: Send + Sync + 'static {
    /// Applies commands at consecutive indexes, and leaves the outcomes in the proposals of this member.
    fn apply(&self, first_index: u64, commands: Vec<Command>) -> Result<(), Undecodable>;

    fn image(&self) -> Box<dyn Image>;

    fn restore(&self, input: &mut dyn io::Read) -> Result<(), RestoreError>;
}

/// Forgets the types of `machine`.
pub(crate) fn erase<M: StateMachine>(machine: Arc<M>) -> Arc<dyn Erased> {
    Arc::new(Typed(machine))
}

struct Typed<M>(Arc<M>);

impl<M: StateMachine> Erased for Typed<M> {
    fn apply(&self, first_index: u64, commands: Vec<Command>) -> Result<(), Undecodable> {
        let mut decoded = Vec::with_capacity(commands.len());
        let mut proposals = Vec::with_capacity(commands.len());
        for (index, command) in (first_index..).zip(commands) {
            let proposal = command
                .proposal
                .and_then(|proposal| proposal.downcast::<Proposal<M>>().ok());
            let remembered = proposal.as_ref().and_then(|proposal| proposal.take_command());
            decoded.push(match remembered {
                Some(remembered) => remembered,
                None => M::Command::decode(command.op, &command.payload).map_err(|source| Undecodable {
                    index,
                    op: command.op,
                    source: Box::new(source),
                })?,
            });
            proposals.push(proposal);
        }
        let awaited = proposals.iter().any(Option::is_some);
        let outcomes = self.0.apply_batch(first_index, decoded, awaited);
        for (proposal, outcome) in proposals.into_iter().zip(outcomes) {
            if let Some(proposal) = proposal {
                *proposal.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            }
        }
        Ok(())
    }

    fn image(&self) -> Box<dyn Image> {
        Box::new(self.0.image())
    }

    fn restore(&self, input: &mut dyn io::Read) -> Result<(), RestoreError> {
        self.0.restore(input)
    }
}
