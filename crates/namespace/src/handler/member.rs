//! `RegisterDatanode`.

use crate::handler::{Answer, Call};
use crate::table::Members;
use crate::{Member, Outcome, permission};

/// Makes a datanode a member.
pub(crate) fn register(members: &mut Members, call: &Call<'_>, member: &Member) -> Answer {
    permission::require_superuser(call.caller)?;
    members.put(member.clone());
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use types::{DatanodeId, StorageId};

    use crate::testing::{Fs, denied};
    use crate::{Command, Member, MemberStorage};

    fn member(id: u8, host: &str) -> Member {
        Member {
            id: DatanodeId::from_random_bytes([id; 16]),
            host: host.to_owned(),
            data_port: 9866,
            rack: "/default".to_owned(),
            storages: vec![MemberStorage {
                id: StorageId::from_random_bytes([id; 16]),
                capacity: 1 << 40,
            }],
        }
    }

    #[test]
    fn a_datanode_that_comes_again_is_the_same_member() {
        let mut fs = Fs::new();
        for member in [member(2, "b"), member(1, "a"), member(2, "moved")] {
            fs.by("root").run(Command::RegisterDatanode(member)).unwrap();
        }
        let hosts: Vec<_> = fs.ns.members().map(|member| &*member.host).collect();
        assert_eq!(hosts, ["a", "moved"]);
        let moved = member(2, "moved");
        assert_eq!(fs.ns.member(moved.id), Some(&moved));
        assert_eq!(fs.ns.member(DatanodeId::from_random_bytes([3; 16])), None);
    }

    #[test]
    fn users_make_no_members() {
        let mut fs = Fs::new();
        let command = Command::RegisterDatanode(member(1, "a"));
        let refusal = Err(denied("/", "ann", "superuser privilege"));
        assert_eq!(fs.by("ann").run(command), refusal);
    }
}
