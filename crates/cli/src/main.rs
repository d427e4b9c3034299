//! The `distrifs` binary: servers and client commands in one.
//!
//! `cli` is the command line, `config` what is in force, `roles` the servers, `verbs` the client commands, one file each.
//! Every command ends in an [`Exit`] that scripts can rely on.

mod cli;
mod config;
mod failure;
mod http;
mod identity;
mod local;
mod logging;
mod offline;
mod output;
mod progress;
mod reach;
mod remote;
mod roles;
mod run;
mod signals;
mod traces;
mod verbs;

use std::process::ExitCode;

use failure::Exit;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const _: () = assert!(
    !plant::POSSIBLE,
    "bugs on purpose are for the simulator: build this without the feature `bugs` of `plant`"
);

fn main() -> ExitCode {
    match cli::parse() {
        Ok(cli) => run::run(cli).unwrap_or_else(|failure| failure.tell()).into(),
        Err(error) => {
            // Help and version come as errors too; those go to stdout. There is nobody to tell when that is closed.
            let _ = error.print();
            if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            }
            .into()
        }
    }
}
