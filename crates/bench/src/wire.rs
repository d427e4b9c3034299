//! The masters as any gRPC client meets them: generated calls on plain connections, without the SDK.
//!
//! Used where the cost of a call is compared with that of an empty one: both go the same way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use env::Env;
use proto::v1;
use proto::v1::admin_client::AdminClient;
use proto::v1::namespace_client::NamespaceClient;
use tonic::transport::Channel;

use crate::system::USER;

/// How long masters may take to agree who leads.
const LEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// What `Masters` answers of a cluster with a leader.
#[derive(Debug, Clone)]
pub(crate) struct Leader {
    pub address: String,
    pub term: u64,
}

/// Who leads, by the word of the masters at `addresses`: one that says so of itself.
pub(crate) async fn leader(addresses: &[String]) -> Option<Leader> {
    let mut newest: Option<Leader> = None;
    for address in addresses {
        let Ok(said) = masters(address, Duration::from_millis(500)).await else {
            continue;
        };
        let leads = said.leader != 0 && said.leader == said.asked;
        if leads && newest.as_ref().is_none_or(|known| known.term < said.term) {
            newest = Some(Leader {
                address: address.clone(),
                term: said.term,
            });
        }
    }
    newest
}

/// The same, waited for.
pub(crate) async fn wait_for_leader(addresses: &[String]) -> anyhow::Result<Leader> {
    let start = Instant::now();
    loop {
        if let Some(leader) = leader(addresses).await {
            return Ok(leader);
        }
        if start.elapsed() > LEADER_TIMEOUT {
            bail!("no master leads after {} s", LEADER_TIMEOUT.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What the master at `address` knows of all.
pub(crate) async fn masters(address: &str, patience: Duration) -> anyhow::Result<v1::MastersResponse> {
    let asked = async {
        let mut client = AdminClient::new(connect(address).await?);
        anyhow::Ok(client.masters(v1::MastersRequest {}).await?.into_inner())
    };
    tokio::time::timeout(patience, asked).await?
}

async fn connect(address: &str) -> anyhow::Result<Channel> {
    let channel = env::net::channel(&Env::real().net, address)
        .with_context(|| format!("{address} is not the address of a master"))?;
    Ok(channel)
}

/// Connections to one master, and a client's identity. Cloning is cheap; clones share both.
#[derive(Clone)]
pub(crate) struct Wire {
    channels: Arc<[Channel]>,
    client_id: [u8; 16],
    next_call: Arc<AtomicU64>,
}

impl Wire {
    /// So many connections to the master at `address`.
    pub(crate) async fn connect(address: &str, connections: usize) -> anyhow::Result<Self> {
        let mut channels = Vec::new();
        for _ in 0..connections.max(1) {
            channels.push(connect(address).await?);
        }
        Ok(Self {
            channels: channels.into(),
            client_id: Env::real().random.uuid_bytes(),
            next_call: Arc::new(AtomicU64::new(1)),
        })
    }

    fn channel(&self, caller: usize) -> anyhow::Result<Channel> {
        let place = caller % self.channels.len().max(1);
        self.channels
            .get(place)
            .cloned()
            .context("there is no connection")
    }

    /// Namespace calls for the caller of this number.
    pub(crate) fn namespace(&self, caller: usize) -> anyhow::Result<NamespaceClient<Channel>> {
        Ok(NamespaceClient::new(self.channel(caller)?).max_decoding_message_size(64 << 20))
    }

    /// Admin calls for the caller of this number.
    pub(crate) fn admin(&self, caller: usize) -> anyhow::Result<AdminClient<Channel>> {
        Ok(AdminClient::new(self.channel(caller)?))
    }

    /// The number of a new call.
    pub(crate) fn next_call(&self) -> u64 {
        self.next_call.fetch_add(1, Ordering::Relaxed)
    }

    /// Who calls, with a new call id.
    pub(crate) fn caller(&self) -> Option<v1::Caller> {
        Some(v1::Caller {
            user: USER.to_owned(),
            groups: Vec::new(),
            client_id: self.client_id.to_vec().into(),
            call_id: self.next_call(),
            ..Default::default()
        })
    }
}
