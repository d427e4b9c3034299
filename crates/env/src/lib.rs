//! The seams to the world: clock, disk, network, randomness.
//!
//! Nothing above this crate names the operating system's clock, files, sockets or entropy; it is handed an [`Env`] and
//! asks that. So a whole cluster can run in one process from one seed.

mod background;
mod blocking;
pub mod clock;
pub mod disk;
mod limits;
pub mod net;
pub mod random;
mod threads;

use std::sync::Arc;

pub use background::{Ahead, background, pause};
pub use blocking::{Inline, blocking};
pub use limits::raise_descriptor_limit;
pub use threads::{AtCapacity, InlineStreams, InlineStreamsEntered, StreamThreads};

/// The world that a process runs in. Cloning is cheap; clones are the same world.
#[derive(Clone)]
pub struct Env {
    /// What time it is.
    pub clock: Arc<dyn clock::Clock>,
    /// Where files are.
    pub disk: Arc<dyn disk::Disk>,
    /// How other processes are reached.
    pub net: net::Network,
    /// Where ids and choices come from.
    pub random: Arc<dyn random::Random>,
}

impl Env {
    /// The real world: the operating system's clock, files, sockets and entropy.
    #[must_use]
    pub fn real() -> Self {
        Self {
            clock: Arc::new(clock::RealClock::new()),
            disk: Arc::new(disk::RealDisk),
            net: net::Network::real(),
            random: Arc::new(random::RealRandom),
        }
    }
}
