//! From the system's values to messages.

use namespace::{FileKind, FileStatus};
use placement::{Node, Replica, ReplicaState, Storage};
use proto::v1;
use types::StorageId;

pub(super) fn file_status(status: FileStatus) -> v1::FileStatus {
    let kind = match status.kind {
        FileKind::File => v1::FileKind::File,
        FileKind::Directory => v1::FileKind::Directory,
    };
    v1::FileStatus {
        inode: status.inode.as_u64(),
        name: status.name,
        kind: kind.into(),
        length: status.len,
        mode: status.mode.into(),
        owner: status.owner,
        group: status.group,
        mtime_ms: status.mtime.as_u64(),
        atime_ms: status.atime.as_u64(),
        replication: status.replication.into(),
        chunk_size: status.chunk_size.map_or(0, types::ChunkSize::bytes),
        children: status.children,
        being_written: status.being_written,
    }
}

pub(super) fn datanode(node: &Node) -> v1::Datanode {
    v1::Datanode {
        id: node.id.0.as_bytes().to_vec().into(),
        host: node.host.clone(),
        data_port: node.data_port.into(),
        rack: node.rack.clone(),
    }
}

pub(super) fn replica(node: &Node, replica: &Replica) -> v1::Replica {
    let state = match replica.state {
        ReplicaState::Finalized => v1::ReplicaState::Finalized,
        ReplicaState::Corrupt => v1::ReplicaState::Corrupt,
    };
    v1::Replica {
        datanode: Some(datanode(node)),
        storage_id: storage_id(replica.storage),
        state: state.into(),
    }
}

/// A replica that is to be written on `node`.
pub(super) fn target(node: &Node, storage: StorageId) -> v1::Replica {
    v1::Replica {
        datanode: Some(datanode(node)),
        storage_id: storage_id(storage),
        state: v1::ReplicaState::BeingWritten.into(),
    }
}

/// A replica that `node` has not finished; on which of its storages, nobody has told.
pub(super) fn unfinished(node: &Node) -> v1::Replica {
    v1::Replica {
        datanode: Some(datanode(node)),
        storage_id: bytes::Bytes::new(),
        state: v1::ReplicaState::BeingWritten.into(),
    }
}

pub(super) fn storage_id(storage: StorageId) -> bytes::Bytes {
    storage.0.as_bytes().to_vec().into()
}

pub(super) fn datanode_status(node: &Node, silent_ms: u64) -> v1::DatanodeStatus {
    let sum = |of: fn(&Storage) -> u64| {
        node.storages
            .iter()
            .filter(|s| s.reported.failed.is_none())
            .map(of)
            .sum()
    };
    v1::DatanodeStatus {
        datanode: Some(datanode(node)),
        live: node.liveness.is_usable(),
        last_heartbeat_ms: silent_ms,
        capacity: sum(|storage| storage.reported.capacity),
        used: sum(|storage| storage.reported.used),
        available: sum(|storage| storage.reported.available),
        chunks: sum(|storage| storage.reported.chunks),
        streams: node.busy_streams(),
    }
}
