//! What can go wrong with processes, networks and disks of a test bed.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

/// What came of something.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// Why not.
        error: io::Error,
    },
    /// A program of the system failed.
    #[error("`{command}` failed: {said}")]
    Command {
        /// What was run.
        command: String,
        /// What it said.
        said: String,
    },
    /// There are no network namespaces here.
    #[error("network namespaces can not be made here (root and `ip` are needed): {0}")]
    NoNetworks(Box<Error>),
    /// There are no small disks here.
    #[error("small disks can not be mounted here (root and `mount` are needed): {0}")]
    NoDisks(Box<Error>),
    /// A process ended that should not have.
    #[error("{name} ended early with {status}; the end of its log:\n{log}")]
    Ended {
        /// Which.
        name: String,
        /// How.
        status: ExitStatus,
        /// What it said last.
        log: String,
    },
    /// A process does not serve.
    #[error("{name} does not serve after {} s; the end of its log:\n{log}", .waited.as_secs())]
    NotReady {
        /// Which.
        name: String,
        /// For how long it was waited.
        waited: Duration,
        /// What it said last.
        log: String,
    },
    /// A process does not end.
    #[error("{name} was asked to end and has not after {} s", .waited.as_secs())]
    NotEnded {
        /// Which.
        name: String,
        /// For how long it was waited.
        waited: Duration,
    },
    /// It makes no sense for this one.
    #[error("{name} {why}")]
    Unfit {
        /// Which.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// A file of procfs is not as it should be.
    #[error("cannot understand {0}")]
    Proc(String),
}

impl Error {
    /// What makes an error of the system one of these.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::System { what, error }
    }
}
