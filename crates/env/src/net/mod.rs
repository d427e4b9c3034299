//! The network seam: TCP, and sockets within the machine.
//!
//! The kinds of network are an enum and not a trait, so that a stream is one type everywhere and the real one costs
//! nothing. Nagle's algorithm is off on every stream: with it, small requests wait for the peer's delayed
//! acknowledgement (550 calls a second instead of 16,000).

mod gather;
mod grpc;
mod local;
mod port;
pub mod sim;
mod split;
mod stream;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use gather::Gather;
pub use grpc::{Incoming, Peer, channel, connect, endpoint};
pub use local::{FILES_MAX, LocalListener};
pub use port::ReservedPort;
pub use split::{ReadHalf, WriteHalf};
pub use stream::{DetachedStream, TcpListener, TcpStream};

/// A network to connect and to listen on.
#[derive(Debug, Clone)]
pub struct Network(Kind);

#[derive(Clone)]
enum Kind {
    Real,
    Translated(Arc<Translate>),
    Simulated(sim::SimHost),
}

/// From the address that is asked for to the one that is connected to.
type Translate = dyn Fn(&str) -> io::Result<String> + Send + Sync;

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "Real",
            Self::Translated(_) => "Translated",
            Self::Simulated(_) => "Simulated",
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
            Kind::Simulated(host) => return Ok(TcpStream::from_sim(host.connect(address).await?)),
        };
        TcpStream::from_tokio(stream)
    }

    /// Listens on `address` (`host:port`; port 0 lets the system choose).
    ///
    /// # Errors
    /// As the network answers.
    pub async fn listen(&self, address: &str) -> io::Result<TcpListener> {
        match &self.0 {
            Kind::Real | Kind::Translated(_) => Ok(TcpListener::from_tokio(
                tokio::net::TcpListener::bind(address).await?,
            )),
            Kind::Simulated(host) => Ok(TcpListener::from_sim(host.listen(address)?)),
        }
    }

    /// Whether `host` is this machine, as far as that is known without asking anybody: an address of it, or its name.
    #[must_use]
    pub fn is_here(&self, host: &str) -> bool {
        if let Kind::Simulated(here) = &self.0 {
            return here.is_here(host);
        }
        match host.parse::<std::net::IpAddr>() {
            // Only addresses of this machine can be had.
            Ok(address) => std::net::UdpSocket::bind((address, 0)).is_ok_and(|_| !address.is_unspecified()),
            Err(_) => host == "localhost" || rustix::system::uname().nodename().to_bytes() == host.as_bytes(),
        }
    }

    /// Connects to who listens at `path` on this machine.
    ///
    /// # Errors
    /// As the system answers: when nobody listens, or may not be connected to.
    pub async fn connect_local(&self, path: &Path) -> io::Result<TcpStream> {
        match &self.0 {
            Kind::Real | Kind::Translated(_) => local::connect(path).await,
            Kind::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Listens at `path` on this machine, for those whom `mode` lets write to it. What a process that is gone left there is
    /// replaced. Blocks a little.
    ///
    /// # Errors
    /// `AddrInUse` where a process listens, `AlreadyExists` where something else is, else as the system answers.
    pub fn listen_local(&self, path: &Path, mode: u32) -> io::Result<LocalListener> {
        match &self.0 {
            Kind::Real | Kind::Translated(_) => LocalListener::bind(path, mode),
            Kind::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known() {
        let network = Network::real();
        for here in ["127.0.0.1", "::1", "localhost"] {
            // Not every machine has IPv6.
            assert!(network.is_here(here) || here == "::1", "{here}");
        }
        // An address for examples in documents (RFC 5737), and a name that cannot be one.
        for elsewhere in ["192.0.2.1", "0.0.0.0", "node.invalid"] {
            assert!(!network.is_here(elsewhere), "{elsewhere}");
        }
    }

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
