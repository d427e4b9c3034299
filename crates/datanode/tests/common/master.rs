//! A master that notes what datanodes tell it, and says what a test wants.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use env::net::{Incoming, Network};
use proto::v1;
use proto::v1::membership_server::{Membership, MembershipServer};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};
use types::{ClusterId, DatanodeId, PoolId};

use super::in_time;

/// What happened to a replica, as it was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) datanode: DatanodeId,
    pub(crate) event: v1::ReplicaEvent,
    pub(crate) chunk: u64,
    pub(crate) generation: u64,
    pub(crate) length: u64,
}

/// A full report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FullReport {
    pub(crate) datanode: DatanodeId,
    /// Chunk, generation, length.
    pub(crate) replicas: Vec<(u64, u64, u64)>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    pub(crate) registrations: Vec<v1::RegisterRequest>,
    pub(crate) heartbeats: usize,
    pub(crate) last_heartbeat: Option<v1::HeartbeatRequest>,
    pub(crate) changes: Vec<Reported>,
    pub(crate) reports: Vec<FullReport>,
}

struct Shared {
    cluster: ClusterId,
    state: watch::Sender<Seen>,
    term: Mutex<u64>,
    commands: Mutex<Vec<v1::command::Command>>,
    standby: Mutex<bool>,
    /// The masters that it names.
    named: Mutex<Vec<String>>,
    id: u64,
    /// Registered since this master started.
    known: Mutex<Vec<DatanodeId>>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

#[derive(Clone)]
struct Service(Arc<Shared>);

pub(crate) struct FakeMaster {
    shared: Arc<Shared>,
    address: String,
    /// Its own, so that its connections end with it.
    runtime: Option<Runtime>,
}

impl Drop for FakeMaster {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl FakeMaster {
    /// The master of cluster number `cluster`.
    pub(crate) async fn start(cluster: u8) -> Self {
        Self::start_at(cluster, "127.0.0.1:0").await
    }

