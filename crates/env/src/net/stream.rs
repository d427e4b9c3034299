//! Streams and listeners.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::sim::{SimListener, SimStream};
use super::split::{ReadHalf, WriteHalf};

/// A listening socket.
#[derive(Debug)]
pub struct TcpListener(Listener);

#[derive(Debug)]
enum Listener {
    Tokio(tokio::net::TcpListener),
    Sim(SimListener),
}

impl TcpListener {
    pub(super) const fn from_tokio(listener: tokio::net::TcpListener) -> Self {
        Self(Listener::Tokio(listener))
    }

    pub(super) const fn from_sim(listener: SimListener) -> Self {
        Self(Listener::Sim(listener))
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// As the network answers. Some errors pass (too many open files): wait a little and call again.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match &self.0 {
            Listener::Tokio(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((TcpStream::from_tokio(stream)?, peer))
            }
            Listener::Sim(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((TcpStream::from_sim(stream), peer))
            }
        }
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// As the network answers.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Listener::Tokio(listener) => listener.local_addr(),
            Listener::Sim(listener) => Ok(listener.local_addr()),
        }
    }
}

/// A connection: over a network, or within the machine.
#[derive(Debug)]
pub struct TcpStream(Inner);

#[derive(Debug)]
enum Inner {
    Tokio(tokio::net::TcpStream),
    Local(tokio::net::UnixStream),
    Sim(SimStream),
}

impl TcpStream {
    pub(super) fn from_tokio(stream: tokio::net::TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self(Inner::Tokio(stream)))
    }

    /// One that was split: it has its options.
    pub(super) const fn reunited(stream: tokio::net::TcpStream) -> Self {
        Self(Inner::Tokio(stream))
    }

    pub(super) const fn from_local(stream: tokio::net::UnixStream) -> Self {
        Self(Inner::Local(stream))
    }

    pub(super) const fn from_sim(stream: SimStream) -> Self {
        Self(Inner::Sim(stream))
    }

    /// Whether it is one within the machine, over which files can be handed over.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        matches!(self.0, Inner::Local(_))
    }

    /// Whether both ends have the same address, or there is only this machine between them.
    #[must_use]
    pub fn stays_on_host(&self) -> bool {
        match &self.0 {
            Inner::Tokio(stream) => match (stream.local_addr(), stream.peer_addr()) {
                (Ok(here), Ok(there)) => here.ip() == there.ip(),
                _ => false,
            },
            Inner::Local(_) => true,
            Inner::Sim(stream) => stream.local_addr().ip() == stream.peer_addr().ip(),
        }
    }

    /// Moves the connection to the runtime of the thread that calls [`DetachedStream::attach`]: so that a stream accepted
    /// on the shared runtime can be served by a thread of its own.
    ///
    /// # Errors
    /// As the operating system answers.
    pub fn detach(self) -> io::Result<DetachedStream> {
        match self.0 {
            Inner::Tokio(stream) => Ok(DetachedStream(Detached::Std(stream.into_std()?))),
            Inner::Local(stream) => Ok(DetachedStream(Detached::Local(stream.into_std()?))),
            Inner::Sim(stream) => Ok(DetachedStream(Detached::Sim(stream))),
        }
    }

    /// Separates reading from writing, so that two tasks can do each on their own. Dropping the writing half says the end
    /// to the peer; the connection is closed when both are gone.
    #[must_use]
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self.0 {
            Inner::Tokio(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::from_tokio(read), WriteHalf::from_tokio(write))
            }
            Inner::Local(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::from_local(read), WriteHalf::from_local(write))
            }
            Inner::Sim(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::from_sim(read), WriteHalf::from_sim(write))
            }
        }
    }

    /// This end.
    ///
    /// # Errors
    /// As the network answers; one within the machine has no address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Tokio(stream) => stream.local_addr(),
            Inner::Local(_) => Err(io::ErrorKind::Unsupported.into()),
            Inner::Sim(stream) => Ok(stream.local_addr()),
        }
    }

    /// The other end.
    ///
    /// # Errors
    /// As the network answers; one within the machine has no address.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Tokio(stream) => stream.peer_addr(),
            Inner::Local(_) => Err(io::ErrorKind::Unsupported.into()),
            Inner::Sim(stream) => Ok(stream.peer_addr()),
        }
    }
}

/// A connection that belongs to no runtime for the moment.
#[derive(Debug)]
pub struct DetachedStream(Detached);

#[derive(Debug)]
enum Detached {
    Std(std::net::TcpStream),
    Local(std::os::unix::net::UnixStream),
    Sim(SimStream),
}

impl DetachedStream {
    /// Gives the connection to the runtime of this thread.
    ///
    /// # Errors
    /// As the operating system answers.
    pub fn attach(self) -> io::Result<TcpStream> {
        match self.0 {
            Detached::Std(stream) => Ok(TcpStream(Inner::Tokio(tokio::net::TcpStream::from_std(stream)?))),
            Detached::Local(stream) => Ok(TcpStream(Inner::Local(tokio::net::UnixStream::from_std(stream)?))),
            Detached::Sim(stream) => Ok(TcpStream::from_sim(stream)),
        }
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Inner::Tokio(stream) => Pin::new(stream).poll_read(cx, buf),
            Inner::Local(stream) => Pin::new(stream).poll_read(cx, buf),
            Inner::Sim(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Inner::Tokio(stream) => Pin::new(stream).poll_write(cx, bytes),
            Inner::Local(stream) => Pin::new(stream).poll_write(cx, bytes),
            Inner::Sim(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Inner::Tokio(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Inner::Local(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Inner::Sim(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Inner::Tokio(stream) => stream.is_write_vectored(),
            Inner::Local(stream) => stream.is_write_vectored(),
            Inner::Sim(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Inner::Tokio(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Local(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Sim(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Inner::Tokio(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Local(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Sim(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
