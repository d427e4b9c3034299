//! The datanodes of the cluster, as the leader last told: a view of versions, brought up to date by what changed since.
//!
//! It may be behind, and nothing here depends on it.

use std::collections::BTreeMap;

use proto::{Malformed, v1};
use types::DatanodeId;

/// More than any cluster has: what is told beyond that is forgotten.
const MEMBERS_MAX: usize = 100_000;

/// What an operator has decided about a datanode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admin {
    /// It takes part in everything.
    InService,
    /// Its replicas are being copied elsewhere.
    Decommissioning,
    /// It may be switched off.
    Decommissioned,
    /// It is expected to be away, and back before this date (milliseconds since 1970).
    Maintenance {
        /// The date.
        until_ms: u64,
    },
}

/// A datanode of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which one.
    pub id: DatanodeId,
    /// How it is reached.
    pub host: String,
    /// The port of its data plane.
    pub data_port: u16,
    /// Where it stands.
    pub rack: String,
    /// What is to become of it.
    pub admin: Admin,
    /// Whether the leader hears of it.
    pub alive: bool,
}

/// What the leader told.
#[derive(Debug, Default)]
pub(crate) struct Members {
    version: u64,
    known: BTreeMap<DatanodeId, Member>,
}

impl Members {
    /// The version that is known; 0: none.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn all(&self) -> Vec<Member> {
        self.known.values().cloned().collect()
    }

    /// Takes what changed. An update that is older than what is known says nothing, unless it says everything. One that can
    /// not be understood leaves all as it was, and the version too, so that it comes again.
    pub(super) fn apply(&mut self, update: &v1::MembersUpdate) -> Result<(), Malformed> {
        if update.version <= self.version && !update.full {
            return Ok(());
        }
        let members: Vec<Member> = update.members.iter().map(member).collect::<Result<_, _>>()?;
        let removed = update.removed.iter().map(|id| proto::datanode_id(id));
        let removed: Vec<DatanodeId> = removed.collect::<Result<_, _>>()?;
        if update.full {
            self.known.clear();
        }
        for id in removed {
            self.known.remove(&id);
        }
        for member in members {
            if self.known.len() < MEMBERS_MAX || self.known.contains_key(&member.id) {
                self.known.insert(member.id, member);
            }
        }
        self.version = update.version;
        Ok(())
    }
}

fn member(state: &v1::MemberState) -> Result<Member, Malformed> {
    let datanode = (state.datanode.as_ref()).ok_or(Malformed::Missing("members.datanode"))?;
    Ok(Member {
        id: proto::datanode_id(&datanode.id)?,
        host: datanode.host.clone(),
        data_port: u16::try_from(datanode.data_port).unwrap_or_default(),
        rack: datanode.rack.clone(),
        admin: match state.admin() {
            v1::AdminState::Unspecified | v1::AdminState::InService => Admin::InService,
            v1::AdminState::Decommissioning => Admin::Decommissioning,
            v1::AdminState::Decommissioned => Admin::Decommissioned,
            v1::AdminState::Maintenance => Admin::Maintenance {
                until_ms: state.maintenance_until_ms,
            },
        },
        alive: state.alive,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> DatanodeId {
        DatanodeId::from_random_bytes([n; 16])
    }

    fn state(n: u8, alive: bool) -> v1::MemberState {
        v1::MemberState {
            datanode: Some(v1::Datanode {
                id: id(n).0.as_bytes().to_vec().into(),
                host: format!("node-{n}"),
                data_port: 9866,
                rack: "/r".into(),
            }),
            admin: v1::AdminState::Maintenance.into(),
            alive,
            maintenance_until_ms: 7,
        }
    }

    fn update(version: u64, full: bool, members: &[u8], removed: &[u8]) -> v1::MembersUpdate {
        v1::MembersUpdate {
            version,
            full,
            members: members
                .iter()
                .map(|&n| state(n, version.is_multiple_of(2)))
                .collect(),
            removed: (removed.iter())
                .map(|&n| id(n).0.as_bytes().to_vec().into())
                .collect(),
        }
    }

    fn known(members: &Members) -> Vec<(DatanodeId, bool)> {
        let all = members.all();
        all.iter().map(|member| (member.id, member.alive)).collect()
    }

    #[test]
    fn changes_add_up_and_what_is_full_replaces() {
        let mut members = Members::default();
        members.apply(&update(3, true, &[1, 2], &[])).unwrap();
        members.apply(&update(4, false, &[2, 3], &[1])).unwrap();
        assert_eq!(known(&members), [(id(2), true), (id(3), true)]);
        members.apply(&update(3, false, &[1], &[2])).unwrap();
        assert_eq!(known(&members), [(id(2), true), (id(3), true)], "older");
        let told = &members.all()[0];
        assert_eq!((told.host.as_str(), told.data_port), ("node-2", 9866));
        assert_eq!(told.admin, Admin::Maintenance { until_ms: 7 });
        members.apply(&update(1, true, &[9], &[])).unwrap();
        assert_eq!((known(&members), members.version()), (vec![(id(9), false)], 1));
    }

    #[test]
    fn what_is_not_understood_changes_nothing() {
        let mut members = Members::default();
        members.apply(&update(3, true, &[1], &[])).unwrap();
        for mut broken in [update(4, true, &[2], &[]), update(4, false, &[2], &[])] {
            broken.members.push(v1::MemberState::default());
            members.apply(&broken).unwrap_err();
            let mut broken = update(4, true, &[2], &[]);
            broken.removed.push(vec![1].into());
            members.apply(&broken).unwrap_err();
        }
        assert_eq!((known(&members), members.version()), (vec![(id(1), false)], 3));
    }
}
