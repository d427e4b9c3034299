//! `RegisterDatanode`, `SetMemberState`, `RemoveMember`.

use types::{AdminState, DatanodeId};

use crate::handler::{Answer, Call};
use crate::table::Members;
use crate::{Member, NamespaceError, Outcome, Registration, permission};

/// Makes a datanode a member.
pub(crate) fn register(members: &mut Members, call: &Call<'_>, said: &Registration) -> Answer {
    permission::require_superuser(call.caller)?;
    members.register(call.at, said);
    Ok(Outcome::Done)
}

/// Says how a member takes part.
pub(crate) fn set_state(members: &mut Members, call: &Call<'_>, id: DatanodeId, state: AdminState) -> Answer {
    permission::require_superuser(call.caller)?;
    let member = members.find(id).ok_or(NamespaceError::NoMember(id))?;
    let stays = match (member.admin, state) {
        (AdminState::Decommissioning { .. }, AdminState::Decommissioning { .. })
        | (AdminState::Decommissioned { .. }, AdminState::Decommissioned { .. }) => true,
        (before, after) => before == after,
    };
    if !stays {
        let member = Member {
            admin: state,
            ..member.clone()
        };
        members.put(call.at, member);
    }
    Ok(Outcome::Done)
}

/// Forgets a member.
pub(crate) fn remove(members: &mut Members, call: &Call<'_>, id: DatanodeId) -> Answer {
    permission::require_superuser(call.caller)?;
    if members.remove(call.at, id) {
        Ok(Outcome::Done)
    } else {
        Err(NamespaceError::NoMember(id))
    }
}

#[cfg(test)]
mod tests {
    use types::{AdminState, DatanodeId, StorageId, UnixMillis};

    use crate::testing::{Fs, denied};
    use crate::{Command, Member, MemberStorage, NamespaceError, Outcome, Registration};

