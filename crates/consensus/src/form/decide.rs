//! What a master does to belong to a group, as a pure function of what it knows and of what the others say.
//!
//! Two rules make that there is never a second group:
//! - only the master with the smallest of the configured addresses begins one, and only after every other configured
//!   master has said that it is blank, and is configured alike;
//! - ids are random and born with a directory. Who lost its directory is somebody new: what it said or promised before
//!   is not repeated under the same name, and it joins only by a change that a quorum of the old members agreed to.

use std::collections::BTreeSet;
use std::fmt;

use types::MasterId;

use crate::status::Member;
use crate::transport::Identity;

/// What a master knows of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own<'a> {
    pub(crate) id: MasterId,
    /// Where the others reach it.
    pub(crate) address: &'a str,
    /// The masters that it was started with, itself included.
    pub(crate) configured: &'a [String],
    /// The group, as its own log tells; none: it is blank.
    pub(crate) members: &'a [Member],
    pub(crate) leader: Option<MasterId>,
}

/// What came back from one of the other configured addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) address: String,
    /// None: nobody answers.
    pub(crate) identity: Option<Identity>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing: it belongs to a group.
    Belongs,
    /// Begin a group of these, itself among them.
    Begin(Vec<Member>),
    /// Ask the leader, who is reached there, for the place of the master that was lost at this address.
    Rejoin {
        /// Where.
        leader: String,
        /// In whose place.
        lost: MasterId,
    },
    /// Ask again later.
    Wait(Waiting),
}

/// What a master waits for before it belongs to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// Some of the configured masters have not been reached yet.
    Unreachable(Vec<String>),
    /// Another master was started with another list.
    ListsDiffer {
        /// Where that one is.
        address: String,
        /// Its list.
        theirs: Vec<String>,
    },
    /// An address of the list is this master itself.
    Myself(String),
    /// Two addresses of the list are the same master.
    Twins(String, String),
    /// Its own address is not in its list.
    NotListed,
    /// Another one begins the group.
    First(String),
    /// It is a member already; the leader's messages have not come yet.
    Leader,
    /// The group has no leader at the moment that could let it in.
    NoLeader,
    /// The group does not know it.
    ToBeAdded(Vec<Member>),
    /// The masters of its list belong to several groups.
    SeveralGroups(String, String),
    /// It was removed from its group.
    Removed,
    /// The leader does not let it in.
    Refused(String),
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(addresses) => write!(
                f,
                "a new group begins when all its masters are there; not reached yet: {}",
                addresses.join(", ")
            ),
            Self::ListsDiffer { address, theirs } => write!(
                f,
                "the master at {address} was started with other masters ({}): give all masters the same list, and \
                 start them again",
                theirs.join(", ")
            ),
            Self::Myself(address) => write!(
                f,
                "{address} in the list of masters is this master itself under another name: every master must be in \
                 the list once"
            ),
            Self::Twins(one, other) => write!(
                f,
                "{one} and {other} in the list of masters are the same master: every master must be in the list once"
            ),
            Self::NotListed => f.write_str(
                "none of the listed masters belongs to a group yet, and this one is not in its own list: it can not \
                 begin a group with them. Put its address into the list of all masters, or begin the group first",
            ),
            Self::First(address) => write!(f, "the master at {address} is about to begin the group"),
            Self::Leader => f.write_str("it belongs to the group and waits to hear from the leader"),
            Self::NoLeader => f.write_str("the group has no leader at the moment that could let it in"),
            Self::ToBeAdded(members) => {
                let addresses: Vec<_> = members.iter().map(|member| member.address.as_str()).collect();
                write!(
                    f,
                    "the group ({}) does not know this master: add it with `admin master add`",
                    addresses.join(", ")
                )
            }
            Self::SeveralGroups(one, other) => write!(
                f,
                "the masters at {one} and {other} belong to different groups: list those of one cluster only"
            ),
            Self::Removed => f.write_str(
                "it was removed from its group and stands by: stop it, or add it again with `admin master add`",
            ),
            Self::Refused(why) => write!(f, "the leader does not let it in: {why}"),
        }
    }
}

/// The other masters that are to be asked.
pub(crate) fn others<'a>(own: &Own<'a>) -> BTreeSet<&'a str> {
    let addresses = own.configured.iter().map(String::as_str);
    addresses.filter(|address| *address != own.address).collect()
}

