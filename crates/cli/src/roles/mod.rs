//! The servers: `mini`, `master`, `datanode`.

pub(crate) mod datanode;
mod group;
pub(crate) mod master;
pub(crate) mod mini;
mod options;
mod rack;
mod ready;
mod stop;
mod web;
