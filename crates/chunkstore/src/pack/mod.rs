//! Packs: small replicas, many to a file, so that one sync makes all durable that were finalized meanwhile.
//!
//! A small replica as two files of its own would cost three syncs, two renames and two inodes. In a pack it costs a share of
//! one sync. Packs are only ever appended to; a replica that is deleted is marked as gone in place, a pack without live
//! replicas is removed, and one that is mostly gone is emptied into the active one ([`compact`]).
//!
//! # Guarantees
//! - [`Packs::append`] returns when the replica is on disk: bytes, sums, header, and the pack's name.
//! - A write or a sync that failed ends its pack: nothing is tried again on it, and the next replica begins a new one.
//! - A start never appends to a pack of the life before: what a crash tore at its end stays behind its last whole entry.
//! - An entry is taken for a replica only where it was written: its header holds a seal of storage, pack and offset. So
//!   neither a misdirected write nor a file's content that looks like an entry is ever taken for one.

pub(crate) mod active;
pub(crate) mod compact;
pub(crate) mod layout;
pub(crate) mod scan;
pub(crate) mod usage;

pub(crate) use active::{Entry, Packs};
pub(crate) use layout::Spot;
