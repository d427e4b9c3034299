//! A master with one table of files, which it keeps as the real one does as far as a client can tell.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use env::net::{Incoming, Network};
use proto::v1::admin_server::{Admin, AdminServer};
use proto::v1::namespace_server::{Namespace, NamespaceServer};
use proto::v1::{self, ErrorCode, ErrorDetail, operation, operation_result};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use types::{ChunkExtent, ChunkId, DatanodeId, Generation};

use super::Datanode;

type Answer<T> = Result<Response<T>, Status>;

#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) extent: ChunkExtent,
    pub(crate) acknowledged: bool,
    pub(crate) nodes: Vec<DatanodeId>,
    highest: u64,
}

#[derive(Debug, Clone)]
struct File {
    inode: u64,
    complete: bool,
    chunk_size: u64,
    replication: u32,
    chunks: Vec<Chunk>,
}

/// How the next calls of a kind are answered instead.
#[derive(Debug, Clone)]
pub(crate) enum Refuse {
    NotReady,
    SafeMode,
    /// Takes the call, and is silent until it is thawed.
    Hang,
    NotLeader(String),
    NotReplicated,
    /// As if the connection broke after the call was carried out.
    LoseAnswer,
}

#[derive(Default)]
struct State {
    files: HashMap<String, File>,
    next_chunk: u64,
    nodes: Vec<Arc<Datanode>>,
    calls: Vec<(&'static str, u64)>,
    refuse: HashMap<&'static str, VecDeque<Refuse>>,
    corrupt: Vec<(ChunkId, DatanodeId)>,
    excluded: Vec<Vec<DatanodeId>>,
    /// What `Locate` answers of each chunk, instead of the truth; the last stays.
    located: HashMap<ChunkId, VecDeque<Vec<usize>>>,
    /// It leads; else it names those.
    follows: Option<Vec<String>>,
    /// It knows messages of many operations, and gives files their first chunk; else it is as one of before.
    batches: bool,
    /// How many operations each of them had.
    batched: Vec<usize>,
}

pub(crate) struct Master {
    address: String,
    state: Mutex<State>,
    /// As a process that is stopped: it takes what comes, and answers nothing.
    frozen: watch::Sender<bool>,
    /// What it says of the masters; none: it knows no such question.
    says: Mutex<Option<v1::MastersResponse>>,
    /// Questions about the masters that were asked.
    pub(crate) asked: watch::Sender<usize>,
    /// Its own, so that its connections end with it.
    runtime: Mutex<Option<Runtime>>,
}

pub(crate) const MIN_REPLICAS: u32 = 2;

fn refused(code: ErrorCode, message: impl Into<String>) -> Status {
    proto::status(&ErrorDetail {
        code: code.into(),
        message: message.into(),
        ..Default::default()
    })
}

impl State {
    fn file(&mut self, inode: u64) -> Result<&mut File, Status> {
        let file = self
            .files
            .values_mut()
            .find(|file| file.inode == inode && !file.complete);
        file.ok_or_else(|| refused(ErrorCode::LeaseLost, format!("file {inode} is not being written")))
    }

    fn chunk(&mut self, inode: u64, chunk: u64) -> Result<&mut Chunk, Status> {
        let chunks = &mut self.file(inode)?.chunks;
        let found = chunks
            .iter_mut()
            .find(|found| found.extent.chunk.as_u64() == chunk);
        found.ok_or_else(|| refused(ErrorCode::Invalid, "no such chunk"))
    }

    fn commit(&mut self, inode: u64, written: &[v1::Extent]) -> Result<(), Status> {
        for extent in written {
            let chunk = self.chunk(inode, extent.chunk)?;
            if extent.generation < chunk.extent.generation.as_u64() || extent.generation > chunk.highest {
                return Err(refused(ErrorCode::Invalid, "generation"));
            }
            chunk.extent.generation = Generation(extent.generation);
            chunk.extent.len = extent.length;
            chunk.acknowledged = true;
        }
        Ok(())
    }

