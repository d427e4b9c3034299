//! Datanodes say that they live, and are told what to do.
//!
//! A heartbeat is answered at once, unless the datanode is patient and there is nothing for it: then the leader holds the
//! answer back until there is, so that an order leaves the moment it is given, and not up to an interval later.
//!
//! Guarantee: an order leaves only while this master leads, by the group's word at that moment, with the term of that lead;
//! never in safe mode; and only when the metadata and the picture of that moment still want it. Of the answers to
//! one datanode that are held back, only the last gets orders: nobody may wait for the others any more.

use std::time::Duration;

use placement::{Liveness, Order, Target};
use proto::v1::{self, command::Command};
use types::{ChunkExtent, ChunkId, DatanodeId, Generation};

use super::members::members_update;
use super::membership::{storages, term, unknown};
use super::message;
use crate::cluster::Cluster;
use crate::core::Core;
use crate::leadership::Lead;
use crate::rejection::Rejection;

/// Replicas in one order to delete, verify or restore.
const REPLICAS_MAX: usize = 1_000;

/// Orders of repair in one answer.
const ORDERS_MAX: usize = 1_000;

/// Failures that are taken from one heartbeat.
const FAILURES_MAX: usize = 10_000;

/// Who has sent a heartbeat, and how long it waits for something to do.
struct Caller {
    id: DatanodeId,
    /// Which of its heartbeats this is.
    turn: u64,
    members_seen: u64,
}

pub(super) async fn heartbeat(
    core: &Core,
    request: v1::HeartbeatRequest,
) -> Result<v1::HeartbeatResponse, Rejection> {
    let patience = Duration::from_millis(request.patience_ms).min(core.config.heartbeat_interval);
    let deadline = tokio::time::Instant::now() + patience;
    let Some(caller) = hear(core, request)? else {
        return Ok(answer(
            core,
            core.leads_now(),
            vec![Command::RegisterAgain(v1::RegisterAgain {})],
            0,
        ));
    };
    let bell = core.cluster().order_bell(caller.id);
    loop {
        let rung = bell.notified();
        let lead = core.leads_now();
        let commands = commands(core, lead, &caller);
        let Some(lead) = lead.filter(|_| commands.is_empty() && tokio::time::Instant::now() < deadline)
        else {
            return Ok(answer(core, lead, commands, caller.members_seen));
        };
        tokio::select! {
            () = rung => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = core.leadership.ended(lead) => {}
            () = core.closed() => return Ok(answer(core, None, Vec::new(), caller.members_seen)),
        }
        if core.cluster().turn(caller.id) != caller.turn {
            // The datanode has hung up and called again.
            return Ok(answer(core, core.leads_now(), Vec::new(), caller.members_seen));
        }
    }
}

/// Takes in what a heartbeat says. None when its datanode has to register.
fn hear(core: &Core, request: v1::HeartbeatRequest) -> Result<Option<Caller>, Rejection> {
    let patient = request.patience_ms > 0;
    let id = proto::datanode_id(&request.datanode_id)?;
    let storages = storages(&request.storages)?;
    core.drain_freed();
    let mut cluster = core.cluster();
    if let Some(node) = cluster.view.node(id)
        && matches!(node.liveness, Liveness::Dead | Liveness::Suspicious)
    {
        tracing::info!(datanode = %id, address = %node.address(), was = ?node.liveness, "datanode is back");
    }
    let before = cluster.storages_of(id);
    if !cluster.view.heartbeat(core.now(), id, storages, request.streams) {
        drop(cluster);
        return match core.leads_now() {
            Some(_) => Ok(None),
            None => Err(unknown(id)),
        };
    }
    if cluster
        .storages_of(id)
        .iter()
        .any(|storage| !before.contains(storage))
    {
        cluster.came(core.now(), id);
    }
    for storage in before {
        if cluster.view.owner(storage).is_none() {
            tracing::warn!(datanode = %id, %storage, "datanode has a storage no more");
            cluster.forget_storage(storage);
        }
    }
    cluster.volumes_said(&request.storages);
    cluster.transfers_said(id, request.transfers);
    cluster.traffic_said(id, request.received_bytes, request.sent_bytes);
    cluster.jobs_said(id, request.jobs);
    if !request.failures.is_empty() {
        core.jobs.repair.bell.notify_one();
    }
    let namespace = core.machine.read();
    for failure in request.failures.into_iter().take(FAILURES_MAX) {
        if let Ok(chunk) = ChunkId::new(failure.chunk) {
            cluster.order_failed(core.now(), &namespace, id, chunk, &failure.reason);
        }
    }
    Ok(Some(Caller {
        id,
        turn: if patient {
            cluster.next_turn(id)
        } else {
            cluster.turn(id)
        },
        members_seen: request.members_seen,
    }))
}

