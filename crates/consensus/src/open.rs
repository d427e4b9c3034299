//! Opening: the newest checkpoint is restored, the log behind it read, and Raft started on both.
//!
//! What older versions and tools left is made what it would be now: a log without a membership is that of a group of one,
//! and is told so by one more record.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use checkpoint::Checkpoint;
use env::Env;
use env::disk::Disk;
use openraft::{Config, SnapshotPolicy, StepDownPolicy};
use types::{MasterId, Term};
use wal::{Meta, Options, Wal};

use crate::error::{Failure, OpenError};
use crate::raft::{Address, LogId, Membership, Payload, log_id, record_id};
use crate::settings::Settings;
use crate::store::{BadMembership, Erased, OP_MEMBERSHIP, OpenedLog, meta_of, payload_of, record_of};

/// What was found on disk, and is in the state machine.
pub(crate) struct Opened {
    pub(crate) log: OpenedLog,
    pub(crate) newest: Option<Checkpoint>,
    /// Whether nothing was ever agreed on here.
    pub(crate) blank: bool,
    /// Whether the group has this one voter.
    pub(crate) alone: bool,
}

/// Blocks.
pub(crate) fn open(
    env: &Env,
    directory: &Path,
    machine: &dyn Erased,
    settings: &Settings,
) -> Result<Opened, OpenError> {
    let disk = &env.disk;
    disk.create_dir_all(directory)
        .map_err(|error| checkpoint::Failure {
            action: "make",
            path: directory.to_owned(),
            error,
        })?;
    checkpoint::tidy(&**disk, directory)?;
    let restored = checkpoint::restore_newest(&**disk, directory, |_, input| machine.restore(input))?;
    let newest = restored.map(|(checkpoint, ())| checkpoint);
    let base = newest.as_ref().map_or(0, |newest| newest.header().index);
    // A tool made it: there is no log yet, and it begins behind it.
    let made = newest
        .as_ref()
        .is_some_and(|newest| newest.header().membership.is_empty());
    let mut options = Options::new(wal::LogId(env.random.uuid_bytes()));
    options.segment_bytes = settings.segment_bytes;
    options.new_first = if made { base + 1 } else { 1 };
    let meta = newest.as_ref().map(meta_of).transpose();
    let meta = meta.map_err(|bad| bad_header(newest.as_ref(), bad))?;
    let saved = match meta {
        Some(meta) if !made => (meta.last_log_id, Some(meta.last_membership.membership().clone())),
        Some(meta) => (meta.last_log_id, None),
        None => (None, None),
    };
    let (mut last, mut membership) = saved.clone();
    let mut bad = None;
    let (mut wal, recovery) = Wal::open(Arc::clone(disk), directory, options, base + 1, |record| {
        last = last.max(log_id(record.term, record.index));
        if record.op == OP_MEMBERSHIP {
            match payload_of(record.op, Bytes::copy_from_slice(record.payload)) {
                Ok(Payload::Membership(found)) => membership = Some(found),
                Ok(_) => {}
                Err(error) => bad = Some((record.index, error)),
            }
        }
    })?;
    if let Some(newest) = &newest
        && begins_behind(&mut wal, newest.header().term, base)?
    {
        (last, membership, bad) = (saved.0, saved.1, None);
    }
    if let Some((index, error)) = bad {
        return Err(Failure::Decode {
            directory: directory.to_owned(),
            index,
            op: OP_MEMBERSHIP,
            source: Arc::new(error),
        }
        .into());
    }
    if let Some(torn) = &recovery.torn {
        tracing::info!(
            file = %torn.path.display(), offset = torn.offset, bytes = torn.bytes, found = %torn.found,
            "cut off a write that was under way at the end of the log when the process stopped",
        );
    }
    let blank = last.is_none();
    let mut meta = load_meta(env, directory, blank)?;
    // A member that follows somebody has got a part of an old log, and not yet who belongs to the group.
    let follows = meta.voted_for.is_some_and(|voted_for| voted_for != meta.member);
    if !blank && membership.is_none() && !follows {
        let (last_term, _) = record_id(last.as_ref());
        meta = Meta {
            term: meta.term.max(last_term),
            member: meta.member,
            voted_for: Some(meta.member),
            elected: true,
        };
        meta.store(&**disk, directory)?;
        let (found, log_id) = found_group(&mut wal, &meta, settings)?;
        (membership, last) = (Some(found), Some(log_id));
    }
    let alone = membership.is_some_and(|membership| membership.voter_ids().eq([meta.member.0]));
    let purged = purged(&**disk, directory, wal.first(), base)?;
    tracing::info!(member = %meta.member, term = %meta.term, last = wal.last(), checkpoint = base, "opened the log");
    Ok(Opened {
        log: OpenedLog {
            wal,
            meta,
            last,
            purged,
        },
        newest,
        blank,
        alone,
    })
}

