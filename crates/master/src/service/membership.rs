//! Datanodes come. They do so to every master: one that does not lead keeps the same picture as the
//! leader, and takes over with it.

use std::time::Duration;

use namespace::{Command, MemberStorage, Registration};
use placement::{DiskTimes, StorageReport};
use proto::v1::{self, ErrorCode};
use types::{DatanodeId, PoolId, Term};

use crate::core::Core;
use crate::rejection::Rejection;

/// How long a registration waits for the leader's word about its datanode, at a master that does not lead.
const MEMBER_PATIENCE: Duration = Duration::from_secs(2);

/// The term that goes with an answer which orders nothing.
pub(super) fn term(core: &Core) -> Term {
    core.leadership.led_term()
}

pub(super) fn identity(core: &Core) -> Result<v1::IdentityResponse, Rejection> {
    let cluster = core.cluster_id()?;
    Ok(v1::IdentityResponse {
        cluster_id: cluster.to_string(),
        pool_id: PoolId::of(cluster).to_string(),
        term: term(core).as_u64(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        masters: core.masters(),
        master_id: core.group().map_or(0, |group| group.id().0),
    })
}

/// What a datanode that has not registered gets.
pub(super) fn unknown(id: DatanodeId) -> Rejection {
    Rejection::new(
        ErrorCode::UnknownDatanode,
        format!("datanode {id} has not registered since this master started; register first"),
    )
}

pub(super) fn storages(messages: &[v1::StorageStatus]) -> Result<Vec<StorageReport>, Rejection> {
    let report = |message: &v1::StorageStatus| {
        Ok(StorageReport {
            id: proto::storage_id(&message.id)?,
            capacity: message.capacity,
            used: message.used,
            available: message.available,
            chunks: message.chunks,
            failed: Some(message.failed.clone()).filter(|why| !why.is_empty()),
            times: DiskTimes {
                sync_us: message.sync_us,
                read_us: message.read_us,
            },
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
    let named = Some(datanode.host).filter(|host| !host.is_empty());
    // Where it comes from may look different at each master: the leader's view counts.
    let host = named.or_else(|| known_host(core, id)).or(peer);
    let host = host.ok_or(proto::Malformed::Missing("datanode.host"))?;
    let cluster_id = core.cluster_id()?;
    if request.cluster_id != cluster_id.to_string() {
        return Err(Rejection::new(
            ErrorCode::WrongCluster,
            format!(
                "datanode {host}:{} belongs to cluster {}, this master to cluster {}: point the datanode at a master of \
                 its own cluster, or start it with an empty directory",
                datanode.data_port, request.cluster_id, cluster_id
            ),
        ));
    }
    let data_port = u16::try_from(datanode.data_port)
        .map_err(|_| Rejection::invalid(format!("{} is not a port", datanode.data_port)))?;
    let rack = Some(datanode.rack)
        .filter(|rack| !rack.is_empty())
        .unwrap_or_else(|| "/default".to_owned());
    let storages = storages(&request.storages)?;
    let said = Registration {
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
    admit(core, &said).await?;
    let mut cluster = core.cluster();
    let gone = cluster
        .storages_of(id)
        .into_iter()
        .filter(|old| storages.iter().all(|storage| storage.id != *old));
    for storage in gone {
        let chunks = cluster.replicas.storage_count(storage);
        tracing::warn!(datanode = %id, %storage, chunks, "datanode has registered without a storage that it had");
        cluster.forget_storage(storage);
    }
    for storage in &storages {
        cluster.replicas.registered(storage.id);
    }
    cluster
        .view
        .register(core.now(), id, (host.clone(), data_port, rack), storages);
    cluster.came(core.now(), id);
    cluster.http_port_said(id, u16::try_from(request.http_port).unwrap_or_default());
    drop(cluster);
    tracing::info!(datanode = %id, address = %format_args!("{host}:{data_port}"), version = %request.version, "datanode registered");
    core.assess_picture();
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Ok(v1::RegisterResponse {
        term: term(core).as_u64(),
        heartbeat_interval_ms: millis(core.config.heartbeat_interval),
        block_report_interval_ms: millis(core.config.block_report_interval),
        masters: core.masters(),
    })
}

/// At a master that does not lead: how the leader calls a datanode that does not say so itself.
fn known_host(core: &Core, id: DatanodeId) -> Option<String> {
    if core.leads_now().is_some() {
        return None;
    }
    let namespace = core.machine.read();
    namespace.member(id).map(|member| member.host.clone())
}

/// Returns when the log has a datanode as it says: the leader writes it there, others wait for the leader.
async fn admit(core: &Core, said: &Registration) -> Result<(), Rejection> {
    let known = || {
        let namespace = core.machine.read();
        namespace
            .member(said.id)
            .is_some_and(|member| member.is_registered_as(said))
    };
    if known() {
        return Ok(());
    }
    if core.leads_now().is_some() {
        core.propose_own(Command::RegisterDatanode(said.clone())).await?;
        return Ok(());
    }
    let Some(mut status) = core.group().map(|group| group.status()) else {
        return Err(core.not_leader());
    };
    let applied = status.wait_for(|_| known());
    match tokio::time::timeout(MEMBER_PATIENCE, applied).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(Rejection::new(
            ErrorCode::NotReady,
            format!(
                "this master does not lead, and has not heard of datanode {} at {}:{} from the leader yet; try again",
                said.id, said.host, said.data_port
            ),
        )),
    }
}