/// What the datanode is to do now.
fn commands(core: &Core, lead: Option<Lead>, caller: &Caller) -> Vec<Command> {
    let id = caller.id;
    let mut commands = Vec::new();
    let mut cluster = core.cluster();
    let namespace = core.machine.read();
    if lead.is_some() && core.takes_changes() && cluster.turn(id) == caller.turn {
        let freed = cluster.take_invalid(core.now(), &namespace, id, REPLICAS_MAX);
        let mut replicas = Replicas::default();
        replicas.delete.extend(
            freed
                .into_iter()
                .map(|(chunk, generation)| version(chunk, generation, false)),
        );
        let rate = cluster.balance_rate();
        let moves = cluster.take_moves(core.now(), &namespace, id, ORDERS_MAX);
        commands.extend(
            moves
                .iter()
                .filter_map(|what| copy(&cluster, what.extent, what.to, rate)),
        );
        for order in cluster.take_orders(core.now(), &namespace, id, ORDERS_MAX) {
            match order {
                Order::Copy {
                    extent,
                    target,
                    bytes_per_s,
                    ..
                } => commands.extend(copy(&cluster, extent, target, bytes_per_s)),
                Order::Verify {
                    chunk, generation, ..
                } => {
                    replicas.verify.push(version(chunk, generation, false));
                }
                Order::Delete {
                    chunk,
                    generation,
                    only_corrupt,
                    ..
                } => replicas.delete.push(version(chunk, generation, only_corrupt)),
            }
        }
        let suspects = cluster.take_suspects(id, REPLICAS_MAX);
        replicas.verify.extend(
            suspects
                .into_iter()
                .map(|(chunk, generation)| version(chunk, generation, false)),
        );
        let restore = cluster.take_restorations(id, REPLICAS_MAX);
        replicas.restore.extend(
            restore
                .into_iter()
                .map(|(chunk, generation)| version(chunk, generation, false)),
        );
        commands.extend(replicas.commands());
    }
    if cluster.owes_report(id, core.now(), core.report_patience()) {
        commands.push(Command::SendBlockReport(v1::SendBlockReport {}));
    }
    commands
}

/// What is to be done to the replicas of one datanode.
#[derive(Default)]
struct Replicas {
    delete: Vec<v1::ReplicaVersion>,
    verify: Vec<v1::ReplicaVersion>,
    restore: Vec<v1::ReplicaVersion>,
}

impl Replicas {
    fn commands(self) -> impl Iterator<Item = Command> {
        let Self {
            delete,
            verify,
            restore,
        } = self;
        let some = |replicas: &Vec<_>| !replicas.is_empty();
        let delete = Some(delete).filter(some);
        let verify = Some(verify).filter(some);
        let restore = Some(restore).filter(some);
        let delete = delete.map(|replicas| Command::DeleteReplicas(v1::DeleteReplicas { replicas }));
        let verify = verify.map(|replicas| Command::VerifyReplicas(v1::VerifyReplicas { replicas }));
        let restore = restore.map(|replicas| Command::RestoreReplicas(v1::RestoreReplicas { replicas }));
        delete.into_iter().chain(verify).chain(restore)
    }
}

fn version(chunk: ChunkId, generation: Generation, only_corrupt: bool) -> v1::ReplicaVersion {
    v1::ReplicaVersion {
        chunk: chunk.as_u64(),
        generation: generation.as_u64(),
        only_corrupt,
    }
}

/// None when the target is gone.
fn copy(cluster: &Cluster, extent: ChunkExtent, target: Target, bytes_per_s: u64) -> Option<Command> {
    Some(Command::CopyReplica(v1::CopyReplica {
        extent: Some(proto::wire_extent(extent)),
        target: Some(message::datanode(cluster.view.node(target.datanode)?)),
        target_storage_id: message::storage_id(target.storage),
        bytes_per_s,
    }))
}

fn answer(
    core: &Core,
    lead: Option<Lead>,
    commands: Vec<Command>,
    members_seen: u64,
) -> v1::HeartbeatResponse {
    let command = |command| v1::Command {
        command: Some(command),
    };
    v1::HeartbeatResponse {
        term: lead.map_or_else(|| term(core), |lead| lead.term).as_u64(),
        commands: commands.into_iter().map(command).collect(),
        masters: core.masters(),
        leads: lead.is_some(),
        members: lead.and_then(|_| members_update(core, members_seen)),
    }
}
