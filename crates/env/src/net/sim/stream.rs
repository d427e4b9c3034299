//! The ends of connections, as processes hold them.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::SimNetwork;
use super::world::{Segment, Side, World};

/// A listener.
#[derive(Debug)]
pub(in crate::net) struct SimListener {
    pub(super) network: SimNetwork,
    pub(super) host: usize,
    pub(super) address: SocketAddr,
    pub(super) life: u64,
}

impl SimListener {
    pub(in crate::net) async fn accept(&self) -> io::Result<(SimStream, SocketAddr)> {
        poll_fn(|cx| {
            let mut world = self.network.lock();
            if world.life(self.host) != self.life {
                return Poll::Pending;
            }
            let Some(id) = world.accept(self.host, self.address.port(), cx.waker()) else {
                return Poll::Pending;
            };
            let stream = SimStream::new(&self.network, &world, id, 1);
            let peer = stream.peer_addr();
            Poll::Ready(Ok((stream, peer)))
        })
        .await
    }

    pub(in crate::net) const fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let mut world = self.network.lock();
        if world.life(self.host) == self.life {
            world.unlisten(self.host, self.address.port());
        }
    }
}

/// One end of a connection. Small, so that streams of the real network are not larger for it.
#[derive(Debug, Clone)]
pub(in crate::net) struct SimStream {
    end: Arc<End>,
}

#[derive(Debug)]
struct End {
    local: SocketAddr,
    peer: SocketAddr,
    network: SimNetwork,
    connection: u64,
    side: usize,
    host: usize,
    life: u64,
}

impl Drop for End {
    fn drop(&mut self) {
        let mut world = self.network.lock();
        if world.life(self.host) == self.life {
            world.close(self.connection, self.side);
        }
    }
}

impl End {
    /// This end, as long as its process lives.
    fn with<T>(&self, then: impl FnOnce(&mut World, &mut bool) -> T) -> Option<T> {
        let mut world = self.network.lock();
        if world.life(self.host) != self.life {
            return None;
        }
        let mut found = true;
        let value = then(&mut world, &mut found);
        found.then_some(value)
    }

    /// This side and the other one, and the hosts on which somebody was woken.
    fn side<T>(&self, then: impl FnOnce(&mut Side, &mut Side, &mut BTreeSet<usize>) -> T) -> Option<T> {
        self.with(|world, found| {
            let sides = world.connections.get_mut(&self.connection);
            match (sides, self.side) {
                (Some([here, there]), 0) | (Some([there, here]), _) => {
                    Some(then(here, there, &mut world.woken))
                }
                (None, _) => {
                    *found = false;
                    None
                }
            }
        })
        .flatten()
    }

    fn poll_read(&self, cx: &Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = self.side(|here, there, woken| {
            let mut count = 0;
            while let Some(bytes) = here.ready.front() {
                let rest = bytes.get(here.read..).unwrap_or_default();
                let some = rest.get(..rest.len().min(buf.remaining())).unwrap_or_default();
                buf.put_slice(some);
                count += some.len();
                if some.len() < rest.len() {
                    here.read += some.len();
                    break;
                }
                here.ready.pop_front();
                here.read = 0;
            }
            if count > 0 {
                there.under_way = there.under_way.saturating_sub(count);
                there.wake_writer(woken);
                return Poll::Ready(Ok(()));
            }
            if let Some(kind) = here.reset {
                return Poll::Ready(Err(kind.into()));
            }
            if here.end_seen || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            here.reader = Some(cx.waker().clone());
            Poll::Pending
        });
        // The process is no more: nothing comes, and nobody is told.
        read.unwrap_or(Poll::Pending)
    }

    fn poll_write(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = self.side(|here, _, _| {
            if let Some(kind) = here.reset {
                return Poll::Ready(Err(io::Error::from(kind)));
            }
            if here.ended {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let count = here.room().min(bytes.len());
            if count == 0 && !bytes.is_empty() {
                here.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            here.under_way += count;
            Poll::Ready(Ok(count))
        });
        let taken = taken.unwrap_or(Poll::Pending);
        if let Poll::Ready(Ok(count)) = taken
            && count > 0
        {
            let some = bytes.get(..count).unwrap_or_default().to_vec();
            self.with(|world, _| world.send(self.connection, 1 - self.side, Segment::Data(some)));
        }
        taken
    }

    fn shut(&self) {
        self.with(|world, _| world.end_of(self.connection, self.side));
    }
}

impl SimStream {
    pub(super) fn new(network: &SimNetwork, world: &World, connection: u64, side: usize) -> Self {
        let sides = world.connections.get(&connection);
        let address = |side: usize| {
            let found = sides.and_then(|sides| sides.get(side));
            found.map_or_else(|| super::address(0, 0), |side| side.address)
        };
        let host = sides
            .and_then(|sides| sides.get(side))
            .map_or(0, |side| side.host);
        Self {
            end: Arc::new(End {
                local: address(side),
                peer: address(1 - side),
                network: network.clone(),
                connection,
                side,
                host,
                life: world.life(host),
            }),
        }
    }

    /// Waits for the other side's answer.
    pub(super) async fn connected(&self) -> io::Result<()> {
        poll_fn(|cx| {
            let answer = self.end.side(|here, _, _| match here.reset {
                Some(kind) => Poll::Ready(Err(kind.into())),
                None if here.established => Poll::Ready(Ok(())),
                None => {
                    here.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            });
            answer.unwrap_or(Poll::Pending)
        })
        .await
    }

    pub(in crate::net) fn local_addr(&self) -> SocketAddr {
        self.end.local
    }

    pub(in crate::net) fn peer_addr(&self) -> SocketAddr {
        self.end.peer
    }

    pub(in crate::net) fn into_split(self) -> (SimReadHalf, SimWriteHalf) {
        (SimReadHalf(self.clone()), SimWriteHalf(Some(self)))
    }
}

/// The half that reads.
#[derive(Debug)]
pub(in crate::net) struct SimReadHalf(SimStream);

/// The half that writes. Dropping it says the end.
#[derive(Debug)]
pub(in crate::net) struct SimWriteHalf(Option<SimStream>);

impl SimReadHalf {
    pub(in crate::net) const fn stream(&self) -> &SimStream {
        &self.0
    }

    pub(in crate::net) fn reunite(self, mut other: SimWriteHalf) -> Option<SimStream> {
        let write = other.0.take()?;
        Arc::ptr_eq(&self.0.end, &write.end).then_some(self.0)
    }
}

impl SimWriteHalf {
    pub(in crate::net) const fn stream(&self) -> Option<&SimStream> {
        self.0.as_ref()
    }
}

impl Drop for SimWriteHalf {
    fn drop(&mut self) {
        if let Some(stream) = &self.0 {
            stream.end.shut();
        }
    }
}

impl AsyncRead for SimStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.end.poll_read(cx, buf)
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.end.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<&[u8]> = slices.iter().map(|slice| &**slice).collect();
        self.end.poll_write(cx, &all.concat())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end.shut();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for SimReadHalf {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.end.poll_read(cx, buf)
    }
}

impl AsyncWrite for SimWriteHalf {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(stream) => Pin::new(stream).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(stream) = &self.0 {
            stream.end.shut();
        }
        Poll::Ready(Ok(()))
    }
}
