//! What the replicas of a storage count for, by its node's state.

use std::time::Duration;

use types::StorageId;

use crate::{Admin, ClusterView, Liveness, Node, Place, Reach};

impl ClusterView {
    /// Where `storage` of `node` is, and what its replicas count for.
    #[must_use]
    pub fn place<'a>(&self, node: &'a Node, storage: StorageId, now: Duration) -> Place<'a> {
        let works = node.working().any(|working| working.reported.id == storage);
        let lives = works && node.liveness.is_usable();
        let reach = match node.admin.at(now) {
            // A storage that has failed does not come back with its node.
            Admin::Maintenance { .. } if !works && !node.storages.is_empty() => Reach::Gone,
            Admin::Maintenance { .. } if lives => Reach::Maintenance,
            Admin::Maintenance { .. } => Reach::Away,
            _ if !lives => Reach::Gone,
            _ if node.liveness == Liveness::Suspicious => Reach::Silent,
            Admin::Decommissioning | Admin::Decommissioned => Reach::Draining,
            Admin::InService => Reach::Serving,
        };
        Place {
            node: node.id,
            rack: &node.rack,
            reach,
        }
    }

    /// The places of all storages.
    pub fn places(&self, now: Duration) -> impl Iterator<Item = (StorageId, Place<'_>)> + '_ {
        self.nodes().flat_map(move |node| {
            node.storages.iter().map(move |storage| {
                let id = storage.reported.id;
                (id, self.place(node, id, now))
            })
        })
    }
}
