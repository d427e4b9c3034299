//! Workers that copy replicas to other datanodes. Each keeps its last connection for the next copy to the same one: so
//! thousands of small replicas do not cost as many connections.

use std::sync::Arc;
use std::time::Duration;

use chunkstore::ReplicaState;
use env::StreamThreads;
use types::ChunkExtent;

use super::queue::{Copy, WORKERS_MAX};
use super::throttle::Throttle;
use crate::node::Node;
use crate::xceiver::{Connection, Pace, copy_replica};

/// Until another attempt, when the system has no thread to give.
const NO_THREAD: Duration = Duration::from_millis(100);

/// Hires workers as there is work, until the datanode ends.
pub(super) async fn run(node: &Arc<Node>) {
    // A worker that has retired may still be on its thread for a moment.
    let threads = StreamThreads::new(2 * WORKERS_MAX);
    tokio::select! {
        () = node.closed() => {}
        () = hire(node, &threads) => {}
    }
    threads.shutdown().await;
}

async fn hire(node: &Arc<Node>, threads: &StreamThreads) {
    loop {
        while node.orders.queue.hire() {
            let working = Arc::clone(node);
            let spawned = threads.spawn(move || async move { work(&working).await });
            if let Err(error) = spawned {
                drop(node.orders.queue.worker());
                tracing::warn!(%error, "a copy waits");
                tokio::time::sleep(NO_THREAD).await;
            }
        }
        node.orders.copies_wait.notified().await;
    }
}

async fn work(node: &Arc<Node>) {
    let mut worker = node.orders.queue.worker();
    let mut kept = None;
    while let Some(running) = worker.next() {
        let copy = &running.copy;
        let ChunkExtent {
            chunk, generation, ..
        } = copy.extent;
        match carry_out(node, copy, &mut kept).await {
            Ok(()) => {
                tracing::debug!(%chunk, %generation, target = %copy.target.address(), "copied a replica")
            }
            Err(reason) => {
                tracing::info!(%chunk, %generation, target = %copy.target.address(), reason, "did not copy a replica");
                copy.failed(&reason);
            }
        }
    }
}

async fn carry_out(node: &Arc<Node>, copy: &Copy, kept: &mut Option<Connection>) -> Result<(), String> {
    if !node.obeys(copy.by.term) {
        return Err(format!(
            "the master that ordered it, of term {}, has been followed by another",
            copy.by.term
        ));
    }
    node.orders.begun(copy.by.term);
    if copy.target.id == node.id {
        return Err("a replica can not be copied to the datanode that has it".to_owned());
    }
    let replicas = node.replicas().ok_or("the chunk store is not open yet")?;
    let ChunkExtent {
        chunk,
        generation,
        len,
    } = copy.extent;
    let present = replicas
        .store
        .replica(chunk)
        .ok_or_else(|| format!("chunk {chunk} is not here"))?;
    if (present.generation, present.len) != (generation, len) {
        return Err(format!(
            "chunk {chunk} is here with {} bytes at generation {}; {len} bytes at generation {generation} are to be copied",
            present.len, present.generation
        ));
    }
    if present.state == ReplicaState::Corrupt {
        return Err(format!(
            "the replica of chunk {chunk} at generation {generation} is corrupt"
        ));
    }
    let _copying = node.orders.begin_copy();
    let own = Throttle::new(copy.bytes_per_s);
    let pace = Pace {
        clock: &*node.env.clock,
        limits: [&own, &node.orders.total],
    };
    let copied = copy_replica(node, replicas, copy, &pace, kept).await;
    copied.map_err(|refusal| refusal.to_string())
}
