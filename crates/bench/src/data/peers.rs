//! The same of Apache HDFS. What is there of it is one stream and many, written at replication 1 and 3, and read over the network
//! out of the page cache.

use std::path::Path;

use super::{Comparison, GIB, Options, Peer};
use crate::peers::{Caller, Hdfs};
use crate::took::float;

/// The program that calls it.
const CALLER: &str = include_str!("../../java/HdfsData.java");

/// Starts HDFS below `base`, measures it in the same way, and stops it.
///
/// # Errors
/// When it can not be started: it needs Java, and its jars or a way to get them.
pub(super) fn measure(
    options: &Options,
    peer: Peer,
    base: &Path,
    results: &mut [Comparison],
) -> anyhow::Result<()> {
    let durable = peer == Peer::HdfsSync;
    let hdfs = Hdfs::start(&options.hdfs_script, base, durable)?;
    let mut caller = Caller::start(base, "HdfsData", CALLER)?;
    for round in 0..options.rounds {
        for result in &mut *results {
            let case = result.case;
            if case.is_local() || case.is_cold() {
                continue;
            }
            let streams = if case.has_many() {
                options.streams.max(1)
            } else {
                1
            };
            let rest = format!("{} {streams} {} /data", case.replication(), options.size.0);
            if !case.writes() {
                caller.ask(&format!("write {rest}"))?;
            }
            rustix::fs::sync();
            let client = caller.cpu_seconds()?;
            let servers = hdfs.cpu_seconds();
            let what = if case.writes() { "write" } else { "read" };
            let (bytes, seconds) = caller.ask(&format!("{what} {rest}"))?;
            let gib = float(bytes) / GIB;
            let side = result.peers.entry(peer.name()).or_default();
            side.gigabytes_per_second.push(float(bytes) / seconds / 1e9);
            side.client_cpu_seconds_per_gib
                .push((caller.cpu_seconds()? - client) / gib);
            side.server_cpu_seconds_per_gib
                .push((hdfs.cpu_seconds() - servers) / gib);
            caller.ask(&format!("remove {rest}"))?;
        }
        println!("{}: round {} of {}", peer.name(), round + 1, options.rounds);
    }
    Ok(())
}
