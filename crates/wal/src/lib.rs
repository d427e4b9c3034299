//! The write-ahead log: numbered records, durable in their order before anything else happens.
//!
//! It guarantees:
//! - a record whose [`Wal::sync`] returned is found by every later [`Wal::open`], or the open fails and says what is
//!   damaged: a log is never shortened in silence;
//! - the records found are a prefix of the records appended, in their order; a write that was under way when the process
//!   or the machine stopped is found in part or not at all, and what is found is durable;
//! - after the first failed write or sync nothing is written any more.
//!
//! It survives: the loss of power at any moment, with unsynced bytes reaching the disk in any combination of sectors; a
//! killed process; an I/O error. It detects every damage to a file of it that is not larger than what CRC32C detects, with
//! one exception: the records since the stored position became durable last ([`Wal::settle`]). Damage to those, if the
//! power is cut at the same time, looks like a torn write.
//!
//! It assumes that rewriting a sector with the same bytes in it does not harm these: a batch begins in the sector where the
//! one before it ended.
//!
//! It does not: compress, encrypt, lock its directory (the caller does), or run threads. All calls block.
//!
//! The layout of the files is in `layout/mod.rs`.

mod error;
mod files;
mod inspect;
mod layout;
mod log;
mod meta;
mod reader;
mod recovery;
mod trim;

pub use error::{AppendError, Corruption, Damage, Evidence, Failure, OpenError};
pub use files::SpareJob;
pub use inspect::{Inspection, SegmentInfo, inspect};
pub use layout::LogId;
pub use layout::frame::{BadFrame, PAYLOAD_BYTES_MAX, Record};
pub use layout::header::BadHeader;
pub use layout::meta::Meta;
pub use log::{Options, Wal};
pub use reader::{OwnedRecord, Reader};
pub use recovery::{Recovery, Torn};
