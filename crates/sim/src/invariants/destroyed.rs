//! A destroyed replica was not needed: when the leader decides that one is destroyed, as many others as are wanted have been read
//! from their disks since they were written there.
//!
//! What was read is asked of the disks themselves, not of the leader: it must not have believed what is not so. A replica that is
//! lost, or spoilt, after it was read is no mistake of the leader, so only those count against it that are there, and were not read.
//! Replicas in packs are not looked at.
//!
//! Source: `placement::repair` ("a replica of a chunk that a file holds is destroyed only when as many others as are wanted serve on
//! other nodes, and every one of them was read from disk and found good").

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use env::disk::SimDisk;
use master::Master;
use types::{ChunkId, DatanodeId, PoolId};

use super::masters;
use crate::host::{Host, Role, Server};
use crate::simulation::Simulation;

/// What each master had decided when it was looked at last.
#[derive(Default)]
pub(super) struct Destroyed {
    known: BTreeMap<String, BTreeSet<(ChunkId, DatanodeId)>>,
}

impl Destroyed {
    pub(super) fn look(&mut self, simulation: &Simulation) -> Option<String> {
        let mut wrong = None;
        masters(simulation, |name, master| {
            let doomed: BTreeSet<(ChunkId, DatanodeId)> = master.doomed().into_iter().collect();
            if doomed.is_empty() {
                self.known.remove(name);
                return;
            }
            let known = self.known.entry(name.to_owned()).or_default();
            for (chunk, node) in doomed.difference(known) {
                let going = |other| doomed.contains(&(*chunk, other));
                if let Some(why) = needed(simulation, master, *chunk, going) {
                    wrong = Some(format!("{name} has chunk {chunk} destroyed on {node}: {why}"));
                }
            }
            *known = doomed;
        });
        wrong
    }
}

/// Why the replicas of `chunk` on the nodes that are `going` are needed, if they are.
fn needed(
    simulation: &Simulation,
    master: &Master,
    chunk: ChunkId,
    going: impl Fn(DatanodeId) -> bool,
) -> Option<String> {
    let (_, state) = master.metadata();
    let info = state.chunk(chunk)?;
    let (len, wanted) = (info.len?, usize::from(info.replication));
    let name = format!("chunk-{}", PoolId::of(state.cluster()?).chunk_uuid(chunk));
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    for host in &simulation.hosts {
        if !matches!(host.role, Role::Datanode(_)) || id_of(host).is_some_and(&going) {
            continue;
        }
        match read_to(&host.disk, &name) {
            Some(read_to) if read_to >= len => read.push(host.name.as_str()),
            Some(_) => unread.push(host.name.as_str()),
            None => {}
        }
    }
    let is_needed = read.len() < wanted && read.len() + unread.len() >= wanted;
    is_needed.then(|| {
        format!("of {wanted} others, those of {read:?} were read again, and those of {unread:?} were not")
    })
}

/// The datanode on a host, when it runs.
fn id_of(host: &Host) -> Option<DatanodeId> {
    let shown = host.running.as_ref()?.shown.borrow();
    match shown.server.as_deref()? {
        Server::Datanode(datanode) => Some(datanode.id()),
        Server::Master(_) => None,
    }
}

/// How far the finalized replica with that name was read since it was written; none: there is none.
fn read_to(disk: &SimDisk, name: &str) -> Option<u64> {
    let is_it = |path: &&Path| {
        path.file_name().is_some_and(|file| file == name)
            && path.components().any(|part| part.as_os_str() == "chunks")
    };
    let files = disk.files();
    let found = files.iter().map(PathBuf::as_path).filter(is_it);
    found.filter_map(|path| disk.read_to(path).ok()).max()
}
