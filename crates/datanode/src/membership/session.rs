//! One master: find it, register, serve it until something fails, and again.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use env::net::TcpStream;
use proto::v1;
use proto::v1::membership_client::MembershipClient;
use tonic::transport::Channel;
use tonic::{Response, Status};
use types::{StorageId, Term};

use super::convert::{storage_bytes, storage_status, uuid_bytes};
use super::sessions::Sessions;
use super::{heartbeat, report, unfinished};
use crate::changes::Outbox;
use crate::error::Failure;
use crate::node::Node;
use crate::orders::Failures;
use crate::replicas::Replicas;

/// The first pause between two attempts; doubled each time.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The pause before an address is tried again that is of no use.
const PAUSE_STRANGER: Duration = Duration::from_secs(5);

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The master did not answer, or not as it should.
    #[error("{call}: {}", .status.message())]
    Call {
        /// Which call it was.
        call: &'static str,
        /// What came of it.
        status: Box<Status>,
    },
    /// The master did not answer in time.
    #[error("{call}: no answer within {limit:?}")]
    Timeout {
        /// Which call it was.
        call: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// The master wants to have this datanode registered anew.
    #[error("the master asked to register again")]
    Again,
    /// It is served under another name already.
    #[error("it is the master that is reported to under another name")]
    Twice,
    /// There is no use in going on, with any master.
    #[error(transparent)]
    Fatal(#[from] Failure),
}

/// The relation to one master.
pub(crate) struct Session {
    pub(super) node: Arc<Node>,
    pub(super) master: String,
    /// Whether this datanode was started with it; else it was heard of.
    configured: bool,
    pub(super) client: MembershipClient<Channel>,
    pub(super) outbox: Arc<Outbox>,
    /// Orders of this master that came to nothing.
    pub(super) failures: Arc<Failures>,
}

/// What a master said when this datanode registered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) heartbeat_interval: Duration,
    pub(super) block_report_interval: Duration,
}

impl Session {
    pub(super) fn new(
        node: Arc<Node>,
        master: String,
        configured: bool,
        channel: Channel,
        outbox: Arc<Outbox>,
    ) -> Self {
        Self {
            node,
            master,
            configured,
            client: MembershipClient::new(channel),
            outbox,
            failures: Arc::default(),
        }
    }

    /// Runs until the datanode ends.
    pub(super) async fn run(mut self) {
        let node = Arc::clone(&self.node);
        tokio::select! {
            () = node.closed() => {}
            failure = self.run_forever() => node.fail(failure),
        }
    }

    async fn run_forever(&mut self) -> Failure {
        let mut pause = PAUSE_MIN;
        let mut last = String::new();
        let mut known = false;
        loop {
            let mut served = false;
            let Err(ended) = Box::pin(self.serve(&mut served)).await;
            if served {
                pause = PAUSE_MIN;
                known = true;
            }
            match ended {
                // An address that somebody else has by now is no reason to end.
                Ended::Fatal(failure @ Failure::WrongCluster { .. }) if !self.configured => {
                    tracing::debug!(master = %self.master, %failure, "not one of our masters");
                    tokio::time::sleep(self.jittered(PAUSE_STRANGER)).await;
                }
                Ended::Fatal(failure) => return failure,
                Ended::Twice => tokio::time::sleep(self.jittered(PAUSE_STRANGER)).await,
                // At once, but not in a frenzy.
                Ended::Again => tokio::time::sleep(self.jittered(PAUSE_MIN)).await,
                Ended::Call { .. } | Ended::Timeout { .. } => {
                    let text = ended.to_string();
                    // A master that is away for hours is worth one line.
                    if text == last {
                        tracing::debug!(master = %self.master, error = text, "still no master");
                    } else if !known {
                        tracing::info!(master = %self.master, error = text, "no master yet; trying again");
                    } else {
                        tracing::warn!(master = %self.master, error = text, "lost the master; trying again");
                    }
                    last = text;
                    tokio::time::sleep(self.jittered(pause)).await;
                    pause = (pause * 2).min(self.node.config.timeouts.reconnect_max);
                }
            }
        }
    }

    /// Half of `pause` to all of it, so that datanodes do not come back all at once.
    fn jittered(&self, pause: Duration) -> Duration {
        let random = u32::from(self.node.env.random.uuid_bytes().first().copied().unwrap_or(0));
        pause / 2 + pause * random / (2 * 256)
    }

