//! Checkpoint files: a checked container for the state as of one index of the log.
//!
//! It guarantees:
//! - a checkpoint that [`write()`] or [`Receiver::finish`] answered for is durable and whole; before that, and after any
//!   failure, the ones before it are as they were;
//! - a byte is handed out only when the CRC over its block, and over all blocks before it, was compared; the end only when
//!   the footer was: a state that was read to its end is the one that was saved;
//! - damage is told with its file and place. A damaged newest checkpoint is passed over for the one before, and this is
//!   said; one of a newer program is refused by name, and never passed over.
//!
//! It survives: the loss of power and the end of the process at any moment, a full disk, I/O errors. It finds: flipped
//! bits, cut files, torn, lost and misdirected writes, as far as CRC32C does.
//!
//! Writing is slow on purpose ([`Pace`]): a checkpoint is never urgent, and the requests beside it are. It needs a buffer
//! of one block besides what `save` needs.
//!
//! It does not: know what the state is, lock the directory, or cut the log; all calls block. The log may be cut behind
//! [`Info::older`] and not further, or there is nothing to fall back to.
//!
//! The layout is in `layout/mod.rs`.

mod error;
mod files;
mod kept;
mod layout;
mod pace;
mod read;
mod receive;
mod write;

pub use error::{Damaged, Error, Failure, ReceiveError, RestoreError, WriteError};
pub use files::{name, tidy};
pub use kept::{Checkpoint, Kept, kept, newest, restore_newest};
pub use layout::{BLOCK_BYTES_MAX, BadHeader, Damage, Header, MEMBERSHIP_BYTES_MAX, Totals, VERSION};
pub use pace::Pace;
pub use read::Reader;
pub use receive::{Receiver, receive, receive_as};
pub use write::{Info, write, write_to};
