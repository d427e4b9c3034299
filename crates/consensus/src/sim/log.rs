//! The log store alone: durable when it says so, at a loss of power at every operation, and poisoned by the first error.

use std::sync::Arc;

use bytes::Bytes;
use env::Env;
use env::disk::{Disk, Effect, Fault, FaultDisk, Op, SimDisk};
use metrics::Histogram;
use openraft::async_runtime::Oneshot;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use openraft::type_config::alias::OneshotOf;
use tokio::sync::watch;
use types::Term;

use super::world::{History, directory, env, settings, simulate};
use crate::open;
use crate::raft::{Command, Entry, LogId, Payload, TypeConfig, Vote, log_id};
use crate::store::{Condition, LogStore, erase};

fn open_log(env: &Env) -> Option<(LogStore, watch::Receiver<Condition>)> {
    let machine = erase(Arc::new(History::default()));
    let mut opened = open::open(env, directory(), &*machine, &settings()).ok()?;
    // What an opening adds to a log without members is not of interest here.
    opened.newest = None;
    let condition = watch::Sender::new(Condition::Working);
    let seen = condition.subscribe();
    let disk = Arc::clone(&env.disk);
    Some((
        LogStore::start(
            opened.log,
            disk,
            directory().to_owned(),
            condition,
            Histogram::default(),
        ),
        seen,
    ))
}

fn id(term: u64, index: u64) -> LogId {
    log_id(Term(term), index + 1).unwrap()
}

/// The first entry says who belongs, so that nothing is added to it.
fn entry(term: u64, index: u64) -> Entry {
    let payload = if index == 0 {
        let nodes = std::collections::BTreeMap::from([(1, crate::raft::Address("a".to_owned()))]);
        Payload::Membership(openraft::Membership::new(vec![[1].into()], nodes).unwrap())
    } else {
        let text = format!("entry {index} of term {term} {}", "#".repeat(200));
        Payload::Normal(Command::new(9, Bytes::from(text)))
    };
    Entry::new(id(term, index), payload)
}

fn bytes(entry: &Entry) -> (LogId, u8, Bytes) {
    let (op, payload) = crate::store::record_of(&entry.payload);
    (entry.log_id, op, payload)
}

/// Appends, and waits until it is on disk.
async fn append(store: &mut LogStore, entries: Vec<Entry>) -> bool {
    let (done, synced) = <OneshotOf<TypeConfig> as Oneshot>::channel();
    let appended = store.append(entries, IOFlushed::signal(done)).await;
    appended.is_ok() && matches!(synced.await, Ok(Ok(())))
}

/// What must be found, and what may be found instead: the state before and after the operation that failed.
#[derive(Debug, Clone, Default)]
struct Expected {
    entries: Vec<Entry>,
    vote: Option<Vote>,
}

/// A short life of a log: appending, voting, a conflict that cuts the end, and more. Gives all that was acknowledged, and
/// what one more operation would have made of it.
async fn live(store: &mut LogStore) -> (Expected, Expected) {
    let mut now = Expected::default();
    for step in 0..10 {
        let mut next = now.clone();
        let done = match step {
            0 | 4 | 7 => {
                let vote = if step == 4 {
                    Vote::new_committed(step + 1, 7)
                } else {
                    Vote::new(step + 1, 7 + step)
                };
                next.vote = Some(vote);
                store.save_vote(&vote).await.is_ok()
            }
            5 | 8 => {
                let keep = if step == 5 { 7 } else { 2 };
                next.entries.truncate(keep);
                let last = next.entries.last().map(|entry| entry.log_id);
                store.truncate_after(last).await.is_ok()
            }
            _ => {
                let first = now.entries.len() as u64;
                let more: Vec<_> = (first..first + 4).map(|index| entry(step, index)).collect();
                next.entries.extend(more.iter().cloned());
                append(store, more).await
            }
        };
        if !done {
            return (now, next);
        }
        now = next;
    }
    (now.clone(), now)
}

async fn found(env: &Env) -> Expected {
    let (mut store, _) = open_log(env).unwrap();
    let mut reader = store.get_log_reader().await;
    let entries = reader.try_get_log_entries(..).await.unwrap();
    let state = store.get_log_state().await.unwrap();
    assert_eq!(state.last_log_id, entries.last().map(|entry| entry.log_id));
    assert_eq!(state.last_purged_log_id, None);
    // Voted for nobody: as it was born.
    let vote = reader.read_vote().await.unwrap();
    Expected { entries, vote }
}

