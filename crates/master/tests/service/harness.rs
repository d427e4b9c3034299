//! A master in a directory of its own, clients by name, and datanodes that do only what the test says.

use std::ops::Deref;
use std::time::Duration;

use env::Env;
use master::{Config, Master};
use proto::v1::admin_client::AdminClient;
use proto::v1::membership_client::MembershipClient;
use proto::v1::namespace_client::NamespaceClient;
use proto::v1::{self, ErrorCode, ErrorDetail};
use tempfile::TempDir;
use tonic::Status;
use tonic::transport::Channel;
use types::{ChunkExtent, ChunkId, Generation};

use crate::node::Node;

pub(crate) const CHUNK_SIZE: u64 = 1 << 20;
pub(crate) const ROOT: &str = "root";

pub(crate) struct Harness {
    pub(crate) dir: TempDir,
    pub(crate) config: Config,
    pub(crate) master: Master,
    calls: Calls,
}

/// Calls of one master.
#[derive(Clone)]
pub(crate) struct Calls {
    pub(crate) fs: NamespaceClient<Channel>,
    pub(crate) members: MembershipClient<Channel>,
    pub(crate) admin: AdminClient<Channel>,
    pub(crate) cluster: String,
}

impl Deref for Harness {
    type Target = Calls;

    fn deref(&self) -> &Calls {
        &self.calls
    }
}

/// Settings under which nothing happens because of time: nobody dies, and the picture of the cluster is complete only when
/// all members have reported.
pub(crate) fn patient(dir: &TempDir) -> Config {
    Config {
        listen: "127.0.0.1:0".into(),
        http: "127.0.0.1:0".into(),
        heartbeat_interval: Duration::from_secs(3_600),
        dead_after: Duration::from_secs(36_000),
        storage_reserve: types::ByteSize(0),
        ..Config::new(dir.path(), ROOT)
    }
}

impl Harness {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = patient(&dir);
        change(&mut config);
        Self::open(dir, config).await
    }

    async fn open(dir: TempDir, config: Config) -> Self {
        Self::open_in(Env::real(), dir, config).await
    }

    /// A master in another world.
    pub(crate) async fn open_in(env: Env, dir: TempDir, config: Config) -> Self {
        let master = Master::start(env, config.clone()).await.unwrap();
        Self {
            calls: Calls::new(channel(&master), master.cluster_id().unwrap().to_string()),
            dir,
            config,
            master,
        }
    }

    /// Stops the master and starts it again on the same directory.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    pub(crate) async fn restart_with(self, change: impl FnOnce(&mut Config)) -> Self {
        let Self {
            dir,
            mut config,
            master,
            ..
        } = self;
        master.shutdown().await;
        change(&mut config);
        Self::open(dir, config).await
    }
}

impl Calls {
    pub(crate) fn new(channel: Channel, cluster: String) -> Self {
        Self {
            fs: NamespaceClient::new(channel.clone()),
            members: MembershipClient::new(channel.clone()),
            admin: AdminClient::new(channel),
            cluster,
        }
    }

    /// A datanode that has registered and reported that it has nothing.
    pub(crate) async fn node(&self, n: u8) -> Node {
        let node = self.stranger(n);
        node.register().await.unwrap();
        node.report(&[]).await.unwrap();
        node
    }

    /// A datanode that the master has not heard of.
    pub(crate) fn stranger(&self, n: u8) -> Node {
        Node {
            n,
            cluster: self.cluster.clone(),
            members: self.members.clone(),
        }
    }

    pub(crate) async fn mkdir(&self, caller: v1::Caller, path: &str, mode: u32) -> Result<(), Status> {
        let request = v1::MkdirRequest {
            caller: Some(caller),
            path: path.into(),
            mode,
            parents: true,
        };
        self.fs.clone().mkdir(request).await.map(drop)
    }

    pub(crate) async fn stat(&self, path: &str) -> Result<v1::FileStatus, Status> {
        let request = v1::StatRequest {
            caller: Some(root(0)),
            path: path.into(),
        };
        Ok(self.fs.clone().stat(request).await?.into_inner().status.unwrap())
    }

