//! Datanodes come, and say that they live.

use namespace::{Command, Member, MemberStorage};
use placement::{Liveness, StorageReport};
use proto::v1::{self, ErrorCode};
use types::DatanodeId;

use crate::core::Core;
use crate::rejection::Rejection;

/// Replicas in one order to delete.
const DELETIONS_MAX: usize = 1_000;

pub(super) fn identity(core: &Core) -> v1::IdentityResponse {
    v1::IdentityResponse {
        cluster_id: core.cluster_id.to_string(),
        pool_id: core.pool_id.to_string(),
        term: core.term.as_u64(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Default::default()
    }
}

/// What a datanode that has not registered gets.
pub(super) fn unknown(id: DatanodeId) -> Rejection {
    Rejection::new(
        ErrorCode::UnknownDatanode,
        format!("datanode {id} has not registered since this master started; register first"),
    )
}

fn storages(messages: &[v1::StorageStatus]) -> Result<Vec<StorageReport>, Rejection> {
    let report = |message: &v1::StorageStatus| {
        Ok(StorageReport {
            id: proto::storage_id(&message.id)?,
            capacity: message.capacity,
            used: message.used,
            available: message.available,
            chunks: message.chunks,
            failed: Some(message.failed.clone()).filter(|why| !why.is_empty()),
        })
    };
    messages.iter().map(report).collect()
}

pub(super) async fn register(
    core: &Core,
    request: v1::RegisterRequest,
    peer: Option<String>,
) -> Result<v1::RegisterResponse, Rejection> {
    let datanode = request.datanode.ok_or(proto::Malformed::Missing("datanode"))?;
    let id = proto::datanode_id(&datanode.id)?;
    let host = Some(datanode.host).filter(|host| !host.is_empty()).or(peer);
    let host = host.ok_or(proto::Malformed::Missing("datanode.host"))?;
    if request.cluster_id != core.cluster_id.to_string() {
        return Err(Rejection::new(
            ErrorCode::WrongCluster,
            format!(
                "datanode {host}:{} belongs to cluster {}, this master to cluster {}: point the datanode at a master of \
                 its own cluster, or start it with an empty directory",
                datanode.data_port, request.cluster_id, core.cluster_id
            ),
        ));
    }
    let data_port = u16::try_from(datanode.data_port)
        .map_err(|_| Rejection::invalid(format!("{} is not a port", datanode.data_port)))?;
    let rack = Some(datanode.rack)
        .filter(|rack| !rack.is_empty())
        .unwrap_or_else(|| "/default".to_owned());
    let storages = storages(&request.storages)?;
    let member = Member {
        id,
        host: host.clone(),
        data_port,
        rack: rack.clone(),
        storages: storages
            .iter()
            .map(|storage| MemberStorage {
                id: storage.id,
                capacity: storage.capacity,
            })
            .collect(),
    };
    if core.machine.read().member(id) != Some(&member) {
        core.propose_own(Command::RegisterDatanode(member)).await?;
    }
    let mut cluster = core.cluster();
    let gone: Vec<_> = cluster.view.node(id).map_or_else(Vec::new, |node| {
        let before = node.storages.iter().map(|storage| storage.reported.id);
        before
            .filter(|old| storages.iter().all(|storage| storage.id != *old))
            .collect()
    });
    for storage in gone {
        let chunks = cluster.replicas.forget(storage).len();
        tracing::warn!(datanode = %id, %storage, chunks, "datanode has registered without a storage that it had");
    }
    for storage in &storages {
        cluster.replicas.registered(storage.id);
    }
    cluster
        .view
        .register(core.now(), id, (host.clone(), data_port, rack), storages);
    drop(cluster);
    tracing::info!(datanode = %id, address = %format_args!("{host}:{data_port}"), version = %request.version, "datanode registered");
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Ok(v1::RegisterResponse {
        term: core.term.as_u64(),
        heartbeat_interval_ms: millis(core.config.heartbeat_interval),
        block_report_interval_ms: millis(core.config.block_report_interval),
        ..Default::default()
    })
}

pub(super) fn heartbeat(
    core: &Core,
    request: &v1::HeartbeatRequest,
) -> Result<v1::HeartbeatResponse, Rejection> {
    let id = proto::datanode_id(&request.datanode_id)?;
    let storages = storages(&request.storages)?;
    core.drain_freed();
    let namespace = core.machine.read();
    let mut cluster = core.cluster();
    let mut commands = Vec::new();
    if let Some(node) = cluster.view.node(id)
        && matches!(node.liveness, Liveness::Dead | Liveness::Suspicious)
    {
        tracing::info!(datanode = %id, address = %node.address(), was = ?node.liveness, "datanode is back");
    }
    if cluster.view.heartbeat(core.now(), id, storages, request.streams) {
        let orders = cluster.take_invalid(&namespace, id, DELETIONS_MAX, core.config.required_replicas());
        if !orders.is_empty() {
            commands.push(v1::command::Command::DeleteReplicas(delete(&orders)));
        }
        if cluster.owes_report(id, core.now(), core.settle_time()) {
            commands.push(v1::command::Command::SendBlockReport(v1::SendBlockReport {}));
        }
    } else {
        commands.push(v1::command::Command::RegisterAgain(v1::RegisterAgain {}));
    }
    let command = |command| v1::Command {
        command: Some(command),
    };
    Ok(v1::HeartbeatResponse {
        term: core.term.as_u64(),
        commands: commands.into_iter().map(command).collect(),
        leads: true,
        ..Default::default()
    })
}

fn delete(orders: &[(types::ChunkId, types::Generation)]) -> v1::DeleteReplicas {
    let replicas = orders.iter().map(|(chunk, generation)| v1::ReplicaVersion {
        chunk: chunk.as_u64(),
        generation: generation.as_u64(),
    });
    v1::DeleteReplicas {
        replicas: replicas.collect(),
    }
}
