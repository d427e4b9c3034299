//! What operators ask of the masters: who they are, who belongs to them, safe mode, checkpoints and backups.
//!
//! All but [`Admin::masters`] and [`Admin::safe_mode`] need the superuser.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use proto::v1;
use tonic::Streaming;
use types::MasterId;

use crate::Error;
use crate::fs::Inner;
use crate::rpc::{Limits, call};
use crate::search::ask;

/// How long a master may take to say who the masters are.
const QUESTION: Duration = Duration::from_secs(2);

/// How long a change of the masters, a hand-over or a checkpoint may take: a new member gets all metadata first.
const CHANGE: Duration = Duration::from_secs(10 * 60);

/// What a master does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MasterRole {
    /// It leads.
    Leader,
    /// It follows, and can be elected.
    Follower,
    /// It stands for election.
    Candidate,
    /// It catches up, and does not vote yet.
    Learner,
    /// It belongs to no group yet.
    Joining,
    /// It did not say.
    Unknown,
}

/// A master, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterStatus {
    /// Its identity, born with its directory.
    pub id: MasterId,
    /// `host:port`.
    pub address: String,
    /// What it does.
    pub role: MasterRole,
    /// Whether it answered.
    pub answers: bool,
    /// The last entry of its log.
    pub last_index: Option<u64>,
    /// The last entry that it has applied.
    pub applied_index: Option<u64>,
    /// Entries that it is behind the leader's log.
    pub lag: Option<u64>,
    /// How long the leader has not heard of it.
    pub silent: Option<Duration>,
    /// The last entry of its newest checkpoint.
    pub checkpoint_index: Option<u64>,
}

/// The masters of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterGroup {
    /// Who leads; none that is known.
    pub leader: Option<MasterId>,
    /// The term.
    pub term: u64,
    /// The cluster; none: not formatted yet.
    pub cluster_id: Option<String>,
    /// Every master of the group, by address.
    pub masters: Vec<MasterStatus>,
}

/// Whether the cluster is read-only, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct SafeMode {
    /// It is.
    pub on: bool,
    /// An operator entered it, and has to leave it.
    pub manual: bool,
    /// Committed chunks.
    pub chunks: u64,
    /// Of these, with enough replicas reported.
    pub confirmed: u64,
    /// The share that must be confirmed, from 0 to 1.
    pub needed_share: f64,
    /// What it waits for.
    pub reason: String,
}

/// A checkpoint that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointInfo {
    /// The last entry of the log that is in it.
    pub index: u64,
    /// Its length.
    pub bytes: u64,
}

/// A copy of all metadata that is being received: a checkpoint file, byte for byte.
pub struct Backup {
    parts: Streaming<v1::BackupPart>,
    first: Option<Bytes>,
    length: u64,
    received: u64,
}

/// What operators ask of the masters.
#[derive(Clone)]
pub struct Admin {
    inner: Arc<Inner>,
}

/// The answer of one master, with the address that it was asked at.
struct Said {
    address: String,
    answer: v1::MastersResponse,
}

impl Admin {
    pub(crate) const fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Who the masters are, as they say: all that can be found are asked at the same time, and one that answers is enough.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when none does.
    pub async fn masters(&self) -> Result<MasterGroup, Error> {
        let masters = self.inner.rpc.masters();
        let mut asked = HashSet::new();
        let mut said: Vec<Said> = Vec::new();
        // Those that the first ones name are asked too.
        for _ in 0..2 {
            let new: Vec<_> = masters
                .all()
                .into_iter()
                .filter(|one| asked.insert(one.address.clone()))
                .collect();
            let answers = join_all(new.iter().map(|one| ask(one, QUESTION))).await;
            for (one, answer) in new.iter().zip(answers) {
                if let Some(answer) = answer {
                    masters.heard(&one.address, &answer);
                    said.push(Said {
                        address: one.address.clone(),
                        answer,
                    });
                }
            }
        }
        if said.is_empty() {
            // Nobody answered: the usual way says why, and whether somebody comes back.
            let request = v1::MastersRequest {};
            let rpc = &self.inner.rpc;
            let answer =
                call!(service admin, rpc.limits(), rpc, "masters", "the cluster", masters, request).await?;
            let address = masters.current().map(|one| one.address).unwrap_or_default();
            said.push(Said { address, answer });
        }
        Ok(merge(said))
    }

