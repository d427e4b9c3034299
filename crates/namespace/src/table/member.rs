//! The datanodes of the cluster.

use std::sync::Arc;

use imbl::OrdMap;
use types::DatanodeId;

use crate::Member;

/// All members, by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members(OrdMap<DatanodeId, Arc<Member>>);

impl Members {
    /// Adds a member, or replaces what is known of it.
    pub(crate) fn put(&mut self, member: Member) {
        self.0.insert(member.id, Arc::new(member));
    }

    pub(crate) fn find(&self, id: DatanodeId) -> Option<&Member> {
        self.0.get(&id).map(|member| &**member)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> + '_ {
        self.0.values().map(|member| &**member)
    }
}
