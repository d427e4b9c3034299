//! Datanodes that die, or hang, in the middle of a read.

use crate::scale::MIB;
use crate::support::{Cluster, Content, PipeGet, PipePut};

const SIZE: u64 = 208 * MIB + 777;

fn stored(cluster: &Cluster) -> Content {
    let content = Content::new(40, SIZE);
    PipePut::start(
        &cluster.client,
        cluster.dir(),
        content,
        "/file",
        &["--chunk-size", "64MiB"],
    )
    .finish();
    content
}

/// What each datanode has sent so far.
fn bytes_sent(cluster: &Cluster) -> Vec<u64> {
    let nodes = cluster.datanodes.iter();
    nodes
        .map(|node| if node.is_running() { node.bytes_sent() } else { 0 })
        .collect()
}

/// The datanode that the bytes up to `offset` come from, found by looking at what each of them sends meanwhile.
fn serving(cluster: &Cluster, get: &mut PipeGet, offset: u64) -> usize {
    let before = bytes_sent(cluster);
    get.take_to(offset);
    let growth: Vec<u64> = bytes_sent(cluster)
        .iter()
        .zip(before)
        .map(|(after, before)| after - before)
        .collect();
    let (node, bytes) = growth
        .iter()
        .enumerate()
        .max_by_key(|(_, bytes)| **bytes)
        .unwrap();
    assert!(*bytes > MIB, "nobody serves: {growth:?}");
    node
}

#[test]
fn each_datanode_killed_in_turn_during_gets_costs_nothing() {
    let mut cluster = Cluster::start(3);
    let content = stored(&cluster);
    for victim in 0..3 {
        let mut get = PipeGet::start(&cluster.client, cluster.dir(), content, "/file");
        get.take_to(80 * MIB);
        cluster.datanodes[victim].kill();
        get.finish();
        cluster.datanodes[victim].start();
        cluster.wait_for_datanodes(3);
    }
}

#[test]
fn the_datanode_that_serves_may_die_again_and_again() {
    let mut cluster = Cluster::start(3);
    let content = stored(&cluster);
    let mut get = PipeGet::start(&cluster.client, cluster.dir(), content, "/file");
    get.take_to(MIB);
    let first = serving(&cluster, &mut get, 24 * MIB);
    cluster.datanodes[first].kill();
    let second = serving(&cluster, &mut get, 48 * MIB);
    assert_ne!(first, second);
    cluster.datanodes[second].kill();
    get.finish();
}

#[test]
fn a_datanode_that_hangs_while_it_serves_is_passed_over() {
    let mut cluster = Cluster::start(3);
    let content = stored(&cluster);
    let mut get = PipeGet::start(&cluster.client, cluster.dir(), content, "/file");
    get.take_to(MIB);
    let first = serving(&cluster, &mut get, 24 * MIB);
    cluster.datanodes[first].freeze();
    get.finish();
    cluster.datanodes[first].thaw();
    cluster.kill_all();
}

#[test]
fn a_program_on_the_host_reads_from_files_while_datanodes_die() {
    let mut cluster = Cluster::start(3);
    let content = stored(&cluster);
    let before: u64 = bytes_sent(&cluster).iter().sum();
    let mut get = PipeGet::start_local(&cluster.client, cluster.dir(), content, "/file");
    get.take_to(144 * MIB);
    let sent = bytes_sent(&cluster).iter().sum::<u64>() - before;
    assert_eq!(sent, 0, "datanodes have sent something for it");
    cluster.datanodes[0].kill();
    cluster.datanodes[1].kill();
    get.finish();
}