#[test]
fn what_was_done_survives_a_crash_at_every_operation() {
    let operations = {
        let disk = SimDisk::new();
        simulate(async {
            let (mut store, _) = open_log(&env(Arc::new(disk.clone()), 1)).unwrap();
            live(&mut store).await;
        });
        disk.mutations()
    };
    assert!(operations > 40, "{operations} operations");
    for seed in 0..4 {
        for dies_at in 0..=operations {
            simulate(async {
                let disk = SimDisk::new();
                let env = env(Arc::new(disk.clone()), seed);
                disk.die_after(dies_at);
                let (before, after) = match open_log(&env) {
                    Some((mut store, _)) => live(&mut store).await,
                    None => Default::default(),
                };
                disk.crash(seed);
                let found = found(&env).await;
                assert!(
                    found.vote == before.vote || found.vote == after.vote,
                    "dies at {dies_at}: {:?}",
                    found.vote
                );
                let [found, before, after] = [&found, &before, &after]
                    .map(|state| state.entries.iter().map(bytes).collect::<Vec<_>>());
                // A part of what was being added, or of what was being removed, but nothing else, and no hole.
                let (short, long) = if before.len() < after.len() {
                    (before, after)
                } else {
                    (after, before)
                };
                assert!(
                    found.starts_with(&short) && long.starts_with(&found),
                    "dies at {dies_at}"
                );
            });
        }
    }
}

#[test]
fn the_first_error_ends_it() {
    let operations: [(Op, &str); 4] = [
        (Op::Write, "wal-"),
        (Op::SyncData, "wal-"),
        (Op::Create, "meta"),
        (Op::SyncData, "meta"),
    ];
    for (op, file) in operations {
        for code in [5, 28] {
            simulate(async {
                let disk = FaultDisk::new(Arc::new(SimDisk::new()));
                let env = env(Arc::new(disk.clone()), 1);
                let (mut store, condition) = open_log(&env).unwrap();
                assert!(append(&mut store, vec![entry(1, 0), entry(1, 1)]).await);
                disk.faults().add(Fault::once(op, 0, Effect::Fail(code)).on(file));
                let vote = Vote::new(2, 9);
                let (appended, voted) = if file == "meta" {
                    let voted = store.save_vote(&vote).await.is_ok();
                    (append(&mut store, vec![entry(1, 2)]).await, voted)
                } else {
                    let appended = append(&mut store, vec![entry(1, 2)]).await;
                    (appended, store.save_vote(&vote).await.is_ok())
                };
                assert!(!appended && !voted, "{op:?} of {file}");
                assert!(matches!(&*condition.borrow(), Condition::Failed(_)));
                let mut reader = store.get_log_reader().await;
                assert_eq!(
                    reader.read_vote().await.unwrap(),
                    None,
                    "no vote is answered that is not durable"
                );
                assert!(store.truncate_after(Some(id(1, 0))).await.is_err());
                assert!(store.purge(id(1, 1)).await.is_err());
                // Another life finds all that was acknowledged.
                let found = found(&env).await;
                assert!(found.entries.len() >= 2);
            });
        }
    }
}

#[test]
fn old_entries_are_read_from_disk_and_new_ones_before_they_are_there() {
    simulate(async {
        let disk = SimDisk::new();
        let env = env(Arc::new(disk.clone()), 1);
        let (mut store, _) = open_log(&env).unwrap();
        let entries: Vec<_> = (0..200).map(|index| entry(1, index)).collect();
        for part in entries.chunks(9) {
            assert!(append(&mut store, part.to_vec()).await);
        }
        drop(store);
        let (mut store, _) = open_log(&env).unwrap();
        let mut reader = store.get_log_reader().await;
        let more: Vec<_> = (200..210).map(|index| entry(2, index)).collect();
        let (done, synced) = <OneshotOf<TypeConfig> as Oneshot>::channel();
        store.append(more.clone(), IOFlushed::signal(done)).await.unwrap();
        let all: Vec<_> = entries.iter().chain(&more).map(bytes).collect();
        for (start, end) in [(0, 210), (0, 1), (150, 205), (199, 201), (205, 300), (210, 220)] {
            let read = reader.try_get_log_entries(start..end).await.unwrap();
            let read: Vec<_> = read.iter().map(bytes).collect();
            let (start, end) = (usize::try_from(start).unwrap(), usize::try_from(end).unwrap());
            assert_eq!(read, all[start..end.min(210)]);
        }
        synced.await.unwrap().unwrap();
        store.purge(id(1, 100)).await.unwrap();
        let read = reader.try_get_log_entries(90..110).await.unwrap();
        assert_eq!(read.first().map(|entry| entry.log_id.index), Some(101));
        assert_eq!(
            store.get_log_state().await.unwrap().last_purged_log_id,
            Some(id(1, 100))
        );
        // Beyond its end: it goes on there, as after a checkpoint that was received.
        store.purge(id(3, 500)).await.unwrap();
        let state = store.get_log_state().await.unwrap();
        assert_eq!(
            (state.last_purged_log_id, state.last_log_id),
            (Some(id(3, 500)), Some(id(3, 500)))
        );
        assert!(append(&mut store, vec![entry(3, 501)]).await);
        let read = reader.try_get_log_entries(0..1000).await.unwrap();
        assert_eq!(
            read.iter().map(bytes).collect::<Vec<_>>(),
            [bytes(&entry(3, 501))]
        );
        let error = store
            .append(vec![entry(3, 503)], IOFlushed::noop())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("does not follow"), "{error}");
        assert!(disk.exists(directory()).unwrap());
    });
}