    /// One session. `served` is set once the master knows everything.
    async fn serve(&mut self, served: &mut bool) -> Result<Infallible, Ended> {
        let mut client = self.client.clone();
        let identity = self
            .call("identity", client.identity(v1::IdentityRequest {}))
            .await?;
        let node = Arc::clone(&self.node);
        let Some(_served) = node.sessions.serve(identity.master_id, &self.master) else {
            return Err(Ended::Twice);
        };
        let replicas = node
            .join(&self.master, &identity.cluster_id, &identity.pool_id)
            .await?;
        node.see_term(Term(identity.term)).await;
        Sessions::learn(&node, &identity.masters, false);
        // What happened up to here is in the full report that follows.
        self.outbox.clear();
        let terms = self.register(&identity.cluster_id, &replicas).await?;
        tracing::info!(master = %self.master, cluster = identity.cluster_id, "registered");
        let heartbeats = heartbeat::run(self, &replicas, terms);
        let reports = report::run(self, &replicas, terms, served);
        let unfinished = unfinished::run(self, &replicas);
        tokio::select! {
            ended = unfinished => ended,
            ended = heartbeats => ended,
            ended = reports => ended,
        }
    }

    async fn register(&self, cluster: &str, replicas: &Arc<Replicas>) -> Result<Terms, Ended> {
        let config = &self.node.config;
        let request = v1::RegisterRequest {
            cluster_id: cluster.to_owned(),
            datanode: Some(v1::Datanode {
                id: uuid_bytes(self.node.id.0),
                host: self.advertised_host().await?,
                data_port: config.advertise_port.unwrap_or(self.node.data_addr.port()).into(),
                rack: config.rack.clone(),
            }),
            http_port: self.node.http_addr.map_or(0, |address| {
                config.advertise_http_port.unwrap_or(address.port()).into()
            }),
            storages: storages(replicas).await,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let mut client = self.client.clone();
        let answer = self.call("register", client.register(request)).await?;
        self.node.see_term(Term(answer.term)).await;
        Sessions::learn(&self.node, &answer.masters, false);
        let or = |ms: u64, fallback: Duration| match ms {
            0 => fallback,
            ms => Duration::from_millis(ms),
        };
        Ok(Terms {
            heartbeat_interval: or(answer.heartbeat_interval_ms, config.heartbeat_interval),
            block_report_interval: or(answer.block_report_interval_ms, config.block_report_interval),
        })
    }

    /// The name that others reach this datanode by. Where it listens on all addresses, the one that a connection to the
    /// master goes out from is one that works.
    async fn advertised_host(&self) -> Result<String, Ended> {
        if let Some(host) = &self.node.config.advertise_host {
            return Ok(host.clone());
        }
        let listening = self.node.data_addr.ip();
        if !listening.is_unspecified() {
            return Ok(listening.to_string());
        }
        let call = "connect";
        let limit = self.node.config.timeouts.connect;
        let connected = tokio::time::timeout(limit, self.node.env.net.connect(&self.master)).await;
        let stream: std::io::Result<TcpStream> = connected.map_err(|_| Ended::Timeout { call, limit })?;
        let local = stream.and_then(|stream| stream.local_addr());
        let local = local.map_err(|error| Ended::Call {
            call,
            status: Box::new(Status::unavailable(error.to_string())),
        })?;
        Ok(local.ip().to_string())
    }

    /// Waits for an answer, not for ever.
    pub(super) async fn call<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Ended> {
        self.call_within(call, self.node.config.timeouts.master, answer)
            .await
    }

    /// The same, with another limit.
    pub(super) async fn call_within<T>(
        &self,
        call: &'static str,
        limit: Duration,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Ended> {
        match tokio::time::timeout(limit, answer).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(self.refused(call, status)),
            Err(_) => Err(Ended::Timeout { call, limit }),
        }
    }

    fn refused(&self, call: &'static str, status: Status) -> Ended {
        match proto::detail_of(&status).map(|detail| detail.code()) {
            // At once: the master has restarted, and waits.
            Some(v1::ErrorCode::UnknownDatanode) if call != "register" => Ended::Again,
            _ => Ended::Call {
                call,
                status: Box::new(status),
            },
        }
    }
}

/// The state of the storages; asks the disks. Those that were taken out are named too, for they are reported as empty: a master
/// takes no report of a storage that it does not know. Masters older than `taken_out` know by `failed` that they hold nothing.
pub(super) async fn storages(replicas: &Arc<Replicas>) -> Vec<v1::StorageStatus> {
    let replicas = Arc::clone(replicas);
    let (volumes, known) = env::blocking(move || (replicas.store.volumes(), replicas.store.storages())).await;
    let here: Vec<StorageId> = volumes.iter().map(|volume| volume.storage).collect();
    let taken_out = known.into_iter().filter(|storage| !here.contains(storage));
    let taken_out = taken_out.map(|storage| v1::StorageStatus {
        id: storage_bytes(storage),
        failed: "it was taken out".to_owned(),
        taken_out: true,
        ..Default::default()
    });
    volumes.into_iter().map(storage_status).chain(taken_out).collect()
}
