//! Agreement on a log of commands, behind one facade.

mod error;
mod group;
mod machine;

pub use error::{Failure, OpenError, ProposeError};
pub use group::Group;
pub use machine::{LogCommand, StateMachine};
