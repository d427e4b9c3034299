//! Replicas that are read again, or taken back out of quarantine, because a master wants to know.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::queue::{Check, Task};
use crate::node::Node;

/// Checks that run at once.
const RUNNING_MAX: usize = 4;

/// Carries checks out until the datanode ends.
pub(super) async fn run(node: &Arc<Node>) {
    tokio::select! {
        () = node.closed() => {}
        () = run_forever(node) => {}
    }
}

async fn run_forever(node: &Arc<Node>) {
    let mut running = JoinSet::new();
    loop {
        while running.len() < RUNNING_MAX
            && let Some(check) = node.orders.queue.next_check()
        {
            let node = Arc::clone(node);
            running.spawn(async move {
                if let Err(reason) = carry_out(&node, &check).await {
                    check.failed(&reason);
                }
            });
        }
        tokio::select! {
            Some(ended) = running.join_next() => {
                if let Err(error) = ended && error.is_panic() {
                    tracing::error!(%error, "a check ended by a panic");
                }
            }
            () = node.orders.checks_wait.notified(), if running.len() < RUNNING_MAX => {}
        }
    }
}

async fn carry_out(node: &Arc<Node>, check: &Check) -> Result<(), String> {
    if !node.obeys(check.by.term) {
        return Err(format!(
            "the master that ordered it, of term {}, has been followed by another",
            check.by.term
        ));
    }
    node.orders.begun(check.by.term);
    let replicas = node.replicas().ok_or("the chunk store is not open yet")?;
    let (task, chunk, generation) = (check.task, check.chunk, check.generation);
    env::blocking(move || match task {
        Task::Verify => replicas.verify(chunk, generation),
        Task::Restore => replicas.restore(chunk, generation),
    })
    .await
}
