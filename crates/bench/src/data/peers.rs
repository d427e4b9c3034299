//! The same of other systems. What is there of them is one stream and many, written at replication 1 and 3, and read over the
//! network out of the page cache.

use std::path::Path;

use super::{Comparison, GIB, Options};
use crate::peers::{Deed, Load, Peer, Running};
use crate::took::float;

/// Starts `peer` below `base`, measures it in the same way, and stops it.
///
/// # Errors
/// When it can not be started.
pub(super) fn measure(
    options: &Options,
    peer: Peer,
    base: &Path,
    results: &mut [Comparison],
) -> anyhow::Result<()> {
    let mut running = Running::start(peer, &options.peers.peer_scripts, base)?;
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
            let load = Load {
                dir: "/data",
                files: streams,
                at_a_time: streams,
                bytes: usize::try_from(options.size.0)? / streams,
                replication: case.replication(),
            };
            let deed = if case.writes() { Deed::Write } else { Deed::Read };
            if deed == Deed::Read {
                running.took(Deed::Write, &load)?;
            }
            rustix::fs::sync();
            let took = running.took(deed, &load)?;
            let bytes = float(u64::try_from(load.bytes * streams)?);
            let side = result.peers.entry(peer.name()).or_default();
            side.gigabytes_per_second.push(bytes / took.seconds / 1e9);
            side.client_cpu_seconds_per_gib
                .push(took.client_cpu / (bytes / GIB));
            side.server_cpu_seconds_per_gib
                .push(took.server_cpu / (bytes / GIB));
            running.took(Deed::Remove, &load)?;
        }
        println!("{}: round {} of {}", peer.name(), round + 1, options.rounds);
    }
    Ok(())
}
