//! Questions that have nothing to do with Raft: who answers at an address, and whether it would let a lost master's
//! successor in.

use std::time::Duration;

use proto::v1;
use tonic::Status;
use types::{MasterId, Term};

use super::link::Kind;
use super::network::Network;
use crate::status::Member;

/// How long an answer to "who are you" may take.
const IDENTIFY: Duration = Duration::from_secs(1);

/// How long a leader may take to let a member in: that gets the whole state meanwhile.
const REJOIN: Duration = Duration::from_secs(600);

/// What a master says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: MasterId,
    /// The masters that it was started with.
    pub(crate) configured: Vec<String>,
    /// The group that it belongs to, as far as it knows; none: it is blank.
    pub(crate) members: Vec<Member>,
    pub(crate) leader: Option<MasterId>,
    pub(crate) term: Term,
}

impl Identity {
    pub(crate) fn of(response: v1::WhoAreYouResponse) -> Self {
        let members = response.members.into_iter().map(|member| Member {
            id: MasterId(member.id),
            address: member.address,
            voter: member.voter,
        });
        Self {
            id: MasterId(response.id),
            configured: response.configured,
            members: members.collect(),
            leader: (response.leader != 0).then_some(MasterId(response.leader)),
            term: Term(response.term),
        }
    }

    pub(crate) fn into_response(self) -> v1::WhoAreYouResponse {
        let members = self.members.into_iter().map(|member| v1::MasterAddress {
            id: member.id.0,
            address: member.address,
            voter: member.voter,
        });
        let members: Vec<_> = members.collect();
        v1::WhoAreYouResponse {
            id: self.id.0,
            formatted: !members.is_empty(),
            configured: self.configured,
            members,
            leader: self.leader.map_or(0, |leader| leader.0),
            term: self.term.as_u64(),
        }
    }
}

/// Who answers at `address`.
///
/// # Errors
/// Why nobody does.
pub(crate) async fn identify(network: &Network, address: &str) -> Result<Identity, Status> {
    let link = network
        .link(address, Kind::Small)
        .map_err(|_| Status::invalid_argument("this is not an address (host:port)"))?;
    let (mut client, used) = link.client();
    match tokio::time::timeout(IDENTIFY, client.who_are_you(v1::WhoAreYouRequest {})).await {
        Ok(Ok(answer)) => {
            link.answered(used);
            Ok(Identity::of(answer.into_inner()))
        }
        Ok(Err(status)) => Err(status),
        Err(_) => {
            link.silent(used);
            Err(Status::deadline_exceeded(format!(
                "no answer within {IDENTIFY:?}"
            )))
        }
    }
}

/// Asks the leader at `address` to let the master `id` in, in the place of the one that was lost at `own`.
///
/// # Errors
/// Why it does not.
pub(crate) async fn rejoin(network: &Network, address: &str, id: MasterId, own: &str) -> Result<(), Status> {
    let link = network
        .link(address, Kind::Checkpoint)
        .map_err(|_| Status::invalid_argument("this is not an address (host:port)"))?;
    let (mut client, used) = link.client();
    let request = v1::RejoinRequest {
        id: id.0,
        address: own.to_owned(),
    };
    match tokio::time::timeout(REJOIN, client.rejoin(request)).await {
        Ok(Ok(_)) => {
            link.answered(used);
            Ok(())
        }
        Ok(Err(status)) => {
            link.answered(used);
            Err(status)
        }
        Err(_) => {
            link.silent(used);
            Err(Status::deadline_exceeded(format!("no answer within {REJOIN:?}")))
        }
    }
}
