//! Why a run could not be made. What it finds is no error but a [`Finding`](crate::Finding).

use std::path::PathBuf;

/// What came of something.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Processes, networks or disks.
    #[error(transparent)]
    Testbed(#[from] testbed::Error),
    /// The cluster does not answer.
    #[error("{what}: {error}")]
    Cluster {
        /// What was asked.
        what: &'static str,
        /// The answer.
        error: client::Error,
    },
    /// A file of this machine.
    #[error("{}: {error}", path.display())]
    Local {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The cluster did not come up.
    #[error("the cluster is not whole {} s after its start: {why}", .seconds)]
    NotUp {
        /// For how long it was waited.
        seconds: u64,
        /// What it said last.
        why: String,
    },
    /// There must be one of each at least.
    #[error("{0}")]
    Options(&'static str),
    /// The plan names a server that does not exist: a fault of this program.
    #[error("the plan names a server that was not started")]
    NoSuchServer,
}