    pub(crate) async fn create(&self, caller: v1::Caller, path: &str) -> Result<u64, Status> {
        self.create_published(caller, path, v1::Publish::AtComplete).await
    }

    pub(crate) async fn create_published(
        &self,
        caller: v1::Caller,
        path: &str,
        publish: v1::Publish,
    ) -> Result<u64, Status> {
        let request = v1::CreateRequest {
            caller: Some(caller),
            path: path.into(),
            mode: 0o644,
            chunk_size: CHUNK_SIZE,
            publish: publish.into(),
            ..v1::CreateRequest::default()
        };
        Ok(self.fs.clone().create(request).await?.into_inner().inode)
    }

    pub(crate) async fn add_chunk(
        &self,
        caller: v1::Caller,
        inode: u64,
        written: &[ChunkExtent],
    ) -> Result<(ChunkExtent, Vec<v1::Replica>), Status> {
        let request = v1::AddChunkRequest {
            caller: Some(caller),
            inode,
            written: written.iter().copied().map(proto::wire_extent).collect(),
            ..v1::AddChunkRequest::default()
        };
        let added = self.fs.clone().add_chunk(request).await?.into_inner();
        Ok((proto::extent(&added.extent.unwrap()).unwrap(), added.targets))
    }

    pub(crate) async fn complete(
        &self,
        caller: v1::Caller,
        inode: u64,
        written: &[ChunkExtent],
    ) -> Result<v1::FileStatus, Status> {
        let request = v1::CompleteRequest {
            caller: Some(caller),
            inode,
            written: written.iter().copied().map(proto::wire_extent).collect(),
        };
        Ok(self
            .fs
            .clone()
            .complete(request)
            .await?
            .into_inner()
            .status
            .unwrap())
    }

    pub(crate) async fn locate(&self, path: &str, host: &str) -> Result<Vec<v1::LocatedChunk>, Status> {
        let request = v1::LocateRequest {
            caller: Some(root(0)),
            path: path.into(),
            host: host.into(),
            ..v1::LocateRequest::default()
        };
        Ok(self.fs.clone().locate(request).await?.into_inner().chunks)
    }

    /// A closed file of one chunk of `len` bytes that all of `nodes` have. Uses root's calls from `call` on.
    pub(crate) async fn file(&self, path: &str, call: u64, len: u64, nodes: &[&Node]) -> ChunkExtent {
        let inode = self.create(root(call), path).await.unwrap();
        let (chunk, _) = self.add_chunk(root(call + 1), inode, &[]).await.unwrap();
        let written = ChunkExtent { len, ..chunk };
        for node in nodes {
            node.received(written).await;
        }
        self.complete(root(call + 2), inode, &[written]).await.unwrap();
        written
    }
}

pub(crate) fn channel(master: &Master) -> Channel {
    env::net::channel(&Env::real().net, &master.grpc_addr().to_string()).unwrap()
}

pub(crate) fn user(name: &str, call: u64) -> v1::Caller {
    let client = name
        .bytes()
        .fold(7u128, |hash, byte| hash * 31 + u128::from(byte));
    v1::Caller {
        user: name.into(),
        groups: vec![format!("{name}s")],
        client_id: client.to_be_bytes().to_vec().into(),
        call_id: call,
        ..Default::default()
    }
}

pub(crate) fn root(call: u64) -> v1::Caller {
    user(ROOT, call)
}

pub(crate) fn detail<T: std::fmt::Debug>(result: Result<T, Status>) -> ErrorDetail {
    let status = result.unwrap_err();
    proto::detail_of(&status).unwrap_or_else(|| panic!("no detail: {status:?}"))
}

pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, Status>) -> ErrorCode {
    detail(result).code()
}

/// Asks until the answer is some, for what the master does in its own time.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let ask = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ask)
        .await
        .expect("it happens in the end")
}

pub(crate) fn extent(chunk: u64, generation: u64, len: u64) -> ChunkExtent {
    ChunkExtent {
        chunk: ChunkId::new(chunk).unwrap(),
        generation: Generation(generation),
        len,
    }
}
