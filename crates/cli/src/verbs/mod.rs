//! The client commands, one file each.
//!
//! A command that takes several paths goes on when one of them fails, and ends with the status of the first failure.

pub(crate) mod admin;
pub(crate) mod append;
pub(crate) mod cat;
pub(crate) mod chaos;
pub(crate) mod checksum;
pub(crate) mod chmod;
pub(crate) mod chown;
pub(crate) mod concat;
pub(crate) mod config;
pub(crate) mod cp;
pub(crate) mod df;
pub(crate) mod du;
pub(crate) mod explain;
pub(crate) mod fsck;
pub(crate) mod get;
mod get_file;
pub(crate) mod getrange;
pub(crate) mod head;
pub(crate) mod health;
pub(crate) mod healthcheck;
pub(crate) mod install;
pub(crate) mod logs;
pub(crate) mod ls;
pub(crate) mod mkdir;
pub(crate) mod mv;
pub(crate) mod nodes;
pub(crate) mod put;
mod put_file;
pub(crate) mod rebalance;
pub(crate) mod rm;
pub(crate) mod setrep;
pub(crate) mod stat;
pub(crate) mod status;
pub(crate) mod tail;
mod target;
pub(crate) mod test;
pub(crate) mod top;
pub(crate) mod touch;
mod tree;
pub(crate) mod truncate;
mod words;
