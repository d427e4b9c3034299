//! Why reading or writing stopped.

use std::io;

use transfer::DecodeError;

/// Why a connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer sent something that is not the protocol.
    #[error("the peer does not keep to the protocol: {0}")]
    Malformed(#[from] DecodeError),
    /// The peer closed the connection where more was to come.
    #[error("the peer closed the connection while {what} was awaited ({received} bytes of it had come)")]
    Closed {
        /// What was awaited.
        what: &'static str,
        /// How much of it had come.
        received: usize,
    },
}