    pub(crate) async fn start_at(cluster: u8, address: &str) -> Self {
        let shared = Arc::new(Shared {
            cluster: ClusterId::from_random_bytes([cluster; 16]),
            state: watch::channel(Seen::default()).0,
            term: Mutex::new(5),
            commands: Mutex::default(),
            standby: Mutex::new(false),
            named: Mutex::default(),
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            known: Mutex::default(),
        });
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let wanted = address.to_owned();
        // A port that was just given up may be busy for a moment.
        let listening = runtime.spawn(async move {
            loop {
                match Network::real().listen(&wanted).await {
                    Ok(listener) => return listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
        let listener = in_time("the port", listening).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let service = MembershipServer::new(Service(Arc::clone(&shared)));
        runtime.spawn(async move {
            let router = tonic::transport::Server::builder().add_service(service);
            router.serve_with_incoming(Incoming::new(listener)).await.unwrap();
        });
        Self {
            shared,
            address,
            runtime: Some(runtime),
        }
    }

    /// Ends it, and all of its connections.
    pub(crate) fn kill(self) -> String {
        self.address.clone()
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    pub(crate) fn cluster(&self) -> ClusterId {
        self.shared.cluster
    }

    pub(crate) fn pool(&self) -> PoolId {
        PoolId::of(self.shared.cluster)
    }

    pub(crate) fn seen(&self) -> Seen {
        self.shared.state.borrow().clone()
    }

    pub(crate) fn set_term(&self, term: u64) {
        *self.shared.term.lock().unwrap() = term;
    }

    /// From now on it does not lead.
    pub(crate) fn stand_by(&self) {
        *self.shared.standby.lock().unwrap() = true;
    }

    /// The masters that it names from now on.
    pub(crate) fn name_masters(&self, masters: &[&Self]) {
        *self.shared.named.lock().unwrap() = masters.iter().map(|master| master.address()).collect();
    }

    /// Waits for a few more heartbeats.
    pub(crate) async fn some_heartbeats(&self) {
        let heartbeats = self.seen().heartbeats;
        self.wait("heartbeats", |seen| seen.heartbeats > heartbeats + 2)
            .await;
    }

    /// Goes with the next heartbeat's answer.
    pub(crate) fn command(&self, command: v1::command::Command) {
        self.shared.commands.lock().unwrap().push(command);
    }

    pub(crate) async fn wait(&self, what: &str, condition: impl FnMut(&Seen) -> bool) -> Seen {
        let mut state = self.shared.state.subscribe();
        in_time(what, state.wait_for(condition)).await.unwrap().clone()
    }

    /// Waits until a change like this is reported.
    pub(crate) async fn reported(&self, what: Reported) {
        self.wait(&format!("{what:?}"), |seen| seen.changes.contains(&what))
            .await;
    }
}

fn id(bytes: &[u8]) -> DatanodeId {
    proto::datanode_id(bytes).unwrap()
}

#[tonic::async_trait]
impl Membership for Service {
    async fn identity(
        &self,
        _: Request<v1::IdentityRequest>,
    ) -> Result<Response<v1::IdentityResponse>, Status> {
        Ok(Response::new(v1::IdentityResponse {
            cluster_id: self.0.cluster.to_string(),
            pool_id: PoolId::of(self.0.cluster).to_string(),
            term: *self.0.term.lock().unwrap(),
            version: "test".into(),
            masters: self.0.named.lock().unwrap().clone(),
            master_id: self.0.id,
        }))
    }

    async fn register(
        &self,
        request: Request<v1::RegisterRequest>,
    ) -> Result<Response<v1::RegisterResponse>, Status> {
        let request = request.into_inner();
        let datanode = id(&request.datanode.as_ref().unwrap().id);
        self.0.known.lock().unwrap().push(datanode);
        self.0.state.send_modify(|seen| seen.registrations.push(request));
        Ok(Response::new(v1::RegisterResponse {
            term: *self.0.term.lock().unwrap(),
            heartbeat_interval_ms: 20,
            block_report_interval_ms: 60_000,
            masters: self.0.named.lock().unwrap().clone(),
        }))
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        let request = request.into_inner();
        if !self.0.known.lock().unwrap().contains(&id(&request.datanode_id)) {
            return Err(proto::status(&v1::ErrorDetail {
                code: v1::ErrorCode::UnknownDatanode.into(),
                message: "register first".into(),
                ..Default::default()
            }));
        }
        let commands = std::mem::take(&mut *self.0.commands.lock().unwrap());
        self.0.state.send_modify(|seen| {
            seen.heartbeats += 1;
            seen.last_heartbeat = Some(request);
        });
        let command = |command| v1::Command {
            command: Some(command),
        };
        Ok(Response::new(v1::HeartbeatResponse {
            term: *self.0.term.lock().unwrap(),
            commands: commands.into_iter().map(command).collect(),
            leads: !*self.0.standby.lock().unwrap(),
            members: None,
            masters: self.0.named.lock().unwrap().clone(),
        }))
    }

    async fn incremental_report(
        &self,
        request: Request<v1::IncrementalReportRequest>,
    ) -> Result<Response<v1::IncrementalReportResponse>, Status> {
        let request = request.into_inner();
        let reported = request.changes.iter().map(|change| {
            let extent = change.extent.unwrap();
            Reported {
                datanode: id(&request.datanode_id),
                event: change.event(),
                chunk: extent.chunk,
                generation: extent.generation,
                length: extent.length,
            }
        });
        self.0.state.send_modify(|seen| seen.changes.extend(reported));
        Ok(Response::new(v1::IncrementalReportResponse::default()))
    }

    async fn fingerprints(
        &self,
        _request: Request<v1::FingerprintsRequest>,
    ) -> Result<Response<v1::FingerprintsResponse>, Status> {
        Err(Status::unimplemented("this master wants full reports"))
    }

    async fn block_report(
        &self,
        request: Request<Streaming<v1::BlockReportPart>>,
    ) -> Result<Response<v1::BlockReportResponse>, Status> {
        let mut parts = request.into_inner();
        let mut report: Option<FullReport> = None;
        while let Some(part) = parts.message().await? {
            let report = report.get_or_insert_with(|| FullReport {
                datanode: id(&part.datanode_id),
                replicas: Vec::new(),
            });
            for ((chunk, generation), length) in part.chunks.iter().zip(&part.generations).zip(&part.lengths)
            {
                report.replicas.push((*chunk, *generation, *length));
            }
        }
        self.0.state.send_modify(|seen| seen.reports.extend(report));
        Ok(Response::new(v1::BlockReportResponse::default()))
    }
}
