//! Readers that are given files, of datanodes that give the right ones or others.

use tempfile::TempDir;
use types::DatanodeId;

use crate::fake::{Cluster, Handing, bytes, path};
use crate::read::whole;

/// Longer than one read from a file.
const LEN: usize = (3 << 20) + 700;

/// One datanode with a file of two chunks, which hands over files; a client that wants them.
async fn cluster() -> (Cluster, Vec<u8>, TempDir) {
    let cluster = Cluster::with(1, |config| config.local_reads = true).await;
    let sockets = tempfile::tempdir().unwrap();
    cluster.nodes[0].listen_local(sockets.path());
    let data = bytes(LEN);
    let (first, second) = data.split_at((2 << 20) + 300);
    cluster.master.add_file("/f", &[first, second]);
    (cluster, data, sockets)
}

fn network_reads(cluster: &Cluster) -> usize {
    cluster.nodes[0].reads.lock().unwrap().len()
}

#[tokio::test]
async fn files_are_read_whole_and_in_parts_without_the_network() {
    for packed in [false, true] {
        let (cluster, data, _sockets) = cluster().await;
        cluster.nodes[0].change(|handing| handing.packed = packed);
        let reader = cluster.fs.open(&path("/f")).await.unwrap();
        assert!(whole(&reader).await.unwrap() == data);
        let mut random = fastrand::Rng::with_seed(2);
        for round in 0..200 {
            let from = random.usize(..LEN + 10);
            // Parts at units come another way than others.
            let from = if round % 2 == 0 { from } else { from / 512 * 512 };
            let bits = random.u32(1..21);
            let len = random.usize(..1 << bits);
            let expected = &data[from.min(LEN)..(from + len).min(LEN)];
            let mut buf = vec![0xee; len];
            let count = reader.read_at(from as u64, &mut buf).await.unwrap();
            assert!(
                count == expected.len() && buf[..count] == *expected,
                "{len} at {from}"
            );
            assert!(buf[count..].iter().all(|byte| *byte == 0xee));
        }
        assert_eq!(network_reads(&cluster), 0);
        assert_eq!(
            cluster.nodes[0].handed(),
            2,
            "once a chunk: the reader keeps the files"
        );
        drop(reader);
        let reader = cluster.fs.open(&path("/f")).await.unwrap();
        assert!(whole(&reader).await.unwrap() == data);
        assert_eq!(cluster.nodes[0].handed(), 4);
    }
}

#[tokio::test]
async fn what_does_not_match_in_the_files_is_read_over_the_network() {
    let spoils: [fn(&mut Handing); 3] = [
        |handing| handing.flip = Some(1_500_000),
        |handing| handing.missing = 1,
        |handing| handing.missing = 1_000_000,
    ];
    for spoil in spoils {
        let (cluster, data, _sockets) = cluster().await;
        cluster.nodes[0].change(spoil);
        let reader = cluster.fs.open(&path("/f")).await.unwrap();
        let mut buf = vec![0; LEN];
        assert_eq!(reader.read_at(0, &mut buf).await.unwrap(), LEN);
        assert!(buf == data);
        assert!(whole(&reader).await.unwrap() == data);
        assert!(network_reads(&cluster) > 0);
        assert!(
            cluster.master.corrupt().is_empty(),
            "that is for the datanode to say"
        );
    }
}

#[tokio::test]
async fn another_datanode_or_none_at_the_socket_is_not_asked_twice() {
    let (cluster, data, sockets) = cluster().await;
    let spoils: [fn(&mut Handing); 2] = [
        |handing| handing.id = DatanodeId::from_random_bytes([9; 16]),
        |handing| assert!(handing.socket.set_extension("gone")),
    ];
    for spoil in spoils {
        let own = cluster.nodes[0].handing.lock().unwrap().clone();
        cluster.nodes[0].change(spoil);
        let fs = client::FileSystem::connect(env::Env::real(), cluster.fs.config().clone()).unwrap();
        let handed = cluster.nodes[0].handed();
        for _ in 0..3 {
            let reader = fs.open(&path("/f")).await.unwrap();
            assert!(whole(&reader).await.unwrap() == data);
        }
        // The chunks are read beside each other: each may have asked once.
        assert!(cluster.nodes[0].handed() <= handed + 2);
        *cluster.nodes[0].handing.lock().unwrap() = own;
    }
    assert!(network_reads(&cluster) >= 12);
    drop(sockets);
}

#[tokio::test]
async fn files_that_were_given_are_read_when_the_datanode_is_gone() {
    let (cluster, data, _sockets) = cluster().await;
    let reader = cluster.fs.open(&path("/f")).await.unwrap();
    let mut buf = vec![0; 1000];
    for at in [5_000, LEN - 1000] {
        reader.read_at(at as u64, &mut buf).await.unwrap();
    }
    cluster.nodes[0].kill();
    assert!(whole(&reader).await.unwrap() == data);
}

#[tokio::test]
async fn who_does_not_want_files_asks_for_none() {
    let cluster = Cluster::start(1).await;
    let sockets = tempfile::tempdir().unwrap();
    cluster.nodes[0].listen_local(sockets.path());
    let data = bytes(LEN);
    cluster.master.add_file("/f", &[&data]);
    let reader = cluster.fs.open(&path("/f")).await.unwrap();
    assert!(whole(&reader).await.unwrap() == data);
    assert_eq!((cluster.nodes[0].handed(), network_reads(&cluster)), (0, 1));
}