    /// One more chunk, on these nodes.
    fn push_chunk(&mut self, inode: u64, nodes: &[Arc<Datanode>]) -> Result<ChunkExtent, Status> {
        let extent = ChunkExtent {
            chunk: ChunkId::new(self.next_chunk).unwrap(),
            generation: Generation(1),
            len: 0,
        };
        self.next_chunk += 1;
        self.file(inode)?.chunks.push(Chunk {
            extent,
            acknowledged: false,
            nodes: nodes.iter().map(|node| node.id).collect(),
            highest: 1,
        });
        Ok(extent)
    }

    /// Datanodes that may be used, or a denial. The master does not know who is dead: the client has to find out.
    fn choose(
        &self,
        wanted: usize,
        required: usize,
        exclude: &[DatanodeId],
    ) -> Result<Vec<Arc<Datanode>>, Status> {
        let (out, good): (Vec<_>, Vec<_>) = self
            .nodes
            .iter()
            .cloned()
            .partition(|node| exclude.contains(&node.id));
        if good.len() >= required {
            return Ok(good.into_iter().take(wanted).collect());
        }
        let refusals = out.iter().map(|node| v1::Refusal {
            datanode: node.address.clone(),
            reason: "excluded by the client".into(),
        });
        Err(proto::status(&ErrorDetail {
            code: ErrorCode::WriteDenied.into(),
            message: "write denied".into(),
            write_denied: Some(v1::WriteDenied {
                wanted: wanted as u32,
                required: required as u32,
                available: good.len() as u32,
                refusals: refusals.collect(),
            }),
            ..Default::default()
        }))
    }

    fn status(&self, path: &str) -> Result<v1::FileStatus, Status> {
        let file = self
            .files
            .get(path)
            .ok_or_else(|| refused(ErrorCode::NotFound, format!("{path}: no such file or directory")))?;
        Ok(v1::FileStatus {
            inode: file.inode,
            name: path.rsplit('/').next().unwrap().to_owned(),
            kind: v1::FileKind::File.into(),
            length: file.chunks.iter().map(|chunk| chunk.extent.len).sum(),
            mode: 0o644,
            owner: "tester".into(),
            group: "tester".into(),
            replication: file.replication,
            chunk_size: file.chunk_size,
            being_written: !file.complete,
            ..Default::default()
        })
    }
}

fn replica(node: &Datanode) -> v1::Replica {
    let (host, port) = node.address.rsplit_once(':').unwrap();
    v1::Replica {
        datanode: Some(v1::Datanode {
            id: node.id.0.as_bytes().to_vec().into(),
            host: host.to_owned(),
            data_port: port.parse().unwrap(),
            rack: "/r".into(),
        }),
        storage_id: vec![0; 16].into(),
        state: v1::ReplicaState::Finalized.into(),
    }
}

fn ids(raw: &[bytes::Bytes]) -> Vec<DatanodeId> {
    raw.iter().map(|id| proto::datanode_id(id).unwrap()).collect()
}

impl Master {
    pub(crate) async fn start(nodes: &[Arc<Datanode>]) -> Arc<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listening = runtime.spawn(async { Network::real().listen("127.0.0.1:0").await.unwrap() });
        let listener = listening.await.unwrap();
        let master = Arc::new(Self {
            address: listener.local_addr().unwrap().to_string(),
            state: Mutex::new(State {
                nodes: nodes.to_vec(),
                next_chunk: 1,
                ..State::default()
            }),
            frozen: watch::channel(false).0,
            says: Mutex::default(),
            asked: watch::channel(0).0,
            runtime: Mutex::default(),
        });
        let router = tonic::transport::Server::builder()
            .add_service(NamespaceServer::from_arc(Arc::clone(&master)))
            .add_service(AdminServer::from_arc(Arc::clone(&master)));
        runtime.spawn(router.serve_with_incoming(Incoming::new(listener)));
        *master.runtime.lock().unwrap() = Some(runtime);
        master
    }

    /// Ends it, and all of its connections.
    pub(crate) fn kill(&self) {
        self.runtime.lock().unwrap().take().unwrap().shutdown_background();
    }

