//! How a member sees itself and the group.

use types::{MasterId, Term};

/// What a member is in its group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// It belongs to no group yet.
    #[default]
    Unformatted,
    /// It follows a leader or waits for one, without a vote.
    Learner,
    /// It follows a leader or waits for one.
    Follower,
    /// It asks for votes.
    Candidate,
    /// It was elected. Whether it may answer is told by [`crate::Group::leads`].
    Leader,
}

/// A member of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub id: MasterId,
    /// Where it is reached.
    pub address: String,
    /// Whether its vote counts.
    pub voter: bool,
}

/// A member's view of itself and the group. Indexes are those of the log on disk: the first record has 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// What this member is.
    pub role: Role,
    /// The term that it is in.
    pub term: Term,
    /// The leader that it knows of.
    pub leader: Option<MasterId>,
    /// The last record of its log.
    pub last: u64,
    /// The last record that it knows to be agreed on.
    pub committed: u64,
    /// The last record that its state machine has.
    pub applied: u64,
    /// The record up to which its newest checkpoint reaches; 0 where there is none.
    pub checkpoint: u64,
    /// Who belongs to the group, in the order of their ids.
    pub members: Vec<Member>,
}

impl Status {
    /// Whether this member belongs to a group.
    #[must_use]
    pub const fn formatted(&self) -> bool {
        !self.members.is_empty()
    }

    /// The member with this id.
    #[must_use]
    pub fn member(&self, id: MasterId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// Where the leader is reached, as far as this member knows.
    #[must_use]
    pub fn leader_address(&self) -> Option<&str> {
        self.leader
            .and_then(|leader| self.member(leader))
            .map(|member| member.address.as_str())
    }
}
