//! The network seam: TCP.
//!
//! The kinds of network are an enum and not a trait, so that a stream is one type everywhere and the real one costs
//! nothing. Nagle's algorithm is off on every stream: with it, small requests wait for the peer's delayed
//! acknowledgement (550 calls a second instead of 16,000).

mod grpc;
mod split;
mod stream;

use std::fmt;
use std::io;
use std::sync::Arc;

pub use grpc::{Incoming, Peer, channel, connect, endpoint};
pub use split::{ReadHalf, WriteHalf};
pub use stream::{DetachedStream, TcpListener, TcpStream};

/// A network to connect and to listen on.
#[derive(Debug, Clone)]
pub struct Network(Kind);

#[derive(Clone)]
enum Kind {
    Real,
    Translated(Arc<Translate>),
}

/// From the address that is asked for to the one that is connected to.
type Translate = dyn Fn(&str) -> io::Result<String> + Send + Sync;

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "Real",
            Self::Translated(_) => "Translated",
        })
    }
}

impl Network {
    /// The operating system's network.
    #[must_use]
    pub const fn real() -> Self {
        Self(Kind::Real)
    }

    /// The operating system's network under other addresses: every connection goes to where `translate` says, or fails
    /// with its error. So that each of several nodes in one process has ways to the others of its own, which a test can
    /// cut.
    #[must_use]
    pub fn translated(translate: impl Fn(&str) -> io::Result<String> + Send + Sync + 'static) -> Self {
        Self(Kind::Translated(Arc::new(translate)))
    }

    /// Connects to `address` (`host:port`).
    ///
    /// # Errors
    /// As the network answers. There is no time limit: wrap it in `tokio::time::timeout`.
    pub async fn connect(&self, address: &str) -> io::Result<TcpStream> {
        let stream = match &self.0 {
            Kind::Real => tokio::net::TcpStream::connect(address).await?,
            Kind::Translated(translate) => tokio::net::TcpStream::connect(translate(address)?).await?,
        };
        TcpStream::from_tokio(stream)
    }

    /// Listens on `address` (`host:port`; port 0 lets the system choose).
    ///
    /// # Errors
    /// As the network answers.
    pub async fn listen(&self, address: &str) -> io::Result<TcpListener> {
        Ok(TcpListener::from_tokio(
            tokio::net::TcpListener::bind(address).await?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_translated_or_refused() {
        let listener = Network::real().listen("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        let network = Network::translated(move |address| match address {
            "here:1" => Ok(there.to_string()),
            _ => Err(io::ErrorKind::HostUnreachable.into()),
        });
        assert_eq!(
            network.connect("here:1").await.unwrap().peer_addr().unwrap(),
            there
        );
        let refused = network.connect("elsewhere:1").await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::HostUnreachable);
    }
}
