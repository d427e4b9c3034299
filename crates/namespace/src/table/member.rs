//! The datanodes of the cluster.

use std::collections::BTreeMap;

use types::DatanodeId;

use crate::Member;

/// All members, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Members(BTreeMap<DatanodeId, Member>);

impl Members {
    /// Adds a member, or replaces what is known of it.
    pub(crate) fn put(&mut self, member: Member) {
        self.0.insert(member.id, member);
    }

    pub(crate) fn find(&self, id: DatanodeId) -> Option<&Member> {
        self.0.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> + '_ {
        self.0.values()
    }
}