    pub(crate) fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    pub(crate) fn thaw(&self) {
        self.frozen.send_replace(false);
    }

    /// Makes `leader` the leader of `term`, as this master sees it; it refuses calls, with a hint, if it is another one.
    pub(crate) fn sees(&self, masters: &[&Arc<Self>], leader: Option<usize>, term: u64) {
        let own = masters
            .iter()
            .position(|one| one.address == self.address)
            .unwrap();
        let status = |(number, one): (usize, &&Arc<Self>)| v1::MasterStatus {
            id: number as u64 + 1,
            address: one.address(),
            ..Default::default()
        };
        *self.says.lock().unwrap() = Some(v1::MastersResponse {
            asked: own as u64 + 1,
            leader: leader.map_or(0, |leader| leader as u64 + 1),
            term,
            masters: masters.iter().enumerate().map(status).collect(),
            ..Default::default()
        });
        self.follow(match leader {
            Some(leader) if leader == own => None,
            Some(leader) => Some(vec![masters[leader].address()]),
            None => Some(Vec::new()),
        });
    }

    /// Refuses calls and names these instead; none: it leads.
    pub(crate) fn follow(&self, named: Option<Vec<String>>) {
        self.state().follows = named;
    }

    /// Takes messages of many operations from now on.
    pub(crate) fn serve_batches(&self) {
        self.state().batches = true;
    }

