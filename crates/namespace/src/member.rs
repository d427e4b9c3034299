//! A datanode as a member of the cluster, and how members change.

use serde::{Deserialize, Serialize};
use types::{AdminState, DatanodeId};

use crate::{MemberStorage, Namespace, Registration};

/// A datanode as a member of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who it is.
    pub id: DatanodeId,
    /// How it wants to be reached.
    pub host: String,
    /// The port of its data plane.
    pub data_port: u16,
    /// Its rack: `/default` when none is known.
    pub rack: String,
    /// Its volumes.
    pub storages: Vec<MemberStorage>,
    /// How it takes part, by an operator's word.
    pub admin: AdminState,
}

impl Member {
    /// A member by what a datanode says of itself, and an operator of it.
    #[must_use]
    pub fn new(said: Registration, admin: AdminState) -> Self {
        let Registration {
            id,
            host,
            data_port,
            rack,
            storages,
        } = said;
        Self {
            id,
            host,
            data_port,
            rack,
            storages,
            admin,
        }
    }

    /// Whether the datanode has said this of itself last.
    #[must_use]
    pub fn is_registered_as(&self, said: &Registration) -> bool {
        (self.id, &self.host, self.data_port) == (said.id, &said.host, said.data_port)
            && (&self.rack, &self.storages) == (&said.rack, &said.storages)
    }
}

/// What changed among the members since a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberChanges<'a> {
    /// The version of now: what to ask with the next time.
    pub version: u64,
    /// Members that are new, or not as they were.
    pub changed: Vec<&'a Member>,
    /// Members that are none any more.
    pub removed: Vec<DatanodeId>,
}

impl Namespace {
    /// All members, by id.
    pub fn members(&self) -> impl Iterator<Item = &Member> + '_ {
        self.members.iter()
    }

    /// A member.
    #[must_use]
    pub fn member(&self, id: DatanodeId) -> Option<&Member> {
        self.members.find(id)
    }

    /// The version of the members. It rises with each change: a new one, another address, rack or volume, another state,
    /// a removal. It is no count.
    #[must_use]
    pub const fn members_version(&self) -> u64 {
        self.members.version()
    }

    /// What changed since a version that somebody has seen. None when that is not known: it is too long ago, or was seen of
    /// another history than this one. All members are to be told then.
    #[must_use]
    pub fn changes_since(&self, version: u64) -> Option<MemberChanges<'_>> {
        self.members.changes_since(version)
    }
}
