//! The tables of the state: plain data with the few operations that keep each of them in order.
//!
//! Nothing here knows of callers, permissions or commands. Everything iterates in the order of its keys, so that no
//! answer depends on anything but the log. The representation is behind these modules: handlers and queries see inodes,
//! names and chunks, not maps.

mod chunk;
mod inode;
mod lease;
mod member;
mod names;
mod retry;
mod tree;

pub(crate) use chunk::{Chunk, ChunkState, Chunks};
pub(crate) use inode::{Attributes, Body, File, Inode, MODE_MASK, Place, STICKY, Unpublished, Writer};
pub(crate) use lease::Leases;
pub(crate) use member::Members;
pub(crate) use retry::{CallKey, RetryCache};
pub(crate) use tree::Tree;
