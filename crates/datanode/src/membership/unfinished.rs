//! What is not finished here, told to a master again and again; and what the leader wants to become of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use proto::v1;
use tonic::Code;
use types::{ChunkId, Generation, Term};

use super::convert::uuid_bytes;
use super::session::{Ended, Session};
use crate::recovery::{self, Found, Order};
use crate::replicas::Replicas;

/// What has just begun is not worth a word: the leader knows it, and mostly it is over before another one leads.
const AGE: Duration = Duration::from_secs(1);

/// Asks, obeys, and tells what came of it.
pub(super) async fn run(session: &Session, replicas: &Arc<Replicas>) -> Result<Infallible, Ended> {
    let node = &session.node;
    let mut client = session.client.clone();
    let mut answers = Vec::new();
    loop {
        let told = replicas.writing.unfinished(AGE);
        let request = v1::UnfinishedRequest {
            datanode_id: uuid_bytes(node.id.0),
            replicas: told.into_iter().map(proto::wire_extent).collect(),
            answers: std::mem::take(&mut answers),
        };
        let answer = match session.call("unfinished", client.unfinished(request)).await {
            Err(Ended::Call { status, .. }) if status.code() == Code::Unimplemented => {
                // An older master. It has its own ways.
                return std::future::pending().await;
            }
            answer => answer?,
        };
        let admitted = node.see_term(Term(answer.term)).await;
        if !(admitted && answer.leads) {
            continue;
        }
        drop_all(replicas, answer.drop).await;
        let patience = node.config.timeouts.take_over;
        let carried_out = answer.recover.iter().map(|order| obey(replicas, order, patience));
        answers = join_all(carried_out).await.into_iter().flatten().collect();
    }
}

async fn drop_all(replicas: &Arc<Replicas>, useless: Vec<v1::ReplicaVersion>) {
    if useless.is_empty() {
        return;
    }
    let replicas = Arc::clone(replicas);
    env::blocking(move || {
        for replica in useless {
            if let Ok(chunk) = ChunkId::new(replica.chunk) {
                replicas.drop_unfinished(chunk, Generation(replica.generation));
            }
        }
    })
    .await;
}

/// Carries an order out; no answer to one that makes no sense.
async fn obey(
    replicas: &Arc<Replicas>,
    order: &v1::RecoverReplica,
    patience: Duration,
) -> Option<v1::RecoveryAnswer> {
    let parsed = Order {
        chunk: ChunkId::new(order.chunk).ok()?,
        generation: Generation(order.generation),
        recovery: Generation(order.recovery),
        len: order.length,
    };
    let mut answer = v1::RecoveryAnswer {
        chunk: order.chunk,
        recovery: order.recovery,
        ..Default::default()
    };
    let found = recovery::carry_out(replicas, parsed, patience).await;
    tracing::info!(chunk = %parsed.chunk, recovery = %parsed.recovery, len = ?parsed.len, ?found, "recovering a replica");
    match found {
        Ok(Found::Nothing) => {}
        Ok(Found::Unfinished(len)) => answer.length = Some(len),
        Ok(Found::Left(len)) => {
            answer.length = Some(len);
            answer.restarted = true;
        }
        Ok(Found::Finished(len)) => {
            answer.length = Some(len);
            answer.finished = true;
        }
        Err(refusal) => answer.failure = refusal.to_string(),
    }
    Some(answer)
}
