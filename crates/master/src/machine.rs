//! The namespace as what the group agrees for.

use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use consensus::{LogCommand, StateMachine};
use namespace::{DecodeError, Entry, Namespace, NamespaceError, Outcome};
use types::ChunkId;

/// One record of the log.
pub(crate) struct Logged(pub(crate) Entry);

impl LogCommand for Logged {
    type DecodeError = DecodeError;

    fn op_code(&self) -> u8 {
        self.0.command.op_code()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn decode(op: u8, payload: &[u8]) -> Result<Self, DecodeError> {
        Entry::decode(op, payload).map(Self)
    }
}

/// The state machine behind a lock that is held only for as long as memory is read or changed.
#[derive(Default)]
pub(crate) struct Machine {
    namespace: RwLock<Namespace>,
    freed: Mutex<Vec<ChunkId>>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The namespace as of the last applied command. A panic inside `apply` ends the group, so nothing half applied is
    /// ever read for long.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Namespace> {
        self.namespace.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The chunks that no file holds any more, since the last call.
    pub(crate) fn take_freed(&self) -> Vec<ChunkId> {
        std::mem::take(&mut *self.freed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl StateMachine for Machine {
    type Command = Logged;
    type Outcome = Result<Outcome, NamespaceError>;

    fn apply(&self, index: u64, command: Logged) -> Self::Outcome {
        self.apply_batch(index, vec![command])
            .pop()
            .unwrap_or(Err(NamespaceError::Format(false)))
    }

    fn apply_batch(&self, _first_index: u64, commands: Vec<Logged>) -> Vec<Self::Outcome> {
        let mut namespace = self.namespace.write().unwrap_or_else(PoisonError::into_inner);
        let outcomes = commands
            .iter()
            .map(|command| namespace.apply(&command.0))
            .collect();
        let freed = namespace.take_freed();
        drop(namespace);
        if !freed.is_empty() {
            self.freed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(freed);
        }
        outcomes
    }
}
