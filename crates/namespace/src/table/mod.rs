//! The tables of the state: plain data with the few operations that keep each of them in order.
//!
//! Nothing here knows of callers, permissions or commands. Everything iterates in the order of its keys, so that no
//! answer depends on anything but the log. The representation is behind these modules: handlers and queries see inodes,
//! names and chunks, not records and slots.
//!
//! Every table is persistent: a clone of it takes no time and never changes, and what is changed after it copies the
//! pages that it touches.

mod attributes;
mod chunk;
mod graveyard;
mod imported;
mod inode;
mod lease;
mod member;
mod odd;
mod record;
mod retry;
mod tree;

pub(crate) use attributes::{AttributeSets, Attributes};
pub(crate) use chunk::{Chunk, ChunkState, Chunks, GENERATION_MAX};
pub(crate) use graveyard::{Grave, Graveyard};
pub(crate) use imported::ImportedChunks;
pub(crate) use inode::{Body, File, Inode, MODE_MASK, STICKY, Unpublished, Writer};
pub(crate) use lease::Leases;
pub(crate) use member::{Members, SavedMembers};
pub(crate) use odd::{Odd, SavedOdd};
pub(crate) use retry::{CallKey, RetryCache};
pub(crate) use tree::{Doomed, Tree};

use compact::SlotId;
use types::InodeId;

/// The slot of an inode.
fn slot_of(id: InodeId) -> u32 {
    SlotId::from_u64(id.0).slot
}
