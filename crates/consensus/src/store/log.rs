//! The log as Raft sees it, over the write-ahead log.
//!
//! An entry can be read from the moment that it was appended: it is in the [`Tail`] until it is durable, and can be read
//! from disk from then on. What Raft counts from 0 is counted from 1 below.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use env::disk::Disk;
use futures_util::{Stream, StreamExt, stream};
use metrics::Histogram;
use openraft::LogState;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use tokio::sync::{mpsc, oneshot, watch};
use types::{MasterId, Term};
use wal::{Meta, Wal};

use super::adapter::Condition;
use super::codec::{payload_of, record_of};
use super::tail::{Tail, cost};
use super::writer::{Job, QUEUE_JOBS, Write, Writer};
use crate::raft::{Entry, LogId, TypeConfig, Vote, log_id, record_id, record_index};

/// Bytes of entries that are sent to a follower at once, about.
const SEND_BYTES: usize = 1 << 20;

/// Bytes of entries that are read at once to be applied, about.
const APPLY_BYTES: usize = 4 << 20;

/// The log, to be written. There is one.
pub(crate) struct LogStore {
    id: MasterId,
    shared: Arc<Shared>,
    queue: mpsc::Sender<Job>,
}

/// The log, to be read.
#[derive(Clone)]
pub(crate) struct LogReader(Arc<Shared>);

/// What readers and the writer share.
pub(crate) struct Shared {
    reader: wal::Reader,
    state: Mutex<State>,
}

struct State {
    tail: Tail,
    vote: Option<Vote>,
    last: Option<LogId>,
    purged: Option<LogId>,
}

/// A log that was opened: what Raft begins with.
pub(crate) struct OpenedLog {
    pub(crate) wal: Wal,
    pub(crate) meta: Meta,
    /// The last entry; that of the checkpoint where there is none behind it.
    pub(crate) last: Option<LogId>,
    /// The entry before the first one that is needed.
    pub(crate) purged: Option<LogId>,
}

impl LogStore {
    /// Starts the task that writes.
    pub(crate) fn start(
        opened: OpenedLog,
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        condition: watch::Sender<Condition>,
        syncs: Histogram,
    ) -> Self {
        let OpenedLog {
            wal,
            meta,
            last,
            purged,
        } = opened;
        let shared = Arc::new(Shared {
            reader: wal.reader(),
            state: Mutex::new(State {
                tail: Tail::beginning_at(last.map_or(0, |last| last.index + 1)),
                vote: vote_of(&meta),
                last,
                purged,
            }),
        });
        let (queue, jobs) = mpsc::channel(QUEUE_JOBS);
        let writer = Writer {
            disk,
            directory,
            shared: Arc::clone(&shared),
            queue: jobs,
            condition,
            syncs,
            spare: None,
        };
        tokio::spawn(writer.run(wal));
        Self {
            id: meta.member,
            shared,
            queue,
        }
    }

