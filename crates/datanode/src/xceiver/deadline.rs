//! Every wait for a peer has a limit.

use std::future::Future;
use std::time::Duration;

/// Why a peer is given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    /// The connection failed, or what came was not the protocol.
    #[error(transparent)]
    Wire(#[from] wire::Error),
    /// Nothing happened for too long.
    #[error("nothing happened for {0:?}")]
    Silent(Duration),
}

impl From<std::io::Error> for Lost {
    fn from(error: std::io::Error) -> Self {
        Self::Wire(error.into())
    }
}

/// Waits for `step`, at most `limit`.
pub(super) async fn within<T, E>(limit: Duration, step: impl Future<Output = Result<T, E>>) -> Result<T, Lost>
where
    Lost: From<E>,
{
    match tokio::time::timeout(limit, step).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Lost::Silent(limit)),
    }
}
