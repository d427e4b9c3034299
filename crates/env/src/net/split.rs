//! The halves of a connection. They share no lock: reading never waits for writing.

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::unix;

use super::local;
use super::sim::{SimReadHalf, SimStream, SimWriteHalf};
use super::stream::TcpStream;
use crate::disk::File;

/// The half of a connection that reads.
#[derive(Debug)]
pub struct ReadHalf(ReadInner);

#[derive(Debug)]
enum ReadInner {
    Tokio(OwnedReadHalf),
    Local(unix::OwnedReadHalf),
    Sim(SimReadHalf),
}

/// The half of a connection that writes.
#[derive(Debug)]
pub struct WriteHalf(WriteInner);

#[derive(Debug)]
enum WriteInner {
    Tokio(OwnedWriteHalf),
    Local(unix::OwnedWriteHalf),
    Sim(SimWriteHalf),
}

impl ReadHalf {
    pub(super) const fn from_tokio(half: OwnedReadHalf) -> Self {
        Self(ReadInner::Tokio(half))
    }

    pub(super) const fn from_local(half: unix::OwnedReadHalf) -> Self {
        Self(ReadInner::Local(half))
    }

    pub(super) const fn from_sim(half: SimReadHalf) -> Self {
        Self(ReadInner::Sim(half))
    }

    /// Takes one byte, and the files that come with it. Whatever was sent before must have been read, and no more than that:
    /// a file is lost when its byte is read as others are.
    ///
    /// # Errors
    /// `Unsupported` where the connection leads over a network, else as the system answers.
    pub async fn receive_files(&self) -> io::Result<(u8, Vec<Arc<dyn File>>)> {
        match &self.0 {
            ReadInner::Tokio(_) | ReadInner::Sim(_) => Err(io::ErrorKind::Unsupported.into()),
            ReadInner::Local(half) => {
                let stream: &tokio::net::UnixStream = half.as_ref();
                stream
                    .async_io(Interest::READABLE, || local::receive(stream))
                    .await
            }
        }
    }

    /// Puts the halves of a connection together again; none when they are of two.
    #[must_use]
    pub fn reunite(self, other: WriteHalf) -> Option<TcpStream> {
        match (self.0, other.0) {
            (ReadInner::Tokio(read), WriteInner::Tokio(write)) => {
                read.reunite(write).ok().map(TcpStream::reunited)
            }
            (ReadInner::Local(read), WriteInner::Local(write)) => {
                read.reunite(write).ok().map(TcpStream::from_local)
            }
            (ReadInner::Sim(read), WriteInner::Sim(write)) => read.reunite(write).map(TcpStream::from_sim),
            _ => None,
        }
    }

    /// The other end.
    ///
    /// # Errors
    /// As the network answers; one within the machine has no address.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            ReadInner::Tokio(half) => half.peer_addr(),
            ReadInner::Local(_) => Err(io::ErrorKind::Unsupported.into()),
            ReadInner::Sim(half) => Ok(half.stream().peer_addr()),
        }
    }
}

impl WriteHalf {
    pub(super) const fn from_tokio(half: OwnedWriteHalf) -> Self {
        Self(WriteInner::Tokio(half))
    }

    pub(super) const fn from_local(half: unix::OwnedWriteHalf) -> Self {
        Self(WriteInner::Local(half))
    }

    pub(super) const fn from_sim(half: SimWriteHalf) -> Self {
        Self(WriteInner::Sim(half))
    }

    /// Whether the connection is one within the machine, over which files can be handed over.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        matches!(self.0, WriteInner::Local(_))
    }

    /// Whether both ends have the same address, or there is only this machine between them.
    #[must_use]
    pub fn stays_on_host(&self) -> bool {
        match &self.0 {
            WriteInner::Tokio(half) => match (half.local_addr(), half.peer_addr()) {
                (Ok(here), Ok(there)) => here.ip() == there.ip(),
                _ => false,
            },
            WriteInner::Local(_) => true,
            WriteInner::Sim(half) => half
                .stream()
                .is_some_and(|stream| stream.local_addr().ip() == stream.peer_addr().ip()),
        }
    }

    /// Sends one byte, and files with it: at most [`FILES_MAX`](crate::net::FILES_MAX), which the other end has open as they are
    /// open here.
    ///
    /// # Errors
    /// `Unsupported` where the connection leads over a network, else as the system answers.
    pub async fn send_files(&self, byte: u8, files: &[BorrowedFd<'_>]) -> io::Result<()> {
        match &self.0 {
            WriteInner::Tokio(_) | WriteInner::Sim(_) => Err(io::ErrorKind::Unsupported.into()),
            WriteInner::Local(half) => {
                let stream: &tokio::net::UnixStream = half.as_ref();
                let send = || local::send(stream, byte, files);
                stream.async_io(Interest::WRITABLE, send).await
            }
        }
    }

    /// The other end.
    ///
    /// # Errors
    /// As the network answers; one within the machine has no address.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            WriteInner::Tokio(half) => half.peer_addr(),
            WriteInner::Local(_) => Err(io::ErrorKind::Unsupported.into()),
            WriteInner::Sim(half) => half
                .stream()
                .map(SimStream::peer_addr)
                .ok_or_else(|| io::ErrorKind::NotConnected.into()),
        }
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            ReadInner::Tokio(half) => Pin::new(half).poll_read(cx, buf),
            ReadInner::Local(half) => Pin::new(half).poll_read(cx, buf),
            ReadInner::Sim(half) => Pin::new(half).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            WriteInner::Tokio(half) => Pin::new(half).poll_write(cx, bytes),
            WriteInner::Local(half) => Pin::new(half).poll_write(cx, bytes),
            WriteInner::Sim(half) => Pin::new(half).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            WriteInner::Tokio(half) => Pin::new(half).poll_write_vectored(cx, slices),
            WriteInner::Local(half) => Pin::new(half).poll_write_vectored(cx, slices),
            WriteInner::Sim(half) => Pin::new(half).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            WriteInner::Tokio(half) => half.is_write_vectored(),
            WriteInner::Local(half) => half.is_write_vectored(),
            WriteInner::Sim(half) => half.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            WriteInner::Tokio(half) => Pin::new(half).poll_flush(cx),
            WriteInner::Local(half) => Pin::new(half).poll_flush(cx),
            WriteInner::Sim(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            WriteInner::Tokio(half) => Pin::new(half).poll_shutdown(cx),
            WriteInner::Local(half) => Pin::new(half).poll_shutdown(cx),
            WriteInner::Sim(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use crate::net::Network;

    #[tokio::test]
    async fn halves_read_and_write_and_move_between_runtimes() {
        let network = Network::real();
        let listener = network.listen("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let echo = async {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = stream.detach().unwrap().attach().unwrap();
            let (mut read, mut write) = stream.into_split();
            tokio::io::copy(&mut read, &mut write).await.unwrap()
        };
        let ask = async {
            let (mut read, mut write) = network.connect(&address.to_string()).await.unwrap().into_split();
            assert_eq!(read.peer_addr().unwrap(), address);
            write.write_all(b"four").await.unwrap();
            drop(write);
            let mut answer = Vec::new();
            read.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let (echoed, answer) = tokio::join!(echo, ask);
        assert_eq!((echoed, answer.as_slice()), (4, b"four".as_slice()));
    }
}
