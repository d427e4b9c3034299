//! Reports: everything at first, changes at once, and from time to time a comparison of everything.
//!
//! The comparison is of sums ([`types::fingerprint`]): 64 KiB a storage, whatever it holds. Where the master's differ, that
//! bucket is listed. A master that does not know of sums gets lists of everything.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use futures_util::StreamExt as _;
use proto::v1;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tonic::Code;
use types::StorageId;

use super::convert::{change, storage_bytes, uuid_bytes};
use super::listing::{self, Buckets, Scope};
use super::session::{Ended, Session, Terms};
use crate::changes::{Change, Due};
use crate::replicas::Replicas;

/// Changes in one report.
const CHANGES_MAX: usize = 1_000;

/// Sends the full report, and then what happens, in order; at intervals the sums of everything, and the full report again
/// when it is asked for.
pub(super) async fn run(
    session: &Session,
    replicas: &Arc<Replicas>,
    terms: Terms,
    served: &mut bool,
) -> Result<Infallible, Ended> {
    list(session, replicas, everything(replicas)).await?;
    *served = true;
    let _registered = Registered::add(session.node.registered());
    let mut due_again = tokio::time::interval_at(
        Instant::now() + terms.block_report_interval,
        terms.block_report_interval,
    );
    due_again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut knows_sums = true;
    loop {
        let due = tokio::select! {
            due = session.outbox.due(CHANGES_MAX) => due,
            _ = due_again.tick() => {
                // Behind what waits: so only what happens from now on makes the two sides differ without a reason.
                session.outbox.request_fingerprints();
                continue;
            }
        };
        match due {
            Due::Changes(changes) => incremental(session, &changes).await?,
            Due::Fingerprints if knows_sums => knows_sums = compare(session, replicas).await?,
            Due::FullReport | Due::Fingerprints => list(session, replicas, everything(replicas)).await?,
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

fn everything(replicas: &Replicas) -> Scope {
    let storages = replicas.store.storages().into_iter();
    storages.map(|storage| (storage, Buckets::all())).collect()
}

/// Everything within `scope` that is fit to be read; then, as changes, what is corrupt.
///
/// Changes that happen meanwhile stay in the outbox and follow: a replica that was listed and then deleted, or that was
/// finalized behind the place that the list had come to, is set right by them.
async fn list(session: &Session, replicas: &Arc<Replicas>, scope: Scope) -> Result<(), Ended> {
    let datanode = uuid_bytes(session.node.id.0);
    let parts = listing::parts(Arc::clone(replicas), scope.clone());
    let parts = parts.map(move |part| v1::BlockReportPart {
        datanode_id: datanode.clone(),
        ..part
    });
    let mut client = session.client.clone();
    // Six times as long as a small question: a full report may be large.
    let limit = session.node.config.timeouts.master * 6;
    let call = "block report";
    match tokio::time::timeout(limit, client.block_report(parts)).await {
        Ok(answer) => session.call(call, std::future::ready(answer)).await?,
        Err(_) => return Err(Ended::Timeout { call, limit }),
    };
    let scope = Arc::new(scope);
    let mut after = None;
    loop {
        let (replicas, scope) = (Arc::clone(replicas), Arc::clone(&scope));
        let page = env::blocking(move || listing::corrupt(&replicas, &scope, after)).await;
        let Some((corrupt, last)) = page else {
            return Ok(());
        };
        after = Some(last);
        for changes in corrupt.chunks(CHANGES_MAX) {
            incremental(session, changes).await?;
        }
    }
}

/// Tells the sums of everything, and lists what differs. False when the master does not know of sums.
async fn compare(session: &Session, replicas: &Arc<Replicas>) -> Result<bool, Ended> {
    let here = Arc::clone(replicas);
    let storages = env::blocking(move || sums(&here)).await;
    let request = v1::FingerprintsRequest {
        datanode_id: uuid_bytes(session.node.id.0),
        storages,
    };
    let mut client = session.client.clone();
    let answer = session.call("fingerprints", client.fingerprints(request)).await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(Ended::Call { status, .. }) if status.code() == Code::Unimplemented => {
            tracing::debug!(master = %session.master, "it wants lists of everything");
            session.outbox.request_full_report();
            return Ok(false);
        }
        Err(ended) => return Err(ended),
    };
    let scope = differing(session, replicas, &answer.differing);
    if !scope.is_empty() {
        let (storages, buckets) = (scope.len(), answer.differing.iter().map(|d| d.buckets.len()));
        tracing::info!(
            master = %session.master, storages, buckets = buckets.sum::<usize>(),
            "the master knows something else of a part of the replicas; listing that"
        );
        list(session, replicas, scope).await?;
    }
    Ok(true)
}

fn sums(replicas: &Replicas) -> Vec<v1::StorageFingerprint> {
    let sums = replicas.fingerprints().into_iter();
    sums.map(|(storage, sums)| v1::StorageFingerprint {
        storage_id: storage_bytes(storage),
        sums: sums.to_bytes().into(),
    })
    .collect()
}

/// What is to be listed. Not the buckets of which the master does not know the newest yet: they are compared next time. A
/// storage named without buckets is one of which it knows nothing.
fn differing(session: &Session, replicas: &Replicas, named: &[v1::DifferingBuckets]) -> Scope {
    let ours = replicas.store.storages();
    let pending = session.outbox.pending_buckets();
    let is_settled = |bucket: &u32| usize::try_from(*bucket).is_ok_and(|bucket| !pending.contains(&bucket));
    let mut scope: HashMap<StorageId, Buckets> = HashMap::new();
    for differing in named {
        let Ok(storage) = proto::storage_id(&differing.storage_id) else {
            continue;
        };
        if !ours.contains(&storage) {
            continue;
        }
        let buckets = if differing.buckets.is_empty() {
            Some(Buckets::all())
        } else {
            Buckets::these(differing.buckets.iter().copied().filter(is_settled))
        };
        if let Some(buckets) = buckets {
            scope.insert(storage, buckets);
        }
    }
    scope.into_iter().collect()
}
