//! A master's files without a master: what the offline commands of `admin` share.

mod fresh;
mod portable;
mod replay;
mod source;
mod state;
mod walk;

pub(crate) use fresh::make;
pub(crate) use portable::{Counts, read as read_export, write as write_export};
pub(crate) use replay::{Current, OP_BLANK, OP_MEMBERSHIP, current, told};
pub(crate) use source::{Source, lock};
pub(crate) use state::{State, load};
pub(crate) use walk::{Node, walk};