    /// Makes the master at `address`, which was started with an empty directory, a member: first it catches up, then it
    /// votes. Returns its id.
    ///
    /// # Errors
    /// [`Error::PermissionDenied`], [`Error::Invalid`], [`Error::Unavailable`].
    pub async fn add_master(&self, address: &str) -> Result<MasterId, Error> {
        let rpc = &self.inner.rpc;
        let request = v1::AddMasterRequest {
            caller: rpc.caller(),
            address: address.to_owned(),
        };
        let before = self.masters().await?;
        let limits = self.change();
        let added = call!(service admin, limits, rpc, "add master", address, add_master, request).await;
        rpc.masters().learn([address]);
        match added {
            Ok(answer) => Ok(MasterId(answer.id)),
            Err(error) => {
                // A leader that was lost meanwhile may have done it, and the next one says that it is done.
                let voter = |group: &MasterGroup| {
                    let found = group.masters.iter().find(|one| one.address == address);
                    found.filter(|one| one.votes()).map(|one| one.id)
                };
                match voter(&before) {
                    Some(_) => Err(error),
                    None => voter(&self.masters().await?).ok_or(error),
                }
            }
        }
    }

    /// Takes a master out of the group.
    ///
    /// # Errors
    /// [`Error::PermissionDenied`], [`Error::Invalid`], [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn remove_master(&self, id: MasterId) -> Result<(), Error> {
        let rpc = &self.inner.rpc;
        let request = v1::RemoveMasterRequest {
            caller: rpc.caller(),
            id: id.0,
        };
        let subject = id.to_string();
        let before = self.masters().await?;
        let limits = self.change();
        let removed =
            call!(service admin, limits, rpc, "remove master", &subject, remove_master, request).await;
        let Err(error) = removed else { return Ok(()) };
        let is_there = |group: &MasterGroup| group.masters.iter().any(|one| one.id == id && one.votes());
        match is_there(&before) && !is_there(&self.masters().await?) {
            true => Ok(()),
            false => Err(error),
        }
    }

    /// Hands the lead over, to whoever is furthest when nobody is named. Returns who leads now.
    ///
    /// # Errors
    /// [`Error::PermissionDenied`], [`Error::Invalid`], [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn transfer_leadership(&self, to: Option<MasterId>) -> Result<MasterId, Error> {
        let rpc = &self.inner.rpc;
        let before = self.masters().await?;
        // Named in any case: a call that is repeated at the new leader must not hand over once more.
        let to = to.or_else(|| before.furthest_follower());
        let request = v1::TransferLeadershipRequest {
            caller: rpc.caller(),
            id: to.map_or(0, |id| id.0),
        };
        let subject = to.map_or_else(|| "the lead".to_owned(), |id| id.to_string());
        let limits = self.change();
        let handed =
            call!(service admin, limits, rpc, "transfer", &subject, transfer_leadership, request).await;
        match handed {
            Ok(answer) => Ok(MasterId(answer.id)),
            Err(error) => match to {
                Some(to) if before.leader != Some(to) && self.masters().await?.leader == Some(to) => Ok(to),
                _ => Err(error),
            },
        }
    }

    /// Whether the cluster is read-only, and why.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn safe_mode(&self) -> Result<SafeMode, Error> {
        let rpc = &self.inner.rpc;
        let request = v1::SafeModeStatusRequest {};
        let limits = rpc.limits();
        let answer =
            call!(service admin, limits, rpc, "safe mode", "the cluster", safe_mode_status, request).await?;
        Ok(SafeMode {
            on: answer.on,
            manual: answer.manual,
            chunks: answer.chunks,
            confirmed: answer.confirmed,
            needed_share: answer.needed_share,
            reason: answer.reason,
        })
    }

    /// Makes the cluster read-only, or ends that.
    ///
    /// # Errors
    /// [`Error::PermissionDenied`], [`Error::Unavailable`].
    pub async fn set_safe_mode(&self, on: bool) -> Result<(), Error> {
        let rpc = &self.inner.rpc;
        let request = v1::SetSafeModeRequest {
            caller: rpc.caller(),
            on,
        };
        let limits = rpc.limits();
        call!(service admin, limits, rpc, "safe mode", "the cluster", set_safe_mode, request).await?;
        Ok(())
    }

    /// Has the leader write a checkpoint now; it is durable when this returns.
    ///
    /// # Errors
    /// [`Error::PermissionDenied`], [`Error::Unavailable`], [`Error::Master`] when it could not be written.
    pub async fn checkpoint(&self) -> Result<CheckpointInfo, Error> {
        let rpc = &self.inner.rpc;
        let request = v1::CheckpointRequest { caller: rpc.caller() };
        let answer =
            call!(service admin, self.change(), rpc, "checkpoint", "the cluster", checkpoint, request)
                .await?;
        Ok(CheckpointInfo {
            index: answer.index,
            bytes: answer.bytes,
        })
    }

    /// Begins a consistent copy of all metadata as of now.
    ///
    /// # Errors
    /// [`Error::PermissionDenied`], [`Error::Unavailable`].
    pub async fn backup(&self) -> Result<Backup, Error> {
        let rpc = &self.inner.rpc;
        let request = v1::BackupRequest { caller: rpc.caller() };
        let limits = self.change();
        let mut parts = call!(service admin, limits, rpc, "backup", "the cluster", backup, request).await?;
        let first = parts.message().await.map_err(|status| broken(&status))?;
        let first = first.unwrap_or_default();
        Ok(Backup {
            parts,
            length: first.length,
            received: 0,
            first: Some(first.bytes),
        })
    }

    fn change(&self) -> Limits {
        let total = CHANGE.max(self.inner.rpc.limits().total);
        Limits {
            attempt: total,
            total,
        }
    }
}

