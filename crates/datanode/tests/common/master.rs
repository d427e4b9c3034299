//! A master that notes what datanodes tell it, and says what a test wants.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use env::net::{Incoming, Network, ReservedPort};
use proto::v1;
use proto::v1::membership_server::{Membership, MembershipServer};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};
use types::fingerprint::{Fingerprint, bucket_of};
use types::{ChunkExtent, ChunkId, ClusterId, DatanodeId, Generation, PoolId};

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

/// A full report, or one of some buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FullReport {
    pub(crate) datanode: DatanodeId,
    /// None: all.
    pub(crate) buckets: Vec<u32>,
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
    /// Reports by fingerprints.
    pub(crate) comparisons: usize,
    /// Orders that came to nothing: at which datanode, chunk, why.
    pub(crate) failures: Vec<(DatanodeId, u64, String)>,
    /// What each datanode has not finished, by its last word: chunk, generation, length.
    pub(crate) unfinished: BTreeMap<DatanodeId, Vec<(u64, u64, u64)>>,
    /// What datanodes answered to recoveries.
    pub(crate) recovered: Vec<(DatanodeId, v1::RecoveryAnswer)>,
    /// What it believes the storages to have: chunk, generation and length of what is fit to be read.
    pub(crate) picture: BTreeMap<Vec<u8>, BTreeMap<u64, (u64, u64)>>,
}

struct Shared {
    cluster: ClusterId,
    state: watch::Sender<Seen>,
    term: Mutex<u64>,
    /// For one datanode, or whichever asks first.
    commands: Mutex<Vec<(Option<DatanodeId>, v1::command::Command)>>,
    /// For whichever asks next.
    recoveries: Mutex<Vec<(DatanodeId, v1::RecoverReplica)>>,
    useless: Mutex<Vec<v1::ReplicaVersion>>,
    options: Options,
    members: Mutex<v1::MembersUpdate>,
    standby: Mutex<bool>,
    /// The masters that it names.
    named: Mutex<Vec<String>>,
    id: u64,
    /// Registered since this master started.
    known: Mutex<Vec<DatanodeId>>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// What a master is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) heartbeat_ms: u64,
    pub(crate) report_ms: u64,
    /// Whether it knows of fingerprints.
    pub(crate) sums: bool,
    /// Whether it holds answers to heartbeats back until there is a command.
    pub(crate) holds: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heartbeat_ms: 20,
            report_ms: 60_000,
            sums: true,
            holds: false,
        }
    }
}

#[derive(Clone)]
struct Service(Arc<Shared>);

pub(crate) struct FakeMaster {
    shared: Arc<Shared>,
    /// Nobody else's while another one is to be started there.
    port: Arc<ReservedPort>,
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
    /// Has a replica recovered at `node`, and gives the answer.
    pub(crate) async fn recover(&self, node: DatanodeId, order: v1::RecoverReplica) -> v1::RecoveryAnswer {
        let answered = self.shared.state.borrow().recovered.len();
        self.shared.recoveries.lock().unwrap().push((node, order));
        let mut state = self.shared.state.subscribe();
        let seen = super::in_time(
            "an answer",
            state.wait_for(|seen| seen.recovered.len() > answered),
        );
        let (from, answer) = seen.await.unwrap().recovered.last().cloned().unwrap();
        assert_eq!(
            (from, answer.chunk, answer.recovery),
            (node, order.chunk, order.recovery)
        );
        answer
    }

    /// Has an unfinished replica dropped, wherever it is.
    pub(crate) fn drop_unfinished(&self, chunk: u64, generation: u64) {
        self.shared.useless.lock().unwrap().push(v1::ReplicaVersion {
            chunk,
            generation,
            only_corrupt: false,
        });
    }

    /// What a datanode says to have not finished.
    pub(crate) fn unfinished(&self, node: DatanodeId) -> Vec<(u64, u64, u64)> {
        let seen = self.shared.state.borrow();
        seen.unfinished.get(&node).cloned().unwrap_or_default()
    }

    /// The master of cluster number `cluster`.
    pub(crate) async fn start(cluster: u8) -> Self {
        Self::start_as(cluster, Options::default()).await
    }