    fn id(id: u16) -> DatanodeId {
        let [high, low] = id.to_be_bytes();
        DatanodeId::from_random_bytes([high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    fn said(number: u16, host: &str) -> Registration {
        Registration {
            id: id(number),
            host: host.to_owned(),
            data_port: 9866,
            rack: "/default".to_owned(),
            storages: vec![MemberStorage {
                id: StorageId::from_random_bytes([1; 16]),
                capacity: 1 << 40,
            }],
        }
    }

    fn register(fs: &mut Fs, number: u16, host: &str) -> u64 {
        let command = Command::RegisterDatanode(said(number, host));
        assert_eq!(fs.by("root").run(command), Ok(Outcome::Done));
        fs.ns.members_version()
    }

    fn set(fs: &mut Fs, number: u16, state: AdminState) -> Result<Outcome, NamespaceError> {
        let id = id(number);
        fs.by("root").run(Command::SetMemberState { id, state })
    }

    fn remove(fs: &mut Fs, number: u16) -> Result<Outcome, NamespaceError> {
        fs.by("root").run(Command::RemoveMember { id: id(number) })
    }

    const DRAINS: AdminState = AdminState::Decommissioning { since: UnixMillis(7) };

    fn since(fs: &Fs, version: u64) -> Option<(Vec<&str>, Vec<DatanodeId>)> {
        let changes = fs.ns.changes_since(version)?;
        assert_eq!(changes.version, fs.ns.members_version());
        let hosts = changes.changed.iter().map(|member| &*member.host);
        Some((hosts.collect(), changes.removed))
    }

    #[test]
    fn a_datanode_that_comes_again_is_the_same_member() {
        let mut fs = Fs::new();
        for (number, host) in [(2, "b"), (1, "a"), (2, "moved")] {
            register(&mut fs, number, host);
        }
        let hosts: Vec<_> = fs.ns.members().map(|member| &*member.host).collect();
        assert_eq!(hosts, ["a", "moved"]);
        let moved = Member::new(said(2, "moved"), AdminState::InService);
        assert_eq!(fs.ns.member(moved.id), Some(&moved));
        assert_eq!(fs.ns.member(id(3)), None);
    }

    #[test]
    fn what_operators_said_outlives_a_restart_of_the_datanode() {
        let mut fs = Fs::new();
        register(&mut fs, 1, "a");
        set(&mut fs, 1, DRAINS).unwrap();
        register(&mut fs, 1, "moved");
        let member = fs.ns.member(id(1)).unwrap();
        assert_eq!((&*member.host, member.admin), ("moved", DRAINS));
        remove(&mut fs, 1).unwrap();
        register(&mut fs, 1, "moved");
        let admin = fs.ns.member(id(1)).unwrap().admin;
        assert_eq!(admin, AdminState::InService, "somebody new");
    }

    #[test]
    fn who_drains_already_goes_on_since_then() {
        let mut fs = Fs::new();
        register(&mut fs, 1, "a");
        set(&mut fs, 1, DRAINS).unwrap();
        let version = fs.ns.members_version();
        let again = AdminState::Decommissioning {
            since: UnixMillis(99),
        };
        set(&mut fs, 1, again).unwrap();
        assert_eq!(fs.ns.member(id(1)).unwrap().admin, DRAINS);
        assert_eq!(fs.ns.members_version(), version, "nothing has changed");
        let until = |ms| AdminState::Maintenance {
            until: UnixMillis(ms),
        };
        for state in [until(5), until(6), AdminState::InService, again] {
            set(&mut fs, 1, state).unwrap();
            assert_eq!(fs.ns.member(id(1)).unwrap().admin, state);
        }
    }

    #[test]
    fn only_what_changed_is_told() {
        let mut fs = Fs::new();
        let none = fs.ns.members_version();
        let first = register(&mut fs, 1, "a");
        let second = register(&mut fs, 2, "b");
        assert!(none < first && first < second);
        assert_eq!(register(&mut fs, 2, "b"), second, "nothing new");
        assert_eq!(since(&fs, none), Some((vec!["a", "b"], vec![])));
        assert_eq!(since(&fs, first), Some((vec!["b"], vec![])));
        assert_eq!(since(&fs, second), Some((vec![], vec![])));
        set(&mut fs, 1, DRAINS).unwrap();
        assert_eq!(since(&fs, second), Some((vec!["a"], vec![])));
        let before = fs.ns.members_version();
        remove(&mut fs, 2).unwrap();
        assert_eq!(since(&fs, second), Some((vec!["a"], vec![id(2)])));
        assert_eq!(since(&fs, before), Some((vec![], vec![id(2)])));
        register(&mut fs, 2, "back");
        assert_eq!(since(&fs, before), Some((vec!["back"], vec![])));
        assert_eq!(since(&fs, fs.ns.members_version() + 1), None, "of the future");
    }

    #[test]
    fn who_is_too_far_behind_is_told_everything() {
        let mut fs = Fs::new();
        let first = register(&mut fs, 0, "kept");
        for number in 1..=1_025 {
            register(&mut fs, number, "gone");
        }
        let all = fs.ns.members_version();
        for number in 1..=1_024 {
            remove(&mut fs, number).unwrap();
        }
        assert_eq!(since(&fs, all).unwrap().1.len(), 1_024);
        assert_eq!(since(&fs, first).unwrap().1.len(), 1_024);
        remove(&mut fs, 1_025).unwrap();
        assert_eq!(since(&fs, all), None);
        let (changed, removed) = since(&fs, all + 1).unwrap();
        assert_eq!((changed.len(), removed.len()), (0, 1_024));
    }

    #[test]
    fn in_a_new_era_everybody_is_told_everything() {
        let mut fs = Fs::new();
        let version = register(&mut fs, 1, "a");
        assert!(fs.ns.begin_era());
        assert_eq!(since(&fs, version), None);
        assert_eq!(
            since(&fs, version + 1_000_000_000_000),
            None,
            "of another future of the copy"
        );
        let version = fs.ns.members_version();
        register(&mut fs, 2, "b");
        assert_eq!(since(&fs, version), Some((vec!["b"], vec![])));
    }

    #[test]
    fn who_is_no_member_is_told() {
        let mut fs = Fs::new();
        let unknown = Err(NamespaceError::NoMember(id(1)));
        assert_eq!(remove(&mut fs, 1), unknown);
        assert_eq!(set(&mut fs, 1, DRAINS), unknown);
    }

    #[test]
    fn users_make_no_members() {
        let mut fs = Fs::new();
        let (id, state) = (id(1), DRAINS);
        for command in [
            Command::RegisterDatanode(said(1, "a")),
            Command::SetMemberState { id, state },
            Command::RemoveMember { id },
        ] {
            let refusal = Err(denied("/", "ann", "superuser privilege"));
            assert_eq!(fs.by("ann").run(command), refusal);
        }
    }
}
