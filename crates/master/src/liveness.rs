//! Asks the failure detector again and again, and says what changed.

use std::time::Duration;

use placement::Liveness;

use crate::core::Core;

/// Runs for as long as the master.
pub(crate) async fn run(core: &Core) {
    let interval =
        (core.config.heartbeat_interval / 3).clamp(Duration::from_millis(20), Duration::from_secs(1));
    loop {
        tokio::time::sleep(interval).await;
        assess(core);
        core.picture.members(core);
        core.assess_picture();
        if core.settled() && core.cluster().look_around(core.now()) {
            core.jobs.recount.bell.notify_one();
        }
    }
}

fn assess(core: &Core) {
    let now = core.now();
    let mut cluster = core.cluster();
    for change in cluster.view.compare(now) {
        let datanode = change.datanode;
        let storage = change
            .storage
            .map(|storage| storage.to_string())
            .unwrap_or_default();
        match change.slow {
            Some(slow) => tracing::warn!(%datanode, storage, %slow, "slower than its peers: used last"),
            None => tracing::info!(%datanode, storage, "not slower than its peers any more"),
        }
    }
    let changed = cluster.view.assess(now);
    if let Some(pause) = cluster.view.last_pause().filter(|pause| pause.ended == now) {
        let paused_ms = pause.length.as_millis();
        tracing::warn!(
            paused_ms,
            "this master was paused: nobody's silence counts for that time"
        );
    }
    for (id, _, is) in changed {
        let Some(node) = cluster.view.node(id) else {
            continue;
        };
        let address = node.address();
        let silent_ms = node.silent_for(now).unwrap_or_default().as_millis();
        match is {
            Liveness::Dead => tracing::warn!(datanode = %id, %address, silent_ms, "datanode is dead"),
            Liveness::Suspicious => tracing::warn!(
                datanode = %id, %address, silent_ms,
                "datanode is silent, but so are most: not declared dead"
            ),
            Liveness::Late => tracing::debug!(datanode = %id, %address, silent_ms, "heartbeat is late"),
            // Told where the heartbeat comes in.
            Liveness::Live | Liveness::Absent => {}
        }
    }
}