impl Backup {
    /// The length of the whole file.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is nothing in it, which no master sends.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The next part; none when the file is complete.
    ///
    /// # Errors
    /// When the connection broke, or the file ended early: begin again.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let part = match self.first.take() {
            Some(first) => Some(first),
            None => {
                let part = self.parts.message().await.map_err(|status| broken(&status))?;
                part.map(|part| part.bytes)
            }
        };
        match part {
            Some(bytes) => {
                self.received += bytes.len() as u64;
                Ok(Some(bytes))
            }
            None if self.received == self.length => Ok(None),
            None => Err(Error::Protocol {
                operation: "backup",
                why: format!("it ended after {} of {} bytes", self.received, self.length),
            }),
        }
    }
}

fn broken(status: &tonic::Status) -> Error {
    Error::broken_off("backup", status)
}

impl From<v1::MasterRole> for MasterRole {
    fn from(role: v1::MasterRole) -> Self {
        match role {
            v1::MasterRole::Leader => Self::Leader,
            v1::MasterRole::Follower => Self::Follower,
            v1::MasterRole::Candidate => Self::Candidate,
            v1::MasterRole::Learner => Self::Learner,
            v1::MasterRole::Joining => Self::Joining,
            v1::MasterRole::Unspecified => Self::Unknown,
        }
    }
}

/// What all of them say together. The leader of the latest term says who belongs to the group, else who has the latest
/// term; of itself each knows best.
fn merge(mut said: Vec<Said>) -> MasterGroup {
    said.sort_by_key(|one| {
        let answer = &one.answer;
        let leads = answer.leader != 0 && answer.leader == answer.asked;
        std::cmp::Reverse((answer.term, leads, answer.masters.len()))
    });
    let Some(first) = said.first() else {
        return MasterGroup {
            leader: None,
            term: 0,
            cluster_id: None,
            masters: Vec::new(),
        };
    };
    let mut masters: Vec<_> = first.answer.masters.iter().map(MasterStatus::of_wire).collect();
    for one in &said {
        let own = one
            .answer
            .masters
            .iter()
            .find(|master| master.id == one.answer.asked);
        let entry = masters.iter_mut().find(|master| master.id.0 == one.answer.asked);
        match (entry, own) {
            (Some(entry), Some(own)) => entry.add_own(own),
            (Some(entry), None) => entry.answers = true,
            // It answers, and does not belong to the group (yet, or any more).
            (None, _) => masters.push(MasterStatus {
                id: MasterId(one.answer.asked),
                address: one.address.clone(),
                role: MasterRole::Joining,
                answers: true,
                last_index: None,
                applied_index: None,
                lag: None,
                silent: None,
                checkpoint_index: None,
            }),
        }
    }
    let furthest = masters.iter().find(|one| one.role == MasterRole::Leader);
    if let Some(last) = furthest.and_then(|leader| leader.last_index) {
        for one in &mut masters {
            one.lag = one.lag.or(one.last_index.map(|own| last.saturating_sub(own)));
        }
    }
    masters.sort_by(|a, b| a.address.cmp(&b.address));
    let leader = said
        .iter()
        .find(|one| one.answer.leader != 0 && one.answer.term == first.answer.term);
    MasterGroup {
        leader: leader.map(|one| MasterId(one.answer.leader)),
        term: first.answer.term,
        cluster_id: said
            .iter()
            .map(|one| &one.answer.cluster_id)
            .find(|id| !id.is_empty())
            .cloned(),
        masters,
    }
}