    /// How many operations each message of many had.
    pub(crate) fn batched(&self) -> Vec<usize> {
        self.state().batched.clone()
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn refuse(&self, call: &'static str, how: impl IntoIterator<Item = Refuse>) {
        self.state().refuse.entry(call).or_default().extend(how);
    }

    /// The call ids of the calls of a kind, in order.
    pub(crate) fn calls(&self, call: &str) -> Vec<u64> {
        let state = self.state();
        state
            .calls
            .iter()
            .filter(|(name, _)| *name == call)
            .map(|(_, id)| *id)
            .collect()
    }

    pub(crate) fn chunks(&self, path: &str) -> Vec<Chunk> {
        self.state().files[path].chunks.clone()
    }

    pub(crate) fn is_complete(&self, path: &str) -> bool {
        self.state().files.get(path).is_some_and(|file| file.complete)
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.state().files.contains_key(path)
    }

    pub(crate) fn corrupt(&self) -> Vec<(ChunkId, DatanodeId)> {
        self.state().corrupt.clone()
    }

    pub(crate) fn excluded(&self) -> Vec<Vec<DatanodeId>> {
        self.state().excluded.clone()
    }

    /// Which nodes the next answers name for `chunk`; the last one stays.
    pub(crate) fn locate_as(&self, chunk: ChunkId, answers: &[&[usize]]) {
        let answers = answers.iter().map(|nodes| nodes.to_vec()).collect();
        self.state().located.insert(chunk, answers);
    }

    /// A complete file of `chunks`, whose bytes every datanode has.
    pub(crate) fn add_file(&self, path: &str, chunks: &[&[u8]]) -> Vec<ChunkId> {
        let mut state = self.state();
        let mut added = Vec::new();
        for data in chunks {
            let chunk = ChunkId::new(state.next_chunk).unwrap();
            state.next_chunk += 1;
            for node in &state.nodes {
                node.store(chunk, Generation(1), data);
            }
            added.push(Chunk {
                extent: ChunkExtent {
                    chunk,
                    generation: Generation(1),
                    len: data.len() as u64,
                },
                acknowledged: true,
                nodes: state.nodes.iter().map(|node| node.id).collect(),
                highest: 1,
            });
        }
        let ids = added.iter().map(|chunk| chunk.extent.chunk).collect();
        let inode = 100 + state.files.len() as u64;
        let file = File {
            inode,
            complete: true,
            chunk_size: 64 << 10,
            replication: 3,
            chunks: added,
        };
        state.files.insert(path.to_owned(), file);
        ids
    }

    /// Notes the call, and refuses it if a test wants that. `true`: carry it out, but lose the answer.
    async fn note(&self, call: &'static str, caller: Option<&v1::Caller>) -> Result<bool, Status> {
        let refuse = {
            let mut state = self.state();
            state
                .calls
                .push((call, caller.map_or(0, |caller| caller.call_id)));
            state.refuse.get_mut(call).and_then(VecDeque::pop_front)
        };
        if matches!(refuse, Some(Refuse::Hang)) {
            self.freeze_this_call().await;
        }
        self.awake().await;
        if let Some(named) = self.state().follows.clone() {
            return Err(not_leader(named));
        }
        match refuse {
            None | Some(Refuse::Hang) => Ok(false),
            Some(Refuse::LoseAnswer) => Ok(true),
            Some(Refuse::NotReady) => Err(refused(ErrorCode::NotReady, "starting")),
            Some(Refuse::SafeMode) => Err(refused(ErrorCode::SafeMode, "the cluster is read-only")),
            Some(Refuse::NotReplicated) => Err(refused(ErrorCode::NotReplicated, "not on disk yet")),
            Some(Refuse::NotLeader(instead)) => Err(not_leader(vec![instead])),
        }
    }

    /// One operation of many.
    async fn operation(
        &self,
        caller: Option<v1::Caller>,
        kind: operation::Kind,
    ) -> Result<operation_result::Result, Status> {
        use operation::Kind;
        use operation_result::Result as Done;
        Ok(match kind {
            Kind::Create(mut request) => {
                request.caller = caller;
                Done::Create(self.create(Request::new(request)).await?.into_inner())
            }
            Kind::Complete(mut request) => {
                request.caller = caller;
                Done::Complete(self.complete(Request::new(request)).await?.into_inner())
            }
            Kind::Locate(mut request) => {
                request.caller = caller;
                Done::Locate(self.locate(Request::new(request)).await?.into_inner())
            }
            other => panic!("unexpected {other:?}"),
        })
    }

    async fn awake(&self) {
        let mut frozen = self.frozen.subscribe();
        let _ = frozen.wait_for(|frozen| !frozen).await;
    }

    /// This call waits for the next thaw, all others go on.
    async fn freeze_this_call(&self) {
        let mut frozen = self.frozen.subscribe();
        let _ = frozen.changed().await;
    }
}

fn not_leader(masters: Vec<String>) -> Status {
    proto::status(&ErrorDetail {
        code: ErrorCode::NotLeader.into(),
        message: "not the leader".into(),
        masters,
        ..Default::default()
    })
}

macro_rules! no_admin {
    ($($method:ident($request:ident) -> $response:ident;)*) => {
        #[tonic::async_trait]
        impl Admin for Master {
            type BackupStream = tonic::codegen::BoxStream<v1::BackupPart>;

            $(
                async fn $method(&self, _: Request<v1::$request>) -> Answer<v1::$response> {
                    Err(Status::unimplemented(stringify!($method)))
                }
            )*

            async fn backup(&self, _: Request<v1::BackupRequest>) -> Answer<Self::BackupStream> {
                Err(Status::unimplemented("backup"))
            }

            async fn masters(&self, _: Request<v1::MastersRequest>) -> Answer<v1::MastersResponse> {
                self.asked.send_modify(|asked| *asked += 1);
                self.awake().await;
                let says = self.says.lock().unwrap().clone();
                says.map(Response::new).ok_or_else(|| Status::unimplemented("masters"))
            }
        }
    };
}

no_admin! {
    add_master(AddMasterRequest) -> AddMasterResponse;
    remove_master(RemoveMasterRequest) -> RemoveMasterResponse;
    transfer_leadership(TransferLeadershipRequest) -> TransferLeadershipResponse;
    safe_mode_status(SafeModeStatusRequest) -> SafeModeStatusResponse;
    set_safe_mode(SetSafeModeRequest) -> SetSafeModeResponse;
    checkpoint(CheckpointRequest) -> CheckpointResponse;
    ping(PingRequest) -> PingResponse;
}

macro_rules! not_needed {
    ($($method:ident($request:ident) -> $response:ident;)*) => {
        #[tonic::async_trait]
        impl Namespace for Master {
            $(
                async fn $method(&self, _: Request<v1::$request>) -> Answer<v1::$response> {
                    Err(Status::unimplemented(stringify!($method)))
                }
            )*

            async fn server_info(&self, _: Request<v1::ServerInfoRequest>) -> Answer<v1::ServerInfoResponse> {
                self.note("server_info", None).await?;
                let cluster = types::ClusterId::from_random_bytes([7; 16]);
                Ok(Response::new(v1::ServerInfoResponse {
                    cluster_id: cluster.to_string(),
                    pool_id: types::PoolId::of(cluster).to_string(),
                    version: "0".into(),
                    replication: 3,
                    chunk_size: 64 << 20,
                    min_replicas: MIN_REPLICAS,
                    lease_soft_limit_ms: 300,
                }))
            }

            async fn stat(&self, request: Request<v1::StatRequest>) -> Answer<v1::StatResponse> {
                let request = request.into_inner();
                self.note("stat", request.caller.as_ref()).await?;
                let status = self.state().status(&request.path)?;
                Ok(Response::new(v1::StatResponse { status: Some(status) }))
            }

            async fn list(&self, request: Request<v1::ListRequest>) -> Answer<v1::ListResponse> {
                let request = request.into_inner();
                self.note("list", request.caller.as_ref()).await?;
                let state = self.state();
                let mut names: Vec<_> = state.files.keys().filter(|name| name[1..] > *request.start_after).collect();
                names.sort();
                let more = names.len() > 2;
                let entries = names.into_iter().take(2).map(|name| state.status(name)).collect::<Result<_, _>>()?;
                Ok(Response::new(v1::ListResponse { entries, more }))
            }

            async fn mkdir(&self, request: Request<v1::MkdirRequest>) -> Answer<v1::MkdirResponse> {
                match self.note("mkdir", request.into_inner().caller.as_ref()).await? {
                    true => Err(Status::unavailable("the connection broke")),
                    false => Ok(Response::new(v1::MkdirResponse {})),
                }
            }

            async fn locate(&self, request: Request<v1::LocateRequest>) -> Answer<v1::LocateResponse> {
                let request = request.into_inner();
                self.note("locate", request.caller.as_ref()).await?;
                let mut state = self.state();
                let status = state.status(&request.path)?;
                let mut offset = 0;
                let mut chunks = Vec::new();
                for chunk in state.files[&request.path].chunks.clone() {
                    let nodes: Vec<_> = match state.located.get_mut(&chunk.extent.chunk) {
                        Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
                        Some(answers) => answers[0].clone(),
                        None => (0..state.nodes.len()).filter(|n| chunk.nodes.contains(&state.nodes[*n].id)).collect(),
                    };
                    if offset + chunk.extent.len > request.offset && chunks.len() < 2 {
                        chunks.push(v1::LocatedChunk {
                            extent: Some(proto::wire_extent(chunk.extent)),
                            offset,
                            replicas: nodes.into_iter().map(|n| replica(&state.nodes[n])).collect(),
                            token: Default::default(),
                            open: false,
                        });
                    }
                    offset += chunk.extent.len;
                }
                Ok(Response::new(v1::LocateResponse { status: Some(status), chunks }))
            }

            async fn create(&self, request: Request<v1::CreateRequest>) -> Answer<v1::CreateResponse> {
                let request = request.into_inner();
                self.note("create", request.caller.as_ref()).await?;
                let mut state = self.state();
                let inode = 100 + state.files.len() as u64;
                let file = File {
                    inode,
                    complete: false,
                    chunk_size: request.chunk_size,
                    replication: request.replication,
                    chunks: Vec::new(),
                };
                state.files.insert(request.path, file);
                let mut answer = v1::CreateResponse {
                    inode,
                    replication: request.replication,
                    chunk_size: request.chunk_size,
                    ..Default::default()
                };
                if request.with_chunk && state.batches {
                    let (wanted, required) = (request.replication, MIN_REPLICAS.min(request.replication));
                    let nodes = state.choose(wanted as usize, required as usize, &ids(&request.exclude));
                    let nodes = nodes.unwrap_or_default();
                    answer.extent = Some(proto::wire_extent(state.push_chunk(inode, &nodes)?));
                    answer.targets = nodes.iter().map(|node| replica(node)).collect();
                }
                Ok(Response::new(answer))
            }

            async fn batch(&self, request: Request<v1::BatchRequest>) -> Answer<v1::BatchResponse> {
                let request = request.into_inner();
                if !self.state().batches {
                    return Err(Status::unimplemented("batch"));
                }
                let lost = self.note("batch", request.caller.as_ref()).await?;
                self.state().batched.push(request.operations.len());
                let mut results = Vec::new();
                for operation in request.operations {
                    let caller = Some(v1::Caller {
                        call_id: operation.call_id,
                        ..request.caller.clone().unwrap()
                    });
                    let result = self.operation(caller, operation.kind.unwrap()).await;
                    let result = result.unwrap_or_else(|status| {
                        operation_result::Result::Error(proto::detail_of(&status).unwrap())
                    });
                    results.push(v1::OperationResult { result: Some(result) });
                }
                match lost {
                    true => Err(Status::unavailable("the connection broke")),
                    false => Ok(Response::new(v1::BatchResponse { results })),
                }
            }

            async fn sync(&self, request: Request<v1::SyncRequest>) -> Answer<v1::SyncResponse> {
                let request = request.into_inner();
                self.note("sync", request.caller.as_ref()).await?;
                let mut state = self.state();
                state.commit(request.inode, &request.written)?;
                if let Some(open) = request.open {
                    let chunk = state.chunk(request.inode, open.chunk)?;
                    assert_eq!(chunk.extent.generation.as_u64(), open.generation);
                    chunk.extent.len = open.length;
                }
                Ok(Response::new(v1::SyncResponse {}))
            }

            async fn add_chunk(&self, request: Request<v1::AddChunkRequest>) -> Answer<v1::AddChunkResponse> {
                let request = request.into_inner();
                self.note("add_chunk", request.caller.as_ref()).await?;
                let mut state = self.state();
                state.commit(request.inode, &request.written)?;
                let exclude = ids(&request.exclude);
                state.excluded.push(exclude.clone());
                let replication = state.file(request.inode)?.replication;
                let nodes =
                    state.choose(replication as usize, MIN_REPLICAS.min(replication) as usize, &exclude)?;
                let extent = state.push_chunk(request.inode, &nodes)?;
                Ok(Response::new(v1::AddChunkResponse {
                    extent: Some(proto::wire_extent(extent)),
                    targets: nodes.iter().map(|node| replica(node)).collect(),
                    token: Default::default(),
                }))
            }

            async fn abandon_chunk(
                &self,
                request: Request<v1::AbandonChunkRequest>,
            ) -> Answer<v1::AbandonChunkResponse> {
                let request = request.into_inner();
                self.note("abandon_chunk", request.caller.as_ref()).await?;
                let mut state = self.state();
                let file = state.file(request.inode)?;
                file.chunks.retain(|chunk| chunk.extent.chunk.as_u64() != request.chunk);
                Ok(Response::new(v1::AbandonChunkResponse {}))
            }

            async fn abandon_file(
                &self,
                request: Request<v1::AbandonFileRequest>,
            ) -> Answer<v1::AbandonFileResponse> {
                let request = request.into_inner();
                self.note("abandon_file", request.caller.as_ref()).await?;
                let mut state = self.state();
                state.file(request.inode)?;
                state.files.retain(|_, file| file.inode != request.inode);
                Ok(Response::new(v1::AbandonFileResponse {}))
            }

            async fn complete(&self, request: Request<v1::CompleteRequest>) -> Answer<v1::CompleteResponse> {
                let request = request.into_inner();
                self.note("complete", request.caller.as_ref()).await?;
                let mut state = self.state();
                state.commit(request.inode, &request.written)?;
                let file = state.file(request.inode)?;
                if !file.chunks.iter().all(|chunk| chunk.acknowledged) {
                    return Err(refused(ErrorCode::Invalid, "a chunk is not acknowledged"));
                }
                file.chunks.retain(|chunk| chunk.extent.len > 0);
                file.complete = true;
                let path = state.files.iter().find(|(_, file)| file.inode == request.inode).unwrap().0.clone();
                let status = state.status(&path)?;
                Ok(Response::new(v1::CompleteResponse { status: Some(status) }))
            }

            async fn renew_lease(&self, request: Request<v1::RenewLeaseRequest>) -> Answer<v1::RenewLeaseResponse> {
                self.note("renew_lease", request.into_inner().caller.as_ref()).await?;
                Ok(Response::new(v1::RenewLeaseResponse {}))
            }

            async fn bump_generation(
                &self,
                request: Request<v1::BumpGenerationRequest>,
            ) -> Answer<v1::BumpGenerationResponse> {
                let request = request.into_inner();
                self.note("bump_generation", request.caller.as_ref()).await?;
                let mut state = self.state();
                let chunk = state.chunk(request.inode, request.chunk)?;
                chunk.highest += 1;
                Ok(Response::new(v1::BumpGenerationResponse {
                    generation: chunk.highest,
                    token: Default::default(),
                }))
            }

            async fn additional_datanodes(
                &self,
                request: Request<v1::AdditionalDatanodesRequest>,
            ) -> Answer<v1::AdditionalDatanodesResponse> {
                let request = request.into_inner();
                self.note("additional_datanodes", request.caller.as_ref()).await?;
                let mut exclude = ids(&request.exclude);
                exclude.extend(ids(&request.existing));
                let count = request.count as usize;
                let nodes = self.state().choose(count, count, &exclude)?;
                Ok(Response::new(v1::AdditionalDatanodesResponse {
                    targets: nodes.iter().map(|node| replica(node)).collect(),
                }))
            }

            async fn update_pipeline(
                &self,
                request: Request<v1::UpdatePipelineRequest>,
            ) -> Answer<v1::UpdatePipelineResponse> {
                let request = request.into_inner();
                self.note("update_pipeline", request.caller.as_ref()).await?;
                let mut state = self.state();
                let chunk = state.chunk(request.inode, request.chunk)?;
                assert!(request.generation <= chunk.highest);
                chunk.extent.generation = Generation(request.generation);
                chunk.nodes = ids(&request.datanodes);
                Ok(Response::new(v1::UpdatePipelineResponse {}))
            }

            async fn report_corrupt(
                &self,
                request: Request<v1::ReportCorruptRequest>,
            ) -> Answer<v1::ReportCorruptResponse> {
                let request = request.into_inner();
                let node = proto::datanode_id(&request.datanode_id).unwrap();
                self.state().corrupt.push((ChunkId::new(request.chunk).unwrap(), node));
                Ok(Response::new(v1::ReportCorruptResponse {}))
            }
        }
    };
}

not_needed! {
    content_summary(ContentSummaryRequest) -> ContentSummaryResponse;
    cluster_space(ClusterSpaceRequest) -> ClusterSpaceResponse;
    rename(RenameRequest) -> RenameResponse;
    delete(DeleteRequest) -> DeleteResponse;
    set_mode(SetModeRequest) -> SetModeResponse;
    set_owner(SetOwnerRequest) -> SetOwnerResponse;
    set_replication(SetReplicationRequest) -> SetReplicationResponse;
    set_times(SetTimesRequest) -> SetTimesResponse;
    append(AppendRequest) -> AppendResponse;
    recover_lease(RecoverLeaseRequest) -> RecoverLeaseResponse;
    append_chunk(AppendChunkRequest) -> AppendChunkResponse;
    truncate(TruncateRequest) -> TruncateResponse;
    concat(ConcatRequest) -> ConcatResponse;
}
