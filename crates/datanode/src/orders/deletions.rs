//! Replicas that a master has deleted: into quarantine, a batch after the other, so that a heartbeat waits for none of them
//! and a disk with many does not hold up the others' requests for long.

use std::sync::Arc;

use super::queue::Deletion;
use crate::node::Node;

/// Replicas of one batch; the datanode looks whether it ends, and who leads, before the next.
const BATCH: usize = 256;

/// Deletes until the datanode ends. What was begun is waited for: it holds the directories.
pub(super) async fn run(node: &Arc<Node>) {
    while !node.is_closing() {
        let batch = node.orders.queue.next_deletions(BATCH);
        if batch.is_empty() {
            tokio::select! {
                () = node.closed() => {}
                () = node.orders.deletions_wait.notified() => {}
            }
        } else {
            carry_out(node, batch).await;
        }
    }
}

async fn carry_out(node: &Arc<Node>, mut batch: Vec<Deletion>) {
    batch.retain(|deletion| {
        let obeys = node.obeys(deletion.by.term);
        if !obeys {
            deletion.failed("the master that ordered it has been followed by another");
        }
        obeys
    });
    let Some(replicas) = node.replicas() else {
        for deletion in &batch {
            deletion.failed("the chunk store is not open yet");
        }
        return;
    };
    env::blocking(move || {
        for deletion in batch {
            replicas.delete(deletion.chunk, deletion.generation, deletion.which);
        }
    })
    .await;
}
