//! A network in memory, of hosts that are in one process.
//!
//! Nothing moves by itself: whoever drives the simulation calls [`SimNetwork::deliver`] as its time passes. What one host sends
//! arrives at another after a delay that follows from the seed, in order within a connection; connections overtake each other.
//! Faults are those of a real network and of its hosts:
//!
//! - a way that is cut ([`SimNetwork::cut`], in one direction) loses nothing that was sent: it arrives when the way is mended,
//!   as TCP sends again. Nobody is told; who connects waits;
//! - a process that is killed ([`SimNetwork::kill`]) resets its connections, and its host refuses new ones;
//! - a host without power ([`SimNetwork::power_off`]) says nothing. When it has power again, it answers what belongs to a
//!   connection of before with a reset;
//! - connections between two hosts can be reset ([`SimNetwork::reset`]), and a way can be slow ([`SimNetwork::slow`]).
//!
//! What it does not do: limit how many bytes pass in a second, lose single packets, sockets within a machine.

mod stream;
mod world;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) use stream::{SimListener, SimReadHalf, SimStream, SimWriteHalf};
use world::World;
pub use world::{Delivered, Segment};

use super::{Kind, Network};

/// A host of a [`SimNetwork`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub(super) usize);

impl HostId {
    /// Its number, from 0, in the order in which hosts were added.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// See the module's text. Clones are the same network.
#[derive(Clone)]
pub struct SimNetwork(Arc<Mutex<World>>);

impl SimNetwork {
    /// A network without hosts. What is sent arrives after at least `delay.0`, at most `delay.1`.
    #[must_use]
    pub fn new(seed: u64, delay: (Duration, Duration)) -> Self {
        Self(Arc::new(Mutex::new(World::new(seed, delay))))
    }

    /// Adds a host of this name, with an address of its own.
    #[must_use]
    pub fn add(&self, name: &str) -> HostId {
        self.lock().add(name)
    }

    /// The network as that host has it.
    #[must_use]
    pub fn of(&self, host: HostId) -> Network {
        Network(Kind::Simulated(SimHost {
            network: self.clone(),
            host,
        }))
    }

    /// It is `now`: all that is due arrives. Says what did to `observe`.
    pub fn deliver(&self, now: Duration, observe: impl FnMut(&Delivered)) {
        self.lock().deliver(now, observe);
    }

    /// When the next of what is under way arrives; none: nothing is under way.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.lock().next()
    }

    /// Whether somebody on that host was woken, by what arrived or by who has made room, since this was asked last.
    #[must_use]
    pub fn take_woken(&self, host: HostId) -> bool {
        self.lock().woken.remove(&host.0)
    }

    /// From now on nothing arrives at `to` that `from` sends.
    pub fn cut(&self, from: HostId, to: HostId) {
        self.lock().cut.insert((from.0, to.0));
    }

    /// What was held up arrives, and all that comes.
    pub fn mend(&self, from: HostId, to: HostId) {
        self.lock().mend(from.0, to.0);
    }

    /// What `from` sends to `to` takes this much longer from now on.
    pub fn slow(&self, from: HostId, to: HostId, by: Duration) {
        self.lock().slow.insert((from.0, to.0), by);
    }

    /// All ways are as in the beginning.
    pub fn mend_all(&self) {
        let mut world = self.lock();
        world.slow.clear();
        let cut: Vec<_> = world.cut.iter().copied().collect();
        for (from, to) in cut {
            world.mend(from, to);
        }
    }

    /// Resets every connection between the two.
    pub fn reset(&self, one: HostId, other: HostId) -> usize {
        self.lock().reset_between(one.0, other.0)
    }

    /// The process on that host is no more. The host lives on.
    pub fn kill(&self, host: HostId) {
        self.lock().end(host.0, true);
    }

    /// The host is without power.
    pub fn power_off(&self, host: HostId) {
        self.lock().end(host.0, false);
    }

    /// The host has power again. Nobody listens on it yet.
    pub fn power_on(&self, host: HostId) {
        self.lock().power_on(host.0);
    }

    /// How many connections are open at either end.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.lock().connections.len()
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for SimNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimNetwork").finish_non_exhaustive()
    }
}

/// The network as one host has it.
#[derive(Debug, Clone)]
pub(super) struct SimHost {
    network: SimNetwork,
    host: HostId,
}

impl SimHost {
    pub(super) async fn connect(&self, address: &str) -> io::Result<SimStream> {
        let connecting = {
            let mut world = self.network.lock();
            let there = world.resolve(self.host.0, address)?;
            let id = world.open(self.host.0, there);
            SimStream::new(&self.network, &world, id, 0)
        };
        connecting.connected().await?;
        Ok(connecting)
    }

    pub(super) fn listen(&self, address: &str) -> io::Result<SimListener> {
        let mut world = self.network.lock();
        let (_, port) = split(address)?;
        let address = world.listen(self.host.0, port)?;
        let life = world.life(self.host.0);
        Ok(SimListener {
            network: self.network.clone(),
            host: self.host.0,
            address,
            life,
        })
    }

    pub(super) fn is_here(&self, host: &str) -> bool {
        self.network.lock().find(self.host.0, host) == Some(self.host.0)
    }
}

/// The address of a host.
fn address(host: usize, port: u16) -> SocketAddr {
    let [.., high, low] = (host + 1).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, high, low)), port)
}

fn split(address: &str) -> io::Result<(&str, u16)> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, format!("{address} is no host:port"));
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    Ok((host, port.parse().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests;
