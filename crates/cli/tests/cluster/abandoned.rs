//! A client that dies in the middle of a write.

use crate::scale::MIB;
use crate::support::{Cluster, Content, Options, PipePut, chunk_files, until, usage};

#[test]
fn a_client_killed_in_the_middle_of_a_put_leaves_nothing() {
    let mut options = Options {
        datanode: ["--abandoned-write-timeout", "1s"].map(str::to_owned).to_vec(),
        ..Options::default()
    };
    options
        .master
        .extend(["--lease-hard-limit", "3s"].map(str::to_owned));
    let cluster = Cluster::with(options);
    let empty: Vec<u64> = cluster.datanodes.iter().map(|node| usage(node.dir())).collect();

    // One chunk that is not finished, and none that is.
    let mut put = PipePut::start(
        &cluster.client,
        cluster.dir(),
        Content::new(95, 128 * MIB),
        "/abandoned",
        &[],
    );
    put.feed_to(48 * MIB);
    until("the datanodes have bytes of it", || {
        cluster
            .datanodes
            .iter()
            .zip(&empty)
            .all(|(node, empty)| usage(node.dir()) > empty + 8 * MIB)
            .then_some(())
    });
    put.kill();
    assert!(!cluster.client.exists("/abandoned"), "half a file is visible");
    for node in &cluster.datanodes {
        until("the temporary files are gone", || {
            (usage(node.dir()) < MIB).then_some(())
        });
        assert!(chunk_files(node.dir()).is_empty());
    }
    assert!(!cluster.client.exists("/abandoned"));
    // The name is free.
    let small = cluster.dir().join("small");
    Content::new(96, 10).write_file(&small);
    cluster.client.ok(&["put", small.to_str().unwrap(), "/abandoned"]);
}
