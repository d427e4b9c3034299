//! The members of the cluster, as the log has them, in the picture: who is expected, and what operators want of each.

use std::time::Duration;

use namespace::Namespace;
use placement::Admin;
use types::{AdminState, DatanodeId, StorageId, UnixMillis};

use super::Cluster;

impl Cluster {
    /// Brings the picture up to the members of `namespace`.
    pub(crate) fn sync_members(&mut self, namespace: &Namespace, now: Duration, wall: UnixMillis) {
        if self.members_seen == Some(namespace.members_version()) {
            return;
        }
        self.members_seen = Some(namespace.members_version());
        for member in namespace.members() {
            if self.view.node(member.id).is_none() {
                let (host, rack) = (member.host.clone(), member.rack.clone());
                self.view.expect(member.id, host, member.data_port, rack);
            }
            self.view.set_admin(member.id, admin(member.admin, now, wall));
        }
        let gone: Vec<DatanodeId> = self
            .view
            .nodes()
            .map(|node| node.id)
            .filter(|id| namespace.member(*id).is_none())
            .collect();
        for id in gone {
            self.remove_node(id);
        }
    }

    /// A storage is nobody's any more: its replicas are to be forgotten, in slices.
    pub(crate) fn forget_storage(&mut self, storage: StorageId) {
        if !self.to_forget.contains(&storage) {
            self.to_forget.push(storage);
        }
    }

    /// The next storage whose replicas are to be forgotten.
    pub(crate) fn next_forgotten(&self) -> Option<StorageId> {
        self.to_forget.first().copied()
    }

    /// The replicas of a storage are forgotten, or it is somebody's again.
    pub(crate) fn forgotten(&mut self, storage: StorageId) {
        self.to_forget.retain(|other| *other != storage);
        if self.view.owner(storage).is_none() {
            let chunks = self.replicas.forget(storage).len();
            tracing::info!(%storage, chunks, "a storage is forgotten");
        }
    }

    /// The storages of a datanode.
    pub(crate) fn storages_of(&self, id: DatanodeId) -> Vec<StorageId> {
        let node = self.view.node(id);
        let storages = node.into_iter().flat_map(|node| &node.storages);
        storages.map(|storage| storage.reported.id).collect()
    }

    fn remove_node(&mut self, id: DatanodeId) {
        let storages = self.storages_of(id);
        self.view.remove(id);
        self.drop_orders_of(id);
        self.drop_invalid_of(id);
        self.asked.remove(&id);
        self.forget_extras(id, &storages);
        tracing::info!(datanode = %id, storages = storages.len(), "datanode is a member no more");
        for storage in storages {
            self.forget_storage(storage);
        }
    }
}

/// What the log says, on the monotonic clock of this process.
fn admin(state: AdminState, now: Duration, wall: UnixMillis) -> Admin {
    match state {
        AdminState::InService => Admin::InService,
        AdminState::Decommissioning { .. } => Admin::Decommissioning,
        AdminState::Decommissioned { .. } => Admin::Decommissioned,
        AdminState::Maintenance { until } => Admin::Maintenance {
            until: now + Duration::from_millis(until.since_ms(wall)),
        },
    }
}
