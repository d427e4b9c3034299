//! Ctrl-C, SIGTERM and SIGHUP.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Exit;

/// Waits for ctrl-C or SIGTERM. From the first call on, neither kills the process by itself.
pub(crate) async fn stop() -> Exit {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals kill the process, which is what they are for.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => Exit::Interrupted,
        _ = terminate.recv() => Exit::Terminated,
    }
}

/// The requests to read the configuration again. From here on they do not kill the process.
pub(crate) struct Reloads(Option<Signal>);

impl Reloads {
    /// Begins to listen.
    pub(crate) fn listen() -> Self {
        Self(signal(SignalKind::hangup()).ok())
    }

    /// Waits for the next.
    pub(crate) async fn next(&mut self) {
        let heard = match &mut self.0 {
            Some(hangup) => hangup.recv().await.is_some(),
            None => false,
        };
        if !heard {
            std::future::pending().await
        }
    }
}
