//! Why a change of the members is not made.

use std::time::Duration;

use types::MasterId;

use crate::error::NotLeader;

/// Why the members were not changed. Nothing was, unless it says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Only the leader changes members.
    #[error(transparent)]
    NotLeader(#[from] NotLeader),
    /// Another change is under way.
    #[error("another change of the masters is under way; wait for its end and try again")]
    Busy,
    /// Nobody answers there.
    #[error(
        "no master answers at {address} ({why}): start it there, with the addresses of this group's masters, and try again"
    )]
    Unreachable {
        /// Where.
        address: String,
        /// What happened.
        why: String,
    },
    /// It is this master.
    #[error("{0} is the leader itself")]
    Myself(String),
    /// It belongs to the group already.
    #[error("the master at {address} belongs to this group already, as {id}")]
    Already {
        /// Who.
        id: MasterId,
        /// Where.
        address: String,
    },
    /// The address is a member's.
    #[error(
        "{address} is the address of master {id}, but master {found} answers there: start it with the list of all \
         masters, and it takes the place of the lost one by itself; or remove {id} first"
    )]
    AddressTaken {
        /// Where.
        address: String,
        /// Whose address that is.
        id: MasterId,
        /// Who answers.
        found: MasterId,
    },
    /// It belongs to another group.
    #[error(
        "the master at {address} belongs to another group ({}): stop it, give it an empty directory and the list of \
         this group's masters, and start it again", members.join(", ")
    )]
    OtherGroup {
        /// Where.
        address: String,
        /// The masters of that group.
        members: Vec<String>,
    },
    /// It does not come near the end of the log.
    #[error(
        "the master at {address} does not catch up with the log (nothing came back from it for {silent:?}): it was \
         not added"
    )]
    Behind {
        /// Where.
        address: String,
        /// For how long.
        silent: Duration,
    },
    /// There is no such member.
    #[error("there is no master {0} in this group")]
    Unknown(MasterId),
    /// It is the only one.
    #[error("master {0} is the last one that has a vote: a group can not be without any")]
    Last(MasterId),
    /// The change would leave too few that are alive.
    #[error(
        "only {alive} of the {voters} masters that would have a vote then are alive, fewer than half: bring back {} \
         first", silent.join(", ")
    )]
    NoQuorum {
        /// Who would decide.
        voters: usize,
        /// How many of those answer.
        alive: usize,
        /// Where those are that do not.
        silent: Vec<String>,
    },
    /// It has no vote.
    #[error("master {0} has no vote, so that it can not lead")]
    NoVote(MasterId),
    /// It leads already.
    #[error("master {0} leads already")]
    Leads(MasterId),
    /// There is nobody to hand over to.
    #[error("no other master with a vote is alive: there is nobody to hand over to")]
    Nobody,
    /// It did not take over.
    #[error("master {0} did not take over in time; see `admin masters` for who leads")]
    NotTaken(MasterId),
    /// The one whose place is asked for is there.
    #[error("master {id} at {address} is alive: its place is not given away")]
    Alive {
        /// Who.
        id: MasterId,
        /// Where.
        address: String,
    },
    /// The address belongs to nobody in the group.
    #[error("no master of this group had the address {0}: add it with `admin master add`")]
    NoPlace(String),
    /// Somebody else answers at the address.
    #[error("master {id} asks for the place of {address}, but master {found} answers there")]
    NotThere {
        /// Who asks.
        id: MasterId,
        /// Where it says it is.
        address: String,
        /// Who is.
        found: MasterId,
    },
    /// Whether it was done is not known.
    #[error("whether the change was made is unknown ({0}); see `admin masters`, and try again")]
    Unknowable(String),
}