    async fn wait(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<(), wal::Failure>>) -> Job,
    ) -> io::Result<()> {
        let (done, answer) = oneshot::channel();
        self.queue.send(job(done)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?.map_err(io::Error::other)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records up to this one are on disk.
    pub(crate) fn synced(&self, record: u64) {
        // The entry after it has the index that the record has.
        self.state().tail.trim(record);
    }

    /// The entries from `next` on and before `end`: at least one if there is one, then no more than `bytes_max` says.
    async fn read(self: &Arc<Self>, mut next: u64, end: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut missed = 0;
        loop {
            let until = {
                let state = self.state();
                next = next.max(state.purged.map_or(0, |purged| purged.index + 1));
                let end = end.min(state.tail.end());
                if next >= end {
                    return Ok(entries);
                }
                if next >= state.tail.first() {
                    for entry in state.tail.from(next).take_while(|entry| entry.log_id.index < end) {
                        bytes += cost(entry);
                        if bytes > bytes_max && !entries.is_empty() {
                            break;
                        }
                        entries.push(entry.clone());
                    }
                    return Ok(entries);
                }
                end.min(state.tail.first())
            };
            let reader = self.reader.clone();
            let left = bytes_max.saturating_sub(bytes);
            let (from, to) = (record_index(next), record_index(until));
            let records = env::blocking(move || reader.read(from, to, left))
                .await
                .map_err(io::Error::other)?;
            // The log may have been cut in between; then it ends before, and the next round finds that.
            missed = if records.is_empty() { missed + 1 } else { 0 };
            if missed > 1 {
                return Err(io::Error::other(format!("record {from} of the log is not there")));
            }
            for record in records {
                let log_id = log_id(record.term, record.index).ok_or_else(ended)?;
                let payload = payload_of(record.op, record.payload.into()).map_err(io::Error::other)?;
                let entry = Entry::new(log_id, payload);
                bytes += cost(&entry);
                if bytes > bytes_max && !entries.is_empty() {
                    return Ok(entries);
                }
                entries.push(entry);
                next += 1;
            }
        }
    }
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, io::Error> {
        let (start, end) = bounds(&range);
        self.0.read(start, end, usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.0.read(start, end, SEND_BYTES).await
    }

    async fn entries_stream<R>(&mut self, range: R) -> impl Stream<Item = Result<Entry, io::Error>> + Send
    where
        R: RangeBounds<u64> + Clone + Debug + Send,
    {
        let (start, end) = bounds(&range);
        let shared = Arc::clone(&self.0);
        let parts = stream::unfold(Some(start), move |next| {
            let shared = Arc::clone(&shared);
            async move {
                let next = next.filter(|next| *next < end)?;
                let (part, next) = match shared.read(next, end, APPLY_BYTES).await {
                    Ok(part) => {
                        let next = part.last().map(|last| last.log_id.index + 1);
                        (part.into_iter().map(Ok).collect(), next)
                    }
                    Err(error) => (vec![Err(error)], None),
                };
                Some((stream::iter(part), next))
            }
        });
        Box::pin(parts.flatten())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.0.state().vote)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let state = self.shared.state();
        Ok(LogState {
            last_purged_log_id: state.purged,
            last_log_id: state.last,
        })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        LogReader(Arc::clone(&self.shared))
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let meta = Meta {
            term: Term(vote.leader_id.term),
            member: self.id,
            voted_for: Some(MasterId(vote.leader_id.voted_for)),
            elected: vote.committed,
        };
        self.wait(|done| Job::Vote { meta, done }).await?;
        self.shared.state().vote = Some(*vote);
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, done: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let mut writes = Vec::new();
        {
            let mut state = self.shared.state();
            for entry in entries {
                if entry.log_id.index != state.tail.end() {
                    return Err(io::Error::other(format!(
                        "entry {} does not follow the log, which ends before {}",
                        entry.log_id,
                        state.tail.end()
                    )));
                }
                let (op, payload) = record_of(&entry.payload);
                let (term, _) = record_id(Some(&entry.log_id));
                writes.push(Write { term, op, payload });
                state.last = Some(entry.log_id);
                state.tail.push(entry);
            }
        }
        let job = Job::Append { writes, done };
        self.queue.send(job).await.map_err(|_| ended())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let (_, record) = record_id(last.as_ref());
        {
            let mut state = self.shared.state();
            state.tail.truncate(record);
            if state.last > last {
                state.last = last.max(state.purged);
            }
        }
        self.wait(|done| Job::Truncate { last: record, done }).await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let (_, record) = record_id(Some(&upto));
        {
            let mut state = self.shared.state();
            state.tail.purge(record);
            state.purged = state.purged.max(Some(upto));
            state.last = state.last.max(Some(upto));
        }
        self.wait(|done| Job::Purge { upto: record, done }).await
    }
}

/// The vote in the stored record; none before the first one.
fn vote_of(meta: &Meta) -> Option<Vote> {
    let voted_for = meta.voted_for?.0;
    Some(if meta.elected {
        Vote::new_committed(meta.term.as_u64(), voted_for)
    } else {
        Vote::new(meta.term.as_u64(), voted_for)
    })
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

fn ended() -> io::Error {
    io::Error::other("the log is closed")
}
