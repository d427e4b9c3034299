//! The configuration: flags over environment over `config.yaml` over defaults.
//!
//! [`table::TABLE`] is the one list of settings. The flags of every command, the names in the environment and in the
//! file, `distrifs config` and the errors about unknown keys are all derived from it, so they can not drift apart.
//! [`Settings::load`] puts the layers on top of each other; every value is checked when it is read, and remembers where it
//! came from.

mod file;
mod flags;
mod layers;
mod masters;
mod table;
mod value;

pub(crate) use flags::{
    ConfigFlags, DatanodeFlags, Flag, GlobalFlags, HttpPortFlags, MasterFlags, MiniFlags, PortFlags,
    WriteFlags,
};
pub(crate) use layers::{Entry, Settings, Source};
pub(crate) use masters::normalize_master as master_address;
pub(crate) use table::{Fallback, Key};
pub(crate) use value::Value;
