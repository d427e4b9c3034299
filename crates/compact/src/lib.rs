//! Compact tables over copy-on-write pages: slabs, arenas and a front-coded B+tree.
//!
//! What a master knows of a hundred million files lives in these tables. They have in common:
//!
//! - **pages**: what is stored lies as bytes in pages of about 1 KiB, without an allocation for each entry;
//! - **copies are free**: `clone` of a table is O(1). A table and its clones share pages, and a write copies the one page that
//!   it changes and the short path to it. A clone never changes with its original;
//! - **memory comes back**: a page that holds nothing any more is given back;
//! - **bytes**: [`Slab::save`] and its like write a table in sequence, [`Slab::load`] reads it in bulk. The bytes are a
//!   function of what the table answers and of what it will give out next, not of the order in which it was filled. Bytes that
//!   are not those of a table are an error, never a panic, and take no more memory than a few times their own length;
//! - **no surprise**: no I/O, clock or randomness; the same calls in the same order give the same answers everywhere,
//!   also when a table was saved and loaded in between.
//!
//! | table | maps | for |
//! |---|---|---|
//! | [`Slab`] | a slot that it gives out → a record of fixed size | inodes, chunks |
//! | [`PagedArray`] | a slot that others gave out → a record of fixed size | what is known beside a slab |
//! | [`Arena`] | a handle that it gives out → a list of numbers | chunk lists |
//! | [`NameTree`] | (parent slot, name) → a slot | directories |

mod arena;
#[cfg(any(test, feature = "checks"))]
pub mod checks;
mod error;
mod memory;
mod names;
mod page;
mod paged;
mod record;
mod slab;
mod stream;
mod trie;

pub use arena::{Arena, Handle};
pub use error::{Full, LoadError, NameTooLong};
pub use memory::Memory;
pub use names::{NAME_BYTES_MAX, NameTree, Names};
pub use paged::PagedArray;
pub use record::{Fields, FieldsMut, Record};
pub use slab::{BIRTH_MAX, Slab, SlotId};