/// Has the log go on behind the checkpoint of record `base`, of term `term`, where it does not. Says whether it had to: then no
/// record is left.
///
/// A checkpoint that a leader sent has its name before the log is begun anew behind it, and may have it although Raft did not
/// take it. So after a crash the log may end before it; or have records in its place that were never agreed on, as the
/// checkpoint has what was.
fn begins_behind(wal: &mut Wal, term: Term, base: u64) -> Result<bool, OpenError> {
    let there = wal.reader().read(base, base.saturating_add(1), 0)?;
    if there.first().is_some_and(|record| record.term != term) {
        wal.truncate_after(base.saturating_sub(1))?;
    }
    if wal.last() >= base {
        return Ok(false);
    }
    tracing::info!(
        last = wal.last(),
        checkpoint = base,
        "the log begins anew, behind the checkpoint"
    );
    wal.begin_after(base)?;
    Ok(true)
}

/// Who this member is and what it voted, durable: born here where the directory is new.
fn load_meta(env: &Env, directory: &Path, blank: bool) -> Result<Meta, OpenError> {
    let disk = &*env.disk;
    let born = || MasterId(env.random.u64().max(1));
    let meta = match Meta::load(disk, directory)? {
        Some(meta) if meta.member != MasterId::default() => return Ok(meta),
        // A version that had no groups wrote it: whoever had this term was elected by itself alone.
        Some(Meta { term, .. }) => {
            let member = born();
            Meta {
                term,
                member,
                voted_for: (term > Term(0)).then_some(member),
                elected: true,
            }
        }
        // Stored before anything is agreed on.
        None if blank => Meta {
            member: born(),
            ..Meta::default()
        },
        None => return Err(Meta::missing(directory).into()),
    };
    meta.store(disk, directory)?;
    Ok(meta)
}

/// Writes that the group has this one member: in the last term that it was in, as its leader, which it then was.
fn found_group(wal: &mut Wal, meta: &Meta, settings: &Settings) -> Result<(Membership, LogId), OpenError> {
    let id = meta.member.0;
    let nodes: BTreeMap<_, _> = [(id, Address(settings.address.clone()))].into();
    let membership =
        Membership::new(vec![[id].into()], nodes).map_err(|error| OpenError::Settings(error.to_string()))?;
    let (op, payload) = record_of(&Payload::Membership(membership.clone()));
    let index = match wal.append(meta.term, op, &payload) {
        Ok(index) => index,
        Err(wal::AppendError::Failed(failure)) => return Err(failure.into()),
        Err(error) => return Err(OpenError::Settings(error.to_string())),
    };
    wal.sync()?;
    let log_id = log_id(meta.term, index)
        .ok_or_else(|| OpenError::Settings("a record without an index".to_owned()))?;
    Ok((membership, log_id))
}

/// The entry before the first one that the log has and that is needed: the first checkpoint that the log continues.
fn purged(disk: &dyn Disk, directory: &Path, first: u64, base: u64) -> Result<Option<LogId>, OpenError> {
    if first <= 1 {
        return Ok(None);
    }
    let kept = checkpoint::kept(disk, directory)?;
    let headers = kept.whole.iter().map(Checkpoint::header);
    let oldest = headers
        .filter(|header| header.index + 1 >= first && header.index <= base)
        .min_by_key(|header| header.index);
    Ok(oldest.and_then(|header| log_id(header.term, header.index)))
}

