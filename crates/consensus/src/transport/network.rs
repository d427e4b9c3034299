//! The ways to the other masters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use env::Env;
use openraft::network::RaftNetworkFactory;
use tokio::time::Instant;
use types::MasterId;

use super::client::Remote;
use super::link::{Kind, Link};
use crate::acknowledged::Acknowledged;
use crate::raft::{Address, TypeConfig};

/// Connections that are kept though nobody uses them; members are few.
const KEPT: usize = 64;

/// One connection of each kind to each address.
type Links = HashMap<(String, Kind), Arc<Link>>;

/// Knows how to reach the others. Clones share their connections.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    net: env::net::Network,
    own: MasterId,
    links: Arc<Mutex<Links>>,
    acknowledged: Acknowledged,
    votes_from: Instant,
}

impl Network {
    /// The network as `own` uses it. What the others acknowledge is noted in `acknowledged`. For votes they are asked from
    /// `votes_from` on.
    pub(crate) fn new(env: &Env, own: MasterId, acknowledged: Acknowledged, votes_from: Instant) -> Self {
        Self {
            net: env.net.clone(),
            own,
            links: Arc::default(),
            acknowledged,
            votes_from,
        }
    }

    /// The connection of this kind to `address`, which is made when it is used.
    ///
    /// # Errors
    /// When `address` is none.
    pub(crate) fn link(&self, address: &str, kind: Kind) -> Result<Arc<Link>, tonic::transport::Error> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (address.to_owned(), kind);
        if let Some(link) = links.get(&key) {
            return Ok(Arc::clone(link));
        }
        if links.len() >= KEPT {
            links.retain(|_, link| Arc::strong_count(link) > 1);
        }
        let link = Arc::new(Link::new(&self.net, address)?);
        links.insert(key, Arc::clone(&link));
        Ok(link)
    }

    pub(crate) const fn acknowledged(&self) -> &Acknowledged {
        &self.acknowledged
    }

    pub(crate) const fn votes_from(&self) -> Instant {
        self.votes_from
    }

    fn remote(&self, target: u64, address: &Address, kind: Kind) -> Remote {
        Remote::new(self, self.own, MasterId(target), &address.0, kind)
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Remote;

    async fn new_client(&mut self, target: u64, address: &Address) -> Remote {
        self.remote(target, address, Kind::Entries)
    }

    async fn new_heartbeat_client(&mut self, target: u64, address: &Address) -> Remote {
        self.remote(target, address, Kind::Small)
    }

    async fn new_snapshot_client(&mut self, target: u64, address: &Address) -> Remote {
        self.remote(target, address, Kind::Checkpoint)
    }
}
