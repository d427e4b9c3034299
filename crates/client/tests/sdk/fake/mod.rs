//! A master and datanodes in this process.

mod datanode;
mod local;
mod master;
mod small;

use std::sync::Arc;
use std::time::Duration;

use client::{Config, FileSystem, Timeouts};
use env::Env;
use types::{ChunkSize, FsPath};

pub(crate) use datanode::{Datanode, Fault, Registry};
pub(crate) use local::Handing;
pub(crate) use master::{Master, Refuse};

/// A master, some datanodes, and a client of them.
pub(crate) struct Cluster {
    pub(crate) master: Arc<Master>,
    pub(crate) nodes: Vec<Arc<Datanode>>,
    pub(crate) fs: FileSystem,
}

pub(crate) const CHUNK: usize = 64 << 10;
pub(crate) const PACKET: usize = 4 << 10;

/// Short waits: a test that waits for a stall takes a fraction of a second.
pub(crate) fn timeouts() -> Timeouts {
    Timeouts {
        call: Duration::from_secs(5),
        call_total: Duration::from_secs(5),
        close: Duration::from_secs(5),
        connect: Duration::from_millis(400),
        ack: Duration::from_millis(400),
        finish: Duration::from_millis(600),
        read_stall: Duration::from_millis(300),
    }
}

pub(crate) fn config(master: &Master) -> Config {
    Config {
        packet_bytes: PACKET as u32,
        window_bytes: 32 << 10,
        memory_budget: 1 << 20,
        replication: Some(3),
        // Tests that are about it say so.
        local_reads: false,
        chunk_size: Some(ChunkSize::new(CHUNK as u64).unwrap()),
        timeouts: timeouts(),
        ..Config::new(vec![master.address()], "tester")
    }
}

impl Cluster {
    pub(crate) async fn start(datanodes: usize) -> Self {
        Self::with(datanodes, |_| {}).await
    }

    pub(crate) async fn with(datanodes: usize, adjust: impl FnOnce(&mut Config)) -> Self {
        let registry = Registry::default();
        let mut nodes = Vec::new();
        for number in 0..datanodes {
            nodes.push(Datanode::start(number, &registry).await);
        }
        let master = Master::start(&nodes).await;
        let mut config = config(&master);
        adjust(&mut config);
        let fs = FileSystem::connect(Env::real(), config).unwrap();
        Self { master, nodes, fs }
    }

    /// Writes `data` to a new file at `path` and closes it.
    pub(crate) async fn put(&self, at: &str, data: &[u8]) -> Result<(), client::Error> {
        let mut file = self.fs.create(&path(at), Default::default()).await?;
        file.write(data).await?;
        let status = file.close().await?;
        assert_eq!(status.len, data.len() as u64);
        Ok(())
    }

    /// Every replica that the master counts on has exactly `data`, in this order; answers with the replicas of each chunk.
    pub(crate) fn assert_stored(&self, at: &str, data: &[u8]) -> Vec<usize> {
        let mut rest = data;
        let mut replicas = Vec::new();
        for chunk in self.master.chunks(at) {
            let (bytes, behind) = rest.split_at(chunk.extent.len as usize);
            rest = behind;
            assert!(!chunk.nodes.is_empty());
            for id in &chunk.nodes {
                let node = self.nodes.iter().find(|node| node.id == *id).unwrap();
                let stored = node.replica(chunk.extent.chunk).unwrap();
                assert!(
                    stored.finalized,
                    "node {} chunk {}",
                    node.number, chunk.extent.chunk
                );
                assert_eq!(stored.generation, chunk.extent.generation);
                assert!(
                    stored.data == bytes,
                    "node {} chunk {} differs",
                    node.number,
                    chunk.extent.chunk
                );
            }
            replicas.push(chunk.nodes.len());
        }
        assert!(rest.is_empty(), "{} bytes are in no chunk", rest.len());
        replicas
    }
}

pub(crate) fn path(text: &str) -> FsPath {
    FsPath::parse(text).unwrap()
}

/// Bytes that differ everywhere.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    let mut data = vec![0; len];
    fastrand::Rng::with_seed(len as u64).fill(&mut data);
    data
}