fn bad_header(newest: Option<&Checkpoint>, bad: BadMembership) -> OpenError {
    OpenError::Restore {
        path: newest.map(|newest| newest.path().to_owned()).unwrap_or_default(),
        source: Box::new(bad),
    }
}

/// Raft's settings.
///
/// A voter that heard of a leader grants no vote for the length of its lease, and stands for election itself a random time
/// after that: what the settings call the election time is the sum of the two.
pub(crate) fn config(settings: &Settings) -> Result<Config, OpenError> {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let heartbeat = millis(settings.heartbeat);
    let lease = millis(settings.election.1) / 2;
    let least = millis(settings.election.0).saturating_sub(lease);
    let config = Config {
        cluster_name: "distrifs".to_owned(),
        heartbeat_interval: heartbeat,
        election_timeout_min: least.max(3 * heartbeat),
        election_timeout_max: lease,
        enable_pre_vote: Some(true),
        // The state is in memory only: who starts again has to be elected again, in a term of its own.
        enable_leader_restore: Some(false),
        // A leader that was removed hands over before its lease could be believed by anyone.
        removed_leader_step_down: StepDownPolicy::After(2 * lease),
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        replication_lag_threshold: 1024,
        max_payload_entries: 4096,
        install_snapshot_timeout: 10 * 60 * 1000,
        backoff: "50ms 50ms 50ms".to_owned(),
        ..Config::default()
    };
    config
        .validate()
        .map_err(|error| OpenError::Settings(error.to_string()))
}

/// How long a quorum's acknowledgement is relied on: a tenth less than voters keep it, for clocks that run at different
/// speeds.
pub(crate) fn lease_time(config: &Config) -> std::time::Duration {
    std::time::Duration::from_millis(config.election_timeout_max) * 9 / 10
}

#[cfg(test)]
mod tests {
    use env::disk::SimDisk;

    use super::*;

    /// A log with records of these terms, from index 1 on.
    fn log(terms: &[u64]) -> Wal {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let mut options = Options::new(wal::LogId([7; 16]));
        options.segment_bytes = 4096 + 512;
        let (mut wal, _) = Wal::open(disk, Path::new("/log"), options, 1, |_| {}).unwrap();
        for term in terms {
            wal.append(Term(*term), 9, &[0; 900]).unwrap();
        }
        wal.sync().unwrap();
        wal
    }

    #[test]
    fn a_log_that_goes_on_behind_the_checkpoint_stays() {
        for base in 1..=9 {
            let mut wal = log(&[1, 1, 2, 2, 2, 2, 2, 2, 3]);
            let term = Term([1, 1, 2, 2, 2, 2, 2, 2, 3][base - 1]);
            assert!(!begins_behind(&mut wal, term, base as u64).unwrap());
            assert_eq!((wal.first(), wal.last()), (1, 9));
            // The record of the checkpoint may be gone.
            wal.purge_before(base as u64 + 1).unwrap();
            assert!(!begins_behind(&mut wal, term, base as u64).unwrap());
            assert_eq!(wal.last(), 9);
        }
    }

    #[test]
    fn a_log_that_ends_before_the_checkpoint_begins_anew() {
        for terms in [&[][..], &[1, 1, 1], &[1; 20]] {
            let mut wal = log(terms);
            assert!(begins_behind(&mut wal, Term(2), 21).unwrap());
            assert_eq!((wal.first(), wal.last()), (22, 21));
            assert_eq!(wal.append(Term(2), 9, b"next").unwrap(), 22);
        }
    }

    #[test]
    fn what_was_never_agreed_on_goes() {
        // The checkpoint has record 3 of term 4; here is one of term 2, and what came behind it.
        for terms in [&[1, 1, 2][..], &[1, 1, 2, 2, 2, 2, 2, 2, 2, 2]] {
            let mut wal = log(terms);
            assert!(begins_behind(&mut wal, Term(4), 3).unwrap());
            assert_eq!((wal.first(), wal.last()), (4, 3));
            assert_eq!(wal.append(Term(4), 9, b"next").unwrap(), 4);
        }
    }
}
