//! A master's files without a master: what the offline commands of `admin` share.

mod source;
mod state;
mod walk;

pub(crate) use source::{Source, lock};
pub(crate) use state::{State, load};
pub(crate) use walk::{Node, walk};
