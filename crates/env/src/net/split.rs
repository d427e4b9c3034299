//! The halves of a connection. They share no lock: reading never waits for writing.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The half of a connection that reads.
#[derive(Debug)]
pub struct ReadHalf(ReadInner);

#[derive(Debug)]
enum ReadInner {
    Tokio(OwnedReadHalf),
}

/// The half of a connection that writes.
#[derive(Debug)]
pub struct WriteHalf(WriteInner);

#[derive(Debug)]
enum WriteInner {
    Tokio(OwnedWriteHalf),
}

impl ReadHalf {
    pub(super) const fn from_tokio(half: OwnedReadHalf) -> Self {
        Self(ReadInner::Tokio(half))
    }

    /// The other end.
    ///
    /// # Errors
    /// As the network answers.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            ReadInner::Tokio(half) => half.peer_addr(),
        }
    }
}

impl WriteHalf {
    pub(super) const fn from_tokio(half: OwnedWriteHalf) -> Self {
        Self(WriteInner::Tokio(half))
    }

    /// The other end.
    ///
    /// # Errors
    /// As the network answers.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            WriteInner::Tokio(half) => half.peer_addr(),
        }
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            ReadInner::Tokio(half) => Pin::new(half).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            WriteInner::Tokio(half) => Pin::new(half).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            WriteInner::Tokio(half) => Pin::new(half).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            WriteInner::Tokio(half) => half.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            WriteInner::Tokio(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            WriteInner::Tokio(half) => Pin::new(half).poll_shutdown(cx),
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
