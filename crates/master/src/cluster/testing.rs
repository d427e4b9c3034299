//! A small cluster for the tests of its parts: datanodes by number, each with one storage, and metadata.

use std::time::Duration;

use namespace::{
    Command, CreateOptions, Entry, MemberStorage, Namespace, OpenedFile, Outcome, Publish, Registration,
};
use placement::{Buckets, DiskTimes, StorageReport, Target};
use types::{
    Caller, ChunkExtent, ChunkId, ChunkSize, ClientId, ClusterId, DatanodeId, FsPath, Generation, InodeId,
    RequestId, StorageId, UnixMillis,
};

use super::Cluster;
use crate::Config;

pub(crate) const NOW: Duration = Duration::from_secs(1);

/// What each write reserves.
pub(crate) const BYTES: u64 = 1 << 20;

pub(crate) fn node(n: u8) -> DatanodeId {
    DatanodeId::from_random_bytes([n; 16])
}

pub(crate) fn storage(n: u8) -> StorageId {
    StorageId::from_random_bytes([n; 16])
}

/// See the module's text.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) namespace: Namespace,
    calls: u64,
}

impl World {
    /// A cluster of the members `1..=members`, none of which has registered with this master.
    pub(crate) fn of_strangers(members: u8) -> Self {
        let mut world = Self {
            cluster: Cluster::new(&Config::new("/x", "root"), 1),
            namespace: Namespace::new(),
            calls: 0,
        };
        world.apply(Command::FormatSlotted {
            cluster: ClusterId::from_random_bytes([9; 16]),
        });
        for n in 1..=members {
            world.apply(Command::RegisterDatanode(Registration {
                id: node(n),
                host: format!("node-{n}"),
                data_port: 9866,
                rack: "/default".to_owned(),
                storages: vec![MemberStorage {
                    id: storage(n),
                    capacity: 1 << 40,
                }],
            }));
        }
        world
    }

    /// The same, all of which have registered and reported that they have nothing.
    pub(crate) fn of(members: u8) -> Self {
        let mut world = Self::of_strangers(members);
        for n in 1..=members {
            world.register(n);
            world.report(n, &[]);
        }
        world
    }

    pub(crate) fn apply(&mut self, command: Command) -> Outcome {
        self.calls += 1;
        let outcome = self.namespace.apply(&Entry {
            at: UnixMillis(self.calls),
            caller: Caller {
                user: "root".to_owned(),
                groups: Vec::new(),
                superuser: true,
            },
            request: Some(RequestId {
                client: ClientId(1),
                call: types::CallId(self.calls),
            }),
            command,
        });
        self.cluster
            .sync_members(&self.namespace, NOW, UnixMillis(self.calls));
        outcome.unwrap()
    }

    pub(crate) fn register(&mut self, n: u8) {
        let reported = StorageReport {
            id: storage(n),
            capacity: 1 << 40,
            used: 0,
            available: 1 << 40,
            chunks: 0,
            failed: None,
            times: DiskTimes::default(),
        };
        let named = (format!("node-{n}"), 9866, "/default".to_owned());
        self.cluster.view.register(NOW, node(n), named, vec![reported]);
        self.cluster.replicas.registered(storage(n));
        self.cluster.came(NOW, node(n));
    }

    pub(crate) fn report(&mut self, n: u8, has: &[ChunkExtent]) {
        self.cluster.replicas.report(storage(n), &Buckets::all(), has);
        for extent in has {
            self.judge(extent.chunk);
        }
    }

    /// Looks where everybody is, and judges all chunks.
    pub(crate) fn count(&mut self) {
        self.cluster.look_around(NOW);
        while self.cluster.recount(NOW, &self.namespace, 100) {}
    }

    /// A file that is open, with a chunk that is being written.
    pub(crate) fn open(&mut self, path: &str, replication: u16) -> (OpenedFile, ChunkExtent) {
        let options = CreateOptions {
            replication,
            chunk_size: ChunkSize::new(BYTES).unwrap(),
            mode: 0o644,
            overwrite: false,
            parents: false,
            publish: Publish::AtCreate,
        };
        let path = FsPath::parse(path).unwrap();
        match self.apply(Command::CreateWithChunk { path, options }) {
            Outcome::Begun { file, chunk } => (file, chunk),
            other => panic!("{other:?}"),
        }
    }

    /// A file of one chunk that these have.
    pub(crate) fn file(&mut self, path: &str, replication: u16, nodes: &[u8]) -> ChunkExtent {
        let (file, chunk) = self.open(path, replication);
        let written = ChunkExtent { len: 9, ..chunk };
        self.apply(Command::Complete {
            inode: file.inode,
            written: vec![written],
        });
        for &n in nodes {
            self.cluster.replicas.received(storage(n), written);
        }
        self.judge(written.chunk);
        written
    }

    /// The write of a chunk begins on these.
    pub(crate) fn begin_write(&mut self, inode: InodeId, chunk: ChunkId, nodes: &[u8]) {
        let target = |n: &u8| Target {
            datanode: node(*n),
            storage: storage(*n),
        };
        let targets: Vec<_> = nodes.iter().map(target).collect();
        self.cluster.reserve(&targets, BYTES);
        self.cluster.begin_write(chunk, inode, BYTES, targets);
    }

    /// The next generation of a chunk that is being written.
    pub(crate) fn bump(&mut self, inode: InodeId, chunk: ChunkId) -> Generation {
        match self.apply(Command::BumpGeneration { inode, chunk }) {
            Outcome::Generation(generation) => generation,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn judge(&mut self, chunk: ChunkId) {
        self.cluster.judge(NOW, &self.namespace, chunk);
    }
}
