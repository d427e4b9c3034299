//! The servers: `mini`, `master`, `datanode`.

pub(crate) mod datanode;
pub(crate) mod master;
pub(crate) mod mini;
mod options;
mod ready;
mod stop;
