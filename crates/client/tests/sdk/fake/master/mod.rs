//! A master with one table of files, which it keeps as the real one does as far as a client can tell.

mod files;
mod service;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use env::net::{Incoming, Network};
use proto::v1::admin_server::AdminServer;
use proto::v1::namespace_server::NamespaceServer;
use proto::v1::{self, ErrorCode, ErrorDetail};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tonic::Status;
use types::{ChunkExtent, ChunkId, DatanodeId, Generation};

use super::Datanode;

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
