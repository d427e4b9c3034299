//! The distrifs binary.
mod config;
mod failure;
mod identity;
mod logging;
mod output;
mod roles {
    pub(crate) mod ready;
}
fn main() {}