impl MasterGroup {
    /// The master that is named by its address, as `host:port`, or by its id.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&MasterStatus> {
        let id = name.parse().ok();
        let by_address = self.masters.iter().find(|one| one.address == name);
        by_address.or_else(|| self.masters.iter().find(|one| Some(one.id) == id))
    }

    /// The master of this id.
    #[must_use]
    pub fn of(&self, id: MasterId) -> Option<&MasterStatus> {
        self.masters.iter().find(|one| one.id == id)
    }

    /// The voter that has most of the log, other than the leader.
    fn furthest_follower(&self) -> Option<MasterId> {
        let others = self.masters.iter().filter(|one| one.answers && one.votes());
        let others = others.filter(|one| Some(one.id) != self.leader);
        others.max_by_key(|one| one.last_index).map(|one| one.id)
    }
}

impl MasterStatus {
    /// Whether it is a member that counts.
    const fn votes(&self) -> bool {
        !matches!(self.role, MasterRole::Learner | MasterRole::Joining)
    }

    fn of_wire(wire: &v1::MasterStatus) -> Self {
        Self {
            id: MasterId(wire.id),
            address: wire.address.clone(),
            role: wire.role().into(),
            answers: false,
            last_index: wire.last_index,
            applied_index: wire.applied_index,
            lag: wire.lag,
            silent: wire.silent_ms.map(Duration::from_millis),
            checkpoint_index: wire.checkpoint_index,
        }
    }

    /// What it says of itself.
    fn add_own(&mut self, own: &v1::MasterStatus) {
        self.answers = true;
        self.last_index = own.last_index.or(self.last_index);
        self.applied_index = own.applied_index.or(self.applied_index);
        self.checkpoint_index = own.checkpoint_index.or(self.checkpoint_index);
        if self.role == MasterRole::Unknown {
            self.role = own.role().into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(asked: u64, leader: u64, term: u64, members: &[u64]) -> Said {
        let status = |&id: &u64| v1::MasterStatus {
            id,
            address: format!("m{id}:1"),
            role: if id == leader {
                v1::MasterRole::Leader.into()
            } else {
                v1::MasterRole::Follower.into()
            },
            last_index: (id == asked || asked == leader).then_some(100 + id),
            applied_index: (id == asked).then_some(90 + id),
            lag: (asked == leader).then_some(id),
            ..Default::default()
        };
        Said {
            address: format!("m{asked}:1"),
            answer: v1::MastersResponse {
                asked,
                leader,
                term,
                masters: members.iter().map(status).collect(),
                cluster_id: "c".into(),
            },
        }
    }

    #[test]
    fn the_leader_knows_the_group_and_each_master_itself() {
        // Master 1 was cut off and leads in the past; 3 does not answer; 4 is to join.
        let group = merge(vec![
            said(1, 1, 4, &[1, 2]),
            said(2, 2, 5, &[1, 2, 3]),
            said(4, 0, 0, &[]),
        ]);
        assert_eq!((group.leader, group.term), (Some(MasterId(2)), 5));
        assert_eq!(group.cluster_id.as_deref(), Some("c"));
        assert_eq!(
            group.furthest_follower(),
            Some(MasterId(1)),
            "3 is silent, 4 is no member"
        );
        let seen: Vec<_> = group
            .masters
            .iter()
            .map(|one| (one.id.0, one.role, one.answers, one.applied_index, one.lag))
            .collect();
        assert_eq!(
            seen,
            [
                (1, MasterRole::Follower, true, Some(91), Some(1)),
                (2, MasterRole::Leader, true, Some(92), Some(2)),
                (3, MasterRole::Follower, false, None, Some(3)),
                (4, MasterRole::Joining, true, None, None),
            ]
        );
    }

    #[test]
    fn without_a_leader_the_latest_term_counts() {
        let group = merge(vec![said(1, 0, 4, &[1, 2]), said(2, 0, 5, &[1, 2, 3])]);
        assert_eq!((group.leader, group.term, group.masters.len()), (None, 5, 3));
        assert_eq!(merge(Vec::new()).masters.len(), 0);
    }
}
