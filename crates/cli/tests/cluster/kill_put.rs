//! Datanodes that die, or hang, in the middle of a write.

use crate::scale::MIB;
use crate::support::{Cluster, Content, PipePut, digest_of, until, usage};

const SIZE: u64 = 208 * MIB + 12_345;
const CHUNK: &str = "16MiB";

/// The kill falls inside: so much has been fed, and so much of it lies on the datanode that will die.
fn feed_until_it_arrives(put: &mut PipePut, cluster: &Cluster, victim: usize, offset: u64) {
    let before = usage(cluster.datanodes[victim].dir());
    put.feed_to(offset);
    until("the datanode has some of the bytes", || {
        (usage(cluster.datanodes[victim].dir()) > before + 20 * MIB).then_some(())
    });
}

#[test]
fn a_datanode_killed_during_a_put_costs_nothing() {
    let mut cluster = Cluster::start(3);
    for victim in 0..3 {
        let content = Content::new(10 + victim as u64, SIZE);
        let path = format!("/killed-{victim}");
        let mut put = PipePut::start(
            &cluster.client,
            cluster.dir(),
            content,
            &path,
            &["--chunk-size", CHUNK],
        );
        feed_until_it_arrives(&mut put, &cluster, victim, 96 * MIB + 5 * MIB);
        cluster.datanodes[victim].kill();
        put.finish();

        let read = cluster.client.ok(&["cat", &path]);
        assert_eq!(digest_of(read.as_slice()), content.digest(), "with {victim} dead");
        cluster.datanodes[victim].start();
        cluster.wait_for_datanodes(3);
    }
    // With all of them back, still.
    for victim in 0..3 {
        let read = cluster.client.ok(&["cat", &format!("/killed-{victim}")]);
        assert_eq!(
            digest_of(read.as_slice()),
            Content::new(10 + victim, SIZE).digest()
        );
    }
}

#[test]
fn a_datanode_that_hangs_during_a_put_is_left_behind() {
    let cluster = Cluster::start(3);
    let content = Content::new(20, 64 * MIB);
    let mut put = PipePut::start(
        &cluster.client,
        cluster.dir(),
        content,
        "/hung",
        &["--chunk-size", CHUNK],
    );
    feed_until_it_arrives(&mut put, &cluster, 1, 40 * MIB);
    cluster.datanodes[1].freeze();
    put.finish();
    let read = cluster.client.ok(&["cat", "/hung"]);
    assert_eq!(digest_of(read.as_slice()), content.digest());
    cluster.datanodes[1].thaw();
}

#[test]
fn a_fourth_datanode_takes_the_place_of_dead_ones() {
    // Two of the three in the pipeline die: the survivor alone is too few, so the fourth must be filled and join.
    let mut cluster = Cluster::start(4);
    let content = Content::new(30, 96 * MIB);
    let mut put = PipePut::start(
        &cluster.client,
        cluster.dir(),
        content,
        "/replaced",
        &["--chunk-size", "64MiB"],
    );
    put.feed_to(40 * MIB);
    let mut in_pipeline = until("the pipeline has bytes", || {
        let busy: Vec<usize> = (0..4)
            .filter(|&node| usage(cluster.datanodes[node].dir()) > 8 * MIB)
            .collect();
        (busy.len() == 3).then_some(busy)
    });
    for victim in in_pipeline.drain(..2) {
        cluster.datanodes[victim].kill();
    }
    put.finish();
    let read = cluster.client.ok(&["cat", "/replaced"]);
    assert_eq!(digest_of(read.as_slice()), content.digest());
}
