//! The network seam: TCP.
//!
//! The kinds of network are an enum and not a trait, so that a stream is one type everywhere and the real one costs
//! nothing. Nagle's algorithm is off on every stream: with it, small requests wait for the peer's delayed
//! acknowledgement (550 calls a second instead of 16,000).

mod grpc;
mod split;
mod stream;

use std::io;

pub use grpc::{Incoming, Peer, channel, endpoint};
pub use split::{ReadHalf, WriteHalf};
pub use stream::{DetachedStream, TcpListener, TcpStream};

/// A network to connect and to listen on.
#[derive(Debug, Clone)]
pub struct Network(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Real,
}

impl Network {
    /// The operating system's network.
    #[must_use]
    pub const fn real() -> Self {
        Self(Kind::Real)
    }

    /// Connects to `address` (`host:port`).
    ///
    /// # Errors
    /// As the network answers. There is no time limit: wrap it in `tokio::time::timeout`.
    pub async fn connect(&self, address: &str) -> io::Result<TcpStream> {
        match self.0 {
            Kind::Real => TcpStream::from_tokio(tokio::net::TcpStream::connect(address).await?),
        }
    }

    /// Listens on `address` (`host:port`; port 0 lets the system choose).
    ///
    /// # Errors
    /// As the network answers.
    pub async fn listen(&self, address: &str) -> io::Result<TcpListener> {
        match self.0 {
            Kind::Real => Ok(TcpListener::from_tokio(
                tokio::net::TcpListener::bind(address).await?,
            )),
        }
    }
}
