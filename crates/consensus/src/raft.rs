//! What Raft speaks of here: the type configuration, and the names of its types.
//!
//! Log ids are `(term, index)`, as a term has one leader. The library counts entries from 0, the log on disk (and everything
//! that people see: status, checkpoints, tools) counts records from 1. [`record_index`] and [`entry_index`] are the only
//! places that know of it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use openraft::alias;
use types::Term;

use crate::runtime::Runtime;

/// Raft as this group uses it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeConfig;

impl openraft::RaftTypeConfig for TypeConfig {
    type D = Command;
    type R = ();
    type NodeId = u64;
    type Node = Address;
    type Term = u64;
    type LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>;
    type Vote = openraft::impls::Vote<Self::LeaderId>;
    type Payload = openraft::EntryPayload<Command, u64, Address>;
    type Entry = openraft::Entry<alias::CommittedLeaderIdOf<Self>, Self::Payload>;
    type AsyncRuntime = Runtime;
    type Responder<T: Send + 'static> = openraft::impls::OneshotResponder<Self, T>;
    type Batch<T: Send + 'static> = openraft::impls::InlineBatch<T>;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

/// A running member.
pub(crate) type Raft = openraft::Raft<TypeConfig, crate::store::Adapter>;
/// Term and index (counted from 0).
pub(crate) type LogId = alias::LogIdOf<TypeConfig>;
/// Whom a member has voted for, and whether a quorum did.
pub(crate) type Vote = alias::VoteOf<TypeConfig>;
/// One entry of the log.
pub(crate) type Entry = alias::EntryOf<TypeConfig>;
/// What is in an entry.
pub(crate) type Payload = openraft::EntryPayload<Command, u64, Address>;
/// Who belongs to the group.
pub(crate) type Membership = openraft::Membership<u64, Address>;
/// The same, with the entry that said so.
pub(crate) type StoredMembership = alias::StoredMembershipOf<TypeConfig>;
/// What a checkpoint is as of.
pub(crate) type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;
/// A checkpoint on its way.
pub(crate) type Snapshot = alias::SnapshotOf<TypeConfig, crate::store::SnapshotData>;

/// Where a master is reached, as `host:port`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) String);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An encoded command.
///
/// On the member that it was proposed at, it remembers the command itself until it is applied, so that nothing is decoded
/// there. Clones share that memory; it is never written, sent or compared.
#[derive(Clone)]
pub(crate) struct Command {
    /// What kind of command it is: 1 to 254.
    pub(crate) op: u8,
    /// The encoded rest.
    pub(crate) payload: Bytes,
    /// The proposal, of a type that only the machine's adapter knows.
    pub(crate) proposal: Option<Arc<dyn Any + Send + Sync>>,
}

impl Command {
    /// A command that came from the log, or from another member.
    #[must_use]
    pub(crate) const fn new(op: u8, payload: Bytes) -> Self {
        Self {
            op,
            payload,
            proposal: None,
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command {{ op: {}, {} bytes }}", self.op, self.payload.len())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op {} of {} bytes", self.op, self.payload.len())
    }
}

/// The index in the log on disk of the entry that the library calls `entry`.
pub(crate) const fn record_index(entry: u64) -> u64 {
    entry.saturating_add(1)
}

/// The index in the library of the record at `record` of the log on disk; none for 0, which is before the first.
pub(crate) const fn entry_index(record: u64) -> Option<u64> {
    record.checked_sub(1)
}

/// The log id of a record; none for record 0.
pub(crate) fn log_id(term: Term, record: u64) -> Option<LogId> {
    entry_index(record).map(|index| LogId::new_term_index(term.as_u64(), index))
}

/// Term and record index of a log id; `(0, 0)` for none.
pub(crate) fn record_id(log_id: Option<&LogId>) -> (Term, u64) {
    log_id.map_or((Term(0), 0), |id| {
        (Term(id.leader_id.term), record_index(id.index))
    })
}
