//! The metadata as a deterministic state machine: inodes, names, chunk lists, generations, leases, the members of the
//! cluster, and a bounded retry cache.
//!
//! `apply(entry)` is the only way to change it. It has no clock, no I/O and no randomness: the leader stamps time and
//! identities into the [`Entry`]. So every master that applies the same entries has the same state, and gives the same
//! answers. Replica *locations* are not in it: datanodes report them to every master.

mod checkpoint;
mod codec;
mod command;
mod error;
mod handler;
mod import;
mod member;
mod memory;
mod namespace;
mod outcome;
mod permission;
mod query;
mod resolve;
mod settings;
mod table;
#[cfg(test)]
mod testing;

pub use checkpoint::LoadError;
pub use codec::DecodeError;
pub use command::{
    Command, Content, CreateOptions, DeleteTicket, Entry, FIRST_GENERATION, Lease, MemberStorage, Publish,
    RECOVERY, Registration, SetAttributes, TRUNCATION, is_leaders,
};
pub use error::NamespaceError;
pub use import::{ImportError, Imported, Importer};
pub use member::{Member, MemberChanges};
pub use memory::Memory;
pub use namespace::Namespace;
pub use outcome::{Completed, FileKind, FileStatus, OpenedFile, Outcome, Recovering};
pub use query::{ChunkInfo, ChunkLives, ContentSummary, Located, Page, Totals, WriterFile};
pub use settings::{Setting, Settings};
