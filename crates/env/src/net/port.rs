//! Ports that are kept for somebody who listens later, or again.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, ipproto, socket_with, sockopt};

/// A TCP port that the system chose, and gives to nobody else while this lives: to nobody who lets it choose, and to no
/// connection that goes out. A port that is only looked up (bound and let go) is free for both, and so is that of a server
/// that is started again.
///
/// Who names the port can listen on it, and again after that: the socket that is kept is bound, but does not listen, and
/// `SO_REUSEADDR`, which every listener has that is made by [`Network::listen`](super::Network::listen) or the standard
/// library, lets one share an address with such a socket (`socket(7)`, of Linux).
#[derive(Debug)]
pub struct ReservedPort {
    address: SocketAddr,
    _bound: OwnedFd,
}

impl ReservedPort {
    /// A port of `host`: an address of this machine (of IPv6 in brackets), or its name.
    ///
    /// # Errors
    /// When `host` is none of this machine's addresses, or no port is left.
    pub fn on(host: &str) -> io::Result<Self> {
        let address = format!("{host}:0").to_socket_addrs()?.next();
        let address = address.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let socket = socket_with(
            family,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            Some(ipproto::TCP),
        )?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &address)?;
        Ok(Self {
            address: getsockname(&socket)?.try_into()?,
            _bound: socket,
        })
    }

    /// So many, all different.
    ///
    /// # Errors
    /// As [`ReservedPort::on`].
    pub fn several_on(host: &str, count: usize) -> io::Result<Vec<Self>> {
        (0..count).map(|_| Self::on(host)).collect()
    }

    /// Where it is to be listened on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.address.port()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const HOST: &str = "127.0.0.1";

    /// As a connection that goes out has its port: without `SO_REUSEADDR`.
    fn bind_plainly(port: u16) -> io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        bind(&socket, &SocketAddr::from(([127, 0, 0, 1], port)))?;
        Ok(socket)
    }

    #[test]
    fn who_knows_the_number_listens_again_and_again() {
        for host in [HOST, "0.0.0.0", "localhost"] {
            let port = ReservedPort::on(host).unwrap();
            for _ in 0..3 {
                let listener = TcpListener::bind((host, port.number())).unwrap();
                let here = TcpStream::connect((host, port.number())).unwrap();
                let (there, _) = listener.accept().unwrap();
                // The listener's side ends first, and its address is remembered by the system for a minute.
                drop((listener, there, here));
            }
        }
        assert!(
            ReservedPort::on("192.0.2.1").is_err(),
            "no address of this machine"
        );
    }

    #[test]
    fn nobody_else_has_it() {
        let port = ReservedPort::on(HOST).unwrap();
        let refused = TcpStream::connect((HOST, port.number())).unwrap_err();
        assert_eq!(
            refused.kind(),
            io::ErrorKind::ConnectionRefused,
            "nobody listens yet"
        );
        let taken = bind_plainly(port.number()).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        bind_plainly(0).unwrap();
    }

    #[test]
    fn several_differ() {
        let ports = ReservedPort::several_on(HOST, 20).unwrap();
        let numbers: HashSet<u16> = ports.iter().map(ReservedPort::number).collect();
        assert_eq!(numbers.len(), 20);
    }
}
