//! Reports: everything at first and from time to time, changes at once.

use std::convert::Infallible;
use std::sync::Arc;
use std::vec;

use chunkstore::{Replica, ReplicaState};
use futures_util::stream;
use proto::v1;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use types::{ChunkId, StorageId};

use super::convert::{change, storage_bytes, uuid_bytes};
use super::session::{Ended, Session, Terms};
use crate::changes::{Change, Due, Event};
use crate::replicas::Replicas;

/// Changes in one report.
const CHANGES_MAX: usize = 1_000;

/// Replicas in one part of a full report: less than 300 KiB of a message.
const PART_MAX: usize = 10_000;

/// Sends the full report, and then what happens, in order; the full report again at intervals and when it is asked for.
pub(super) async fn run(
    session: &Session,
    replicas: &Arc<Replicas>,
    terms: Terms,
    served: &mut bool,
) -> Result<Infallible, Ended> {
    full(session, replicas).await?;
    *served = true;
    let _registered = Registered::add(session.node.registered());
    let mut due_again = tokio::time::interval_at(
        Instant::now() + terms.block_report_interval,
        terms.block_report_interval,
    );
    due_again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = tokio::select! {
            due = session.outbox.due(CHANGES_MAX) => due,
            _ = due_again.tick() => Due::FullReport,
        };
        match due {
            Due::Changes(changes) => incremental(session, &changes).await?,
            Due::FullReport => full(session, replicas).await?,
        }
    }
}

/// Counts a master for as long as it knows everything.
struct Registered<'a>(&'a watch::Sender<usize>);

impl<'a> Registered<'a> {
    fn add(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|masters| *masters += 1);
        Self(count)
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|masters| *masters -= 1);
    }
}

async fn incremental(session: &Session, changes: &[Change]) -> Result<(), Ended> {
    let request = v1::IncrementalReportRequest {
        datanode_id: uuid_bytes(session.node.id.0),
        changes: changes.iter().map(change).collect(),
    };
    let mut client = session.client.clone();
    session
        .call("incremental report", client.incremental_report(request))
        .await?;
    Ok(())
}

/// Everything that is there and fit to be read; then, as changes, what is corrupt.
///
/// Changes that happen meanwhile stay in the outbox and follow: a replica that was listed and then deleted, or that was
/// finalized behind the place that the list had come to, is set right by them.
async fn full(session: &Session, replicas: &Arc<Replicas>) -> Result<(), Ended> {
    let datanode = uuid_bytes(session.node.id.0);
    let parts = Parts::new(Arc::clone(replicas));
    let parts = stream::unfold(parts, move |mut parts| {
        let datanode_id = datanode.clone();
        async move {
            let part = parts.next_part()?;
            Some((v1::BlockReportPart { datanode_id, ..part }, parts))
        }
    });
    let mut client = session.client.clone();
    // Six times as long as a small question: a full report may be large.
    let limit = session.node.config.timeouts.master * 6;
    let call = "block report";
    match tokio::time::timeout(limit, client.block_report(parts)).await {
        Ok(answer) => session.call(call, std::future::ready(answer)).await?,
        Err(_) => return Err(Ended::Timeout { call, limit }),
    };
    let mut after = None;
    loop {
        let page = replicas.store.replicas(after, PART_MAX);
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.chunk);
        let corrupt = page.iter().filter(|r| r.state == ReplicaState::Corrupt);
        let corrupt: Vec<_> = corrupt.map(|r| Change::of(Event::Corrupt, r)).collect();
        for changes in corrupt.chunks(CHANGES_MAX) {
            incremental(session, changes).await?;
        }
    }
}

/// A full report, storage by storage, in parts of bounded size.
struct Parts {
    replicas: Arc<Replicas>,
    storages: vec::IntoIter<StorageId>,
    storage: Option<StorageId>,
    after: Option<ChunkId>,
}

impl Parts {
    fn new(replicas: Arc<Replicas>) -> Self {
        let mut storages = replicas.store.storages().into_iter();
        Self {
            storage: storages.next(),
            storages,
            replicas,
            after: None,
        }
    }

    fn next_part(&mut self) -> Option<v1::BlockReportPart> {
        let storage = self.storage?;
        let mut part = v1::BlockReportPart {
            storage_id: storage_bytes(storage),
            ..Default::default()
        };
        while !part.last_of_storage && part.chunks.len() < PART_MAX {
            let page = self
                .replicas
                .store
                .replicas(self.after, PART_MAX - part.chunks.len());
            match page.last() {
                Some(last) => self.after = Some(last.chunk),
                None => part.last_of_storage = true,
            }
            let ours = |r: &&Replica| r.storage == storage && r.state == ReplicaState::Finalized;
            for replica in page.iter().filter(ours) {
                part.chunks.push(replica.chunk.as_u64());
                part.generations.push(replica.generation.as_u64());
                part.lengths.push(replica.len);
            }
        }
        if part.last_of_storage {
            self.storage = self.storages.next();
            self.after = None;
        }
        Some(part)
    }
}