/// What to do, when [`others`] said this.
pub(crate) fn decide(own: &Own<'_>, heard: &[Heard]) -> Decision {
    if !own.members.is_empty() {
        return belongs(own);
    }
    let answers: Vec<_> = heard
        .iter()
        .filter_map(|heard| Some((heard.address.as_str(), heard.identity.as_ref()?)))
        .filter(|(_, identity)| identity.id != own.id)
        .collect();
    let formatted: Vec<_> = answers
        .iter()
        .copied()
        .filter(|(_, identity)| !identity.members.is_empty())
        .collect();
    let newest = formatted
        .iter()
        .max_by_key(|(_, identity)| (identity.leader.is_some(), identity.term));
    match newest {
        Some(&(address, newest)) => join(own, &formatted, address, newest),
        None => begin(own, heard, &answers).map_or_else(Decision::Wait, Decision::Begin),
    }
}

/// It has a group already. That may be one that it is only half in.
fn belongs(own: &Own<'_>) -> Decision {
    let member = own.members.iter().find(|member| member.id == own.id);
    let Some(member) = member else {
        return Decision::Wait(Waiting::Removed);
    };
    match predecessor(own, own.members) {
        Some(lost) if !member.voter => rejoin(own.leader, own.members, lost),
        _ => Decision::Belongs,
    }
}

/// The member that had this master's address before.
fn predecessor(own: &Own<'_>, members: &[Member]) -> Option<MasterId> {
    let before = members
        .iter()
        .find(|member| member.address == own.address && member.id != own.id);
    before.map(|member| member.id)
}

fn rejoin(leader: Option<MasterId>, members: &[Member], lost: MasterId) -> Decision {
    let leader = leader.and_then(|leader| members.iter().find(|member| member.id == leader));
    match leader {
        Some(leader) if leader.id != lost => Decision::Rejoin {
            leader: leader.address.clone(),
            lost,
        },
        _ => Decision::Wait(Waiting::NoLeader),
    }
}

/// There is a group: `newest` knows it best.
fn join(own: &Own<'_>, formatted: &[(&str, &Identity)], address: &str, newest: &Identity) -> Decision {
    let known: BTreeSet<_> = newest.members.iter().map(|member| member.id).collect();
    let stranger = formatted
        .iter()
        .find(|(_, identity)| !identity.members.iter().any(|member| known.contains(&member.id)));
    if let Some((other, _)) = stranger {
        return Decision::Wait(Waiting::SeveralGroups(address.to_owned(), (*other).to_owned()));
    }
    if known.contains(&own.id) {
        return Decision::Wait(Waiting::Leader);
    }
    match predecessor(own, &newest.members) {
        Some(lost) => rejoin(newest.leader, &newest.members, lost),
        None => Decision::Wait(Waiting::ToBeAdded(newest.members.clone())),
    }
}

/// There is no group, as far as the answers go.
fn begin(own: &Own<'_>, heard: &[Heard], answers: &[(&str, &Identity)]) -> Result<Vec<Member>, Waiting> {
    let list: BTreeSet<_> = own.configured.iter().map(String::as_str).collect();
    if !list.is_empty() && !list.contains(own.address) {
        return Err(Waiting::NotListed);
    }
    if let Some((address, theirs)) = answers.iter().find(|(_, identity)| {
        let theirs: BTreeSet<_> = identity.configured.iter().map(String::as_str).collect();
        theirs != list
    }) {
        return Err(Waiting::ListsDiffer {
            address: (*address).to_owned(),
            theirs: theirs.configured.clone(),
        });
    }
    for (place, one) in heard.iter().enumerate() {
        let Some(identity) = &one.identity else { continue };
        if identity.id == own.id {
            return Err(Waiting::Myself(one.address.clone()));
        }
        let twin = heard.iter().skip(place + 1).find(|other| {
            other
                .identity
                .as_ref()
                .is_some_and(|other| other.id == identity.id)
        });
        if let Some(twin) = twin {
            return Err(Waiting::Twins(one.address.clone(), twin.address.clone()));
        }
    }
    let reached: BTreeSet<_> = answers.iter().map(|(address, _)| *address).collect();
    let missing: Vec<_> = others(own)
        .into_iter()
        .filter(|address| !reached.contains(address))
        .map(str::to_owned)
        .collect();
    if !missing.is_empty() {
        return Err(Waiting::Unreachable(missing));
    }
    if let Some(first) = list.first().filter(|first| **first != own.address) {
        return Err(Waiting::First((*first).to_owned()));
    }
    let own = (own.address, own.id);
    let all = answers.iter().map(|(address, identity)| (*address, identity.id));
    let members = all.chain([own]).map(|(address, id)| Member {
        id,
        address: address.to_owned(),
        voter: true,
    });
    Ok(members.collect())
}

#[cfg(test)]
mod tests;
