//! Writes that too few datanodes could take.

use crate::scale::MIB;
use crate::support::{Cluster, Content, PipePut};

#[test]
fn a_write_with_too_few_datanodes_is_denied_with_the_reason() {
    let mut cluster = Cluster::start(3);
    let source = cluster.dir().join("source");
    Content::new(90, 1000).write_file(&source);
    let source = source.to_str().unwrap().to_owned();
    cluster.datanodes[0].kill();
    cluster.datanodes[1].kill();

    let complaint = cluster.client.fails(&["put", &source, "/denied"]);
    for part in ["3", "2", "1"] {
        assert!(complaint.contains(part), "{part} is not in: {complaint}");
    }
    assert!(complaint.to_lowercase().contains("denied"), "{complaint}");
    assert!(!cluster.client.exists("/denied"), "a denied file is visible");

    // The master may not know yet that they are gone (it never declares most of a cluster dead at once). One replica was asked for: one datanode is enough.
    cluster
        .client
        .ok(&["put", &source, "/single", "--replication", "1"]);
}

#[test]
fn a_write_that_loses_its_datanodes_is_denied_and_leaves_nothing() {
    let mut cluster = Cluster::start(3);
    let content = Content::new(91, 64 * MIB);
    let mut put = PipePut::start(
        &cluster.client,
        cluster.dir(),
        content,
        "/lost",
        &["--chunk-size", "16MiB"],
    );
    put.feed_to(24 * MIB);
    cluster.datanodes[0].kill();
    cluster.datanodes[1].kill();
    let complaint = put.finish_denied();
    assert!(complaint.to_lowercase().contains("denied"), "{complaint}");
    assert!(!cluster.client.exists("/lost"), "a half file is visible");
}
