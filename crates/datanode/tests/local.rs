//! Files of replicas, handed to programs on this host.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::client::{Connection, Pipeline, Setup, put};
use common::master::FakeMaster;
use common::{Cluster, TestNode, bytes, in_time};
use datanode::LocalSocket;
use env::disk::{File, read_exact_at};
use env::net::Network;
use transfer::pb::{self, Status};
use transfer::{Block, LOCAL_FILES_VERSION, Op, base_header, checksum};

fn request(block: &Block, max_version: u32) -> Op {
    Op::RequestShortCircuitFds(pb::OpRequestShortCircuitAccessProto {
        header: base_header(block),
        max_version,
        slot_id: None,
        supports_receipt_verification: None,
    })
}

/// One datanode on the disk as it is.
async fn start(change: impl Fn(&TestNode, &mut datanode::Config)) -> Cluster {
    let master = FakeMaster::start(1).await;
    let mut node = TestNode::new();
    node.plain = true;
    let mut config = node.config(&master);
    config.packed_max = 64 << 10;
    change(&node, &mut config);
    node.start_with(config).await;
    in_time("registration", node.running().registered()).await;
    Cluster {
        master,
        nodes: vec![node],
    }
}

async fn local(path: &Path) -> Connection {
    let stream = Network::real().connect_local(path).await.unwrap();
    let (reader, writer) = wire::split(stream);
    Connection { reader, writer }
}

/// Where the datanode says that programs on its host are to go.
async fn told(cluster: &Cluster, block: &Block) -> Option<PathBuf> {
    let mut connection = Connection::to(&cluster.nodes[0].node()).await;
    let answer = connection.ask(request(block, LOCAL_FILES_VERSION)).await;
    assert_eq!(answer.status(), Status::ErrorUnsupported);
    Some(answer.local?.socket_path?.into())
}

struct Handed {
    about: pb::LocalReplicaProto,
    files: Vec<Arc<dyn File>>,
}

impl Handed {
    async fn of(connection: &mut Connection, block: &Block) -> Self {
        let op = request(block, LOCAL_FILES_VERSION);
        connection.writer.write_op(&op).await.unwrap();
        let (response, files) = in_time("files", connection.reader.read_files()).await.unwrap();
        Self {
            about: response.accepted().unwrap().local.unwrap(),
            files,
        }
    }

    /// Everything, compared with its sums.
    fn read(&self) -> Vec<u8> {
        let mut data = vec![0; usize::try_from(self.about.length()).unwrap()];
        let mut sums = vec![0; checksum::sums_len(data.len())];
        read_exact_at(&*self.files[0], &mut data, self.about.data_at()).unwrap();
        let last = self.files.last().unwrap();
        read_exact_at(&**last, &mut sums, self.about.sums_at()).unwrap();
        checksum::verify(&data, &sums).unwrap();
        data
    }
}

#[tokio::test]
async fn files_large_and_packed_are_handed_over_one_after_the_other() {
    let cluster = start(|_, _| {}).await;
    let node = cluster.nodes[0].node();
    let sizes = [1, 700, 4096, 64 << 10, (64 << 10) + 1, 300_000];
    let mut connection = None;
    for (id, size) in (1..).zip(sizes) {
        let block = cluster.block(id, 1);
        let data = bytes(size);
        put(&block, std::slice::from_ref(&node), &data).await;
        let connection = match &mut connection {
            Some(connection) => connection,
            none => none.insert(local(&told(&cluster, &block).await.unwrap()).await),
        };
        let handed = Handed::of(connection, &block).await;
        assert_eq!(handed.about.datanode_uuid(), node.id.to_string());
        assert_eq!(handed.about.generation(), 1);
        assert_eq!(handed.files.len(), if size <= 64 << 10 { 1 } else { 2 });
        assert!(handed.read() == data, "{size} bytes");
        let refused = handed.files[0].write_all_at(b"x", 0);
        assert!(refused.is_err(), "they are for reading only");
        // The connection serves other requests too.
        assert!(common::client::read(connection, &block, 0, size).await == data);
    }
}

#[tokio::test]
async fn a_replica_that_was_handed_over_stays_what_it_was() {
    let cluster = start(|_, config| config.quarantine_retention = std::time::Duration::ZERO).await;
    let node = cluster.nodes[0].node();
    for (id, size) in [(1, 4096), (2, 200_000)] {
        let block = cluster.block(id, 1);
        let data = bytes(size);
        put(&block, std::slice::from_ref(&node), &data).await;
        let mut connection = local(&told(&cluster, &block).await.unwrap()).await;
        let handed = Handed::of(&mut connection, &block).await;
        // It is replaced by other bytes of a newer generation.
        let newer = cluster.block(id, 2);
        let other: Vec<u8> = data.iter().map(|byte| !byte).collect();
        put(&newer, std::slice::from_ref(&node), &other).await;
        assert!(handed.read() == data);
        let handed = Handed::of(&mut connection, &newer).await;
        assert!(handed.read() == other);
        assert_eq!(handed.about.generation(), 2);
    }
}

#[tokio::test]
async fn what_is_not_finished_or_of_another_generation_is_not_handed_over() {
    let cluster = start(|_, _| {}).await;
    let node = cluster.nodes[0].node();
    let block = cluster.block(1, 3);
    let mut pipeline = Pipeline::open(&block, &Setup::create(), std::slice::from_ref(&node)).await;
    pipeline.write(&bytes(2000), 0).await;
    let mut connection = local(&told(&cluster, &block).await.unwrap()).await;
    let refused = connection.ask(request(&block, LOCAL_FILES_VERSION)).await;
    assert_eq!(refused.status(), Status::Error, "it is being written");
    pipeline.finish(2000).await;
    assert!(Handed::of(&mut connection, &block).await.read() == bytes(2000));
    let refused = connection
        .ask(request(&cluster.block(1, 4), LOCAL_FILES_VERSION))
        .await;
    assert_eq!(refused.status(), Status::Error, "it is older");
    let refused = connection
        .ask(request(&cluster.block(9, 1), LOCAL_FILES_VERSION))
        .await;
    assert_eq!(refused.status(), Status::Error, "there is none");
    // A program of HDFS does not know these files.
    let refused = connection.ask(request(&block, 1)).await;
    assert_eq!(refused.status(), Status::ErrorUnsupported);
    assert_eq!(refused.short_circuit_access_version, Some(LOCAL_FILES_VERSION));
}

#[tokio::test]
async fn the_socket_is_where_it_is_wanted_with_its_permissions_or_nowhere() {
    use std::os::unix::fs::PermissionsExt;
    let cluster = start(|_, config| config.local_socket = LocalSocket::Off).await;
    let block = cluster.block(1, 1);
    assert_eq!(told(&cluster, &block).await, None);

    let cluster = start(|node, config| {
        config.local_socket = LocalSocket::At(node.dir.path().join("elsewhere"));
        config.local_socket_mode = 0o600;
    })
    .await;
    let path = told(&cluster, &cluster.block(1, 1)).await.unwrap();
    assert_eq!(path, cluster.nodes[0].dir.path().join("elsewhere"));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // One that can not have it goes on without.
    let cluster = start(|node, config| {
        config.local_socket = LocalSocket::At(node.dir.path().join("no/such/directory"));
    })
    .await;
    assert_eq!(told(&cluster, &cluster.block(1, 1)).await, None);
}
