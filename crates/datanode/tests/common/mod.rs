//! A small cluster in one process: a fake master, datanodes over real sockets and temporary directories, and a client that
//! speaks the data plane by hand.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

pub(crate) mod client;
pub(crate) mod master;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use datanode::{Config, Datanode, Reserve};
use env::Env;
use env::disk::{Disk, FaultDisk, Faults, RealDisk};
use env::net::Network;
use tempfile::TempDir;
use transfer::{Block, Node};
use types::{ChunkId, Generation};

use self::master::FakeMaster;

/// Longer than anything takes: a test that waits for ever fails instead.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// Waits for what nothing tells of.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    in_time(what, async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Bytes that differ from place to place.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..len).map(step).collect()
}

/// A datanode with a directory and a disk that can be made to fail.
pub(crate) struct TestNode {
    pub(crate) datanode: Option<Datanode>,
    pub(crate) dir: TempDir,
    pub(crate) disk: FaultDisk,
    /// How it reaches others.
    pub(crate) net: Network,
    /// On the disk as it is: nothing can be made to fail, and files have descriptors.
    pub(crate) plain: bool,
}

impl TestNode {
    pub(crate) fn new() -> Self {
        Self {
            datanode: None,
            dir: tempfile::tempdir().unwrap(),
            disk: FaultDisk::new(Arc::new(RealDisk)),
            net: Network::real(),
            plain: false,
        }
    }

    pub(crate) fn config(&self, master: &FakeMaster) -> Config {
        let mut config = Config::new(vec![self.dir.path().to_owned()], vec![master.address()]);
        config.listen = "127.0.0.1:0".to_owned();
        config.reserve = Reserve::Bytes(0);
        // Tests look at the files of replicas.
        config.packed_max = 0;
        config.timeouts.reconnect_max = Duration::from_millis(200);
        config
    }

    pub(crate) async fn start(&mut self, master: &FakeMaster) {
        let config = self.config(master);
        self.start_with(config).await;
        in_time("registration", self.running().registered()).await;
    }

    pub(crate) async fn start_with(&mut self, config: Config) {
        let disk: Arc<dyn Disk> = match self.plain {
            true => Arc::new(RealDisk),
            false => Arc::new(self.disk.clone()),
        };
        let env = Env {
            disk,
            net: self.net.clone(),
            ..Env::real()
        };
        self.datanode = Some(Datanode::start(env, config).await.unwrap());
    }

    pub(crate) fn running(&self) -> &Datanode {
        self.datanode.as_ref().unwrap()
    }

    pub(crate) async fn stop(&mut self) {
        let datanode = self.datanode.take().unwrap();
        in_time("shutdown", datanode.shutdown()).await;
    }

    pub(crate) fn faults(&self) -> &Faults {
        self.disk.faults()
    }

    /// As pipelines name it.
    pub(crate) fn node(&self) -> Node {
        Node::new(self.running().id(), &self.running().data_addr().to_string()).unwrap()
    }

    pub(crate) fn temporary_files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.dir.path().join("tmp")).unwrap();
        files.map(|entry| entry.unwrap().path()).collect()
    }

    /// The data file of a finalized replica.
    pub(crate) fn data_file(&self, block: &Block) -> PathBuf {
        let bucket = format!("{:02x}", block.chunk.as_u64() & 0xff);
        let name = format!("chunk-{}", block.pool.chunk_uuid(block.chunk));
        self.dir.path().join("chunks").join(bucket).join(name)
    }
}

/// A fake master and datanodes that are registered with it.
pub(crate) struct Cluster {
    pub(crate) master: FakeMaster,
    pub(crate) nodes: Vec<TestNode>,
}

impl Cluster {
    pub(crate) async fn start(count: usize) -> Self {
        Self::start_with(count, |_| {}).await
    }

    pub(crate) async fn start_with(count: usize, change: impl Fn(&mut Config)) -> Self {
        let master = FakeMaster::start(1).await;
        Self::start_under(master, count, |_, config| change(config)).await
    }

    /// As [`start_with`](Self::start_with), where each node may differ, under this master.
    pub(crate) async fn start_under(
        master: FakeMaster,
        count: usize,
        change: impl Fn(usize, &mut Config),
    ) -> Self {
        let mut nodes = Vec::new();
        for at in 0..count {
            let mut node = TestNode::new();
            let mut config = node.config(&master);
            change(at, &mut config);
            node.start_with(config).await;
            in_time("registration", node.running().registered()).await;
            nodes.push(node);
        }
        Self { master, nodes }
    }

    pub(crate) fn block(&self, id: u64, generation: u64) -> Block {
        Block {
            pool: self.master.pool(),
            chunk: ChunkId::new(id).unwrap(),
            generation: Generation(generation),
            len: 0,
        }
    }

    /// The datanodes at these positions, as pipelines name them.
    pub(crate) fn pipeline(&self, positions: &[usize]) -> Vec<Node> {
        positions.iter().map(|&at| self.nodes[at].node()).collect()
    }
}