    pub(crate) async fn start_as(cluster: u8, options: Options) -> Self {
        let port = ReservedPort::on("127.0.0.1").unwrap();
        Self::start_at(cluster, Arc::new(port), options).await
    }

    /// One where another one was.
    pub(crate) async fn start_again(cluster: u8, port: Arc<ReservedPort>) -> Self {
        Self::start_at(cluster, port, Options::default()).await
    }

    async fn start_at(cluster: u8, port: Arc<ReservedPort>, options: Options) -> Self {
        let shared = Arc::new(Shared {
            cluster: ClusterId::from_random_bytes([cluster; 16]),
            state: watch::channel(Seen::default()).0,
            term: Mutex::new(5),
            commands: Mutex::default(),
            recoveries: Mutex::default(),
            useless: Mutex::default(),
            options,
            members: Mutex::default(),
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
        let wanted = port.address().to_string();
        // The one before may listen for another moment.
        let listening = runtime.spawn(async move {
            loop {
                match Network::real().listen(&wanted).await {
                    Ok(listener) => return listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
        let listener = in_time("the port", listening).await.unwrap();
        let service = MembershipServer::new(Service(Arc::clone(&shared)));
        runtime.spawn(async move {
            let router = tonic::transport::Server::builder().add_service(service);
            router.serve_with_incoming(Incoming::new(listener)).await.unwrap();
        });
        Self {
            shared,
            port,
            runtime: Some(runtime),
        }
    }

    /// Ends it, and all of its connections. Its port is left.
    pub(crate) fn kill(self) -> Arc<ReservedPort> {
        Arc::clone(&self.port)
    }

    pub(crate) fn address(&self) -> String {
        self.port.address().to_string()
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
        self.shared.commands.lock().unwrap().push((None, command));
    }

    /// Goes with the next answer to this datanode.
    pub(crate) fn order(&self, datanode: DatanodeId, command: v1::command::Command) {
        self.shared
            .commands
            .lock()
            .unwrap()
            .push((Some(datanode), command));
    }

    /// Who the members are, for datanodes that know an older version.
    pub(crate) fn tell_members(&self, update: v1::MembersUpdate) {
        *self.shared.members.lock().unwrap() = update;
    }

    /// Changes what it believes.
    pub(crate) fn imagine(&self, change: impl FnOnce(&mut BTreeMap<Vec<u8>, BTreeMap<u64, (u64, u64)>>)) {
        self.shared.state.send_modify(|seen| change(&mut seen.picture));
    }

    /// Waits for the failure of an order for `chunk`, and gives the reason.
    pub(crate) async fn failed(&self, datanode: DatanodeId, chunk: u64) -> String {
        let of = |(at, of, _): &&(DatanodeId, u64, String)| (*at, *of) == (datanode, chunk);
        let seen = self
            .wait(&format!("a failure of {chunk}"), |seen| {
                seen.failures.iter().any(|failure| of(&failure))
            })
            .await;
        seen.failures.iter().rfind(of).unwrap().2.clone()
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

impl Service {
    fn commands_for(&self, datanode: DatanodeId) -> Vec<v1::command::Command> {
        let mut commands = self.0.commands.lock().unwrap();
        let is_for = |(to, _): &mut (Option<DatanodeId>, _)| to.is_none_or(|to| to == datanode);
        commands
            .extract_if(.., is_for)
            .map(|(_, command)| command)
            .collect()
    }
}

fn extent(chunk: u64, generation: u64, len: u64) -> ChunkExtent {
    ChunkExtent {
        chunk: ChunkId::new(chunk).unwrap(),
        generation: Generation(generation),
        len,
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
            heartbeat_interval_ms: self.0.options.heartbeat_ms,
            block_report_interval_ms: self.0.options.report_ms,
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
        let asks = id(&request.datanode_id);
        let patience = Duration::from_millis(request.patience_ms);
        let members_seen = request.members_seen;
        self.0.state.send_modify(|seen| {
            seen.heartbeats += 1;
            let failures = request.failures.iter();
            seen.failures
                .extend(failures.map(|failure| (asks, failure.chunk, failure.reason.clone())));
            seen.last_heartbeat = Some(request);
        });
        let begun = Instant::now();
        let commands = loop {
            let commands = self.commands_for(asks);
            if !commands.is_empty() || !self.0.options.holds || begun.elapsed() >= patience {
                break commands;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        let members = self.0.members.lock().unwrap().clone();
        let command = |command| v1::Command {
            command: Some(command),
        };
        Ok(Response::new(v1::HeartbeatResponse {
            term: *self.0.term.lock().unwrap(),
            commands: commands.into_iter().map(command).collect(),
            leads: !*self.0.standby.lock().unwrap(),
            members: (members.version > members_seen).then_some(members),
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
        self.0.state.send_modify(|seen| {
            seen.changes.extend(reported);
            for change in &request.changes {
                let has = seen.picture.entry(change.storage_id.to_vec()).or_default();
                let extent = change.extent.unwrap();
                match change.event() {
                    v1::ReplicaEvent::Received => {
                        has.insert(extent.chunk, (extent.generation, extent.length));
                    }
                    v1::ReplicaEvent::Deleted | v1::ReplicaEvent::Corrupt => {
                        has.remove(&extent.chunk);
                    }
                    v1::ReplicaEvent::Verified | v1::ReplicaEvent::Unspecified => {}
                }
            }
        });
        Ok(Response::new(v1::IncrementalReportResponse::default()))
    }

    async fn unfinished(
        &self,
        request: Request<v1::UnfinishedRequest>,
    ) -> Result<Response<v1::UnfinishedResponse>, Status> {
        let request = request.into_inner();
        let asks = id(&request.datanode_id);
        let told = request.replicas.iter();
        let told: Vec<_> = told.map(|e| (e.chunk, e.generation, e.length)).collect();
        self.0.state.send_modify(|seen| {
            seen.unfinished.insert(asks, told);
            seen.recovered
                .extend(request.answers.into_iter().map(|answer| (asks, answer)));
        });
        let begun = Instant::now();
        let mut answer = v1::UnfinishedResponse {
            term: *self.0.term.lock().unwrap(),
            leads: !*self.0.standby.lock().unwrap(),
            ..Default::default()
        };
        while answer.recover.is_empty() && begun.elapsed() < Duration::from_millis(100) {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let mut recoveries = self.0.recoveries.lock().unwrap();
            let (ours, others) = recoveries.drain(..).partition(|(node, _)| *node == asks);
            *recoveries = others;
            let ours: Vec<_> = ours;
            answer.recover = ours.into_iter().map(|(_, order)| order).collect();
        }
        answer.drop.clone_from(&self.0.useless.lock().unwrap());
        Ok(Response::new(answer))
    }

    async fn fingerprints(
        &self,
        request: Request<v1::FingerprintsRequest>,
    ) -> Result<Response<v1::FingerprintsResponse>, Status> {
        if !self.0.options.sums {
            return Err(Status::unimplemented("this master wants full reports"));
        }
        let mut answer = v1::FingerprintsResponse::default();
        self.0.state.send_modify(|seen| {
            seen.comparisons += 1;
            for told in request.into_inner().storages {
                let mut known = Fingerprint::default();
                for (chunk, (generation, length)) in seen.picture.entry(told.storage_id.to_vec()).or_default()
                {
                    known.add(extent(*chunk, *generation, *length));
                }
                let buckets = known.differing(&Fingerprint::from_bytes(&told.sums).unwrap());
                if !buckets.is_empty() {
                    answer.differing.push(v1::DifferingBuckets {
                        storage_id: told.storage_id,
                        buckets,
                    });
                }
            }
        });
        Ok(Response::new(answer))
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
                buckets: part.buckets.clone(),
                replicas: Vec::new(),
            });
            let listed: Vec<_> = (part.chunks.iter().zip(&part.generations).zip(&part.lengths))
                .map(|((chunk, generation), length)| (*chunk, (*generation, *length)))
                .collect();
            self.0.state.send_modify(|seen| {
                // Tests have no more than one part of a storage.
                assert!(part.last_of_storage);
                let has = seen.picture.entry(part.storage_id.to_vec()).or_default();
                has.retain(|chunk, _| {
                    !part.buckets.is_empty()
                        && !part
                            .buckets
                            .contains(&(bucket_of(ChunkId::new(*chunk).unwrap()) as u32))
                });
                has.extend(listed);
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
