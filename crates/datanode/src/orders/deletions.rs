//! Replicas that a master has deleted: into quarantine, a batch after the other, so that a heartbeat waits for none of them
//! and a disk with many does not hold up the others' requests for long.

use std::sync::Arc;
use std::time::Duration;

use super::queue::Deletion;
use crate::node::Node;

/// How long a deletion may wait. A master that heard nothing of one for longer (`verified_within` of `placement`, 10 minutes)
/// forgets it, and may have another copy deleted instead: this one must not happen then.
const WAITS_MAX: Duration = Duration::from_secs(300);

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

async fn carry_out(node: &Arc<Node>, batch: Vec<Deletion>) {
    let Some(replicas) = node.replicas() else {
        for deletion in &batch {
            deletion.failed("the chunk store is not open yet");
        }
        return;
    };
    let node = Arc::clone(node);
    env::blocking(move || {
        for deletion in batch {
            // Each by itself: a disk may take its time for those before.
            match refused(
                &deletion,
                node.env.clock.monotonic(),
                node.obeys(deletion.by.term),
            ) {
                Some(why) => deletion.failed(why),
                None => {
                    node.orders.begun(deletion.by.term);
                    let deleted = replicas.delete(deletion.chunk, deletion.generation, deletion.which);
                    if let Err(why) = deleted {
                        deletion.failed(&why);
                    }
                }
            }
        }
    })
    .await;
}

/// Why a deletion is not carried out any more.
fn refused(deletion: &Deletion, now: Duration, obeys: bool) -> Option<&'static str> {
    if !obeys {
        return Some("the master that ordered it has been followed by another");
    }
    let late = now.saturating_sub(deletion.came) >= WAITS_MAX;
    late.then_some("it has waited for too long here, and is to be ordered again")
}

#[cfg(test)]
mod tests {
    use chunkstore::Victim;
    use types::{ChunkId, Generation, Term};

    use super::super::queue::Giver;
    use super::*;

    #[test]
    fn what_has_waited_too_long_or_comes_from_an_old_leader_is_not_deleted() {
        let deletion = Deletion {
            chunk: ChunkId::new(1).unwrap(),
            generation: Generation(1),
            which: Victim::Any,
            by: Giver {
                term: Term(1),
                failures: Arc::default(),
            },
            came: Duration::from_secs(7),
        };
        let at = |seconds| refused(&deletion, Duration::from_secs(seconds), true);
        assert_eq!(at(7), None);
        assert_eq!(at(306), None);
        assert!(at(307).unwrap().contains("too long"));
        assert!(refused(&deletion, Duration::from_secs(8), false).is_some());
    }
}
