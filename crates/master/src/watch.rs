//! Waiting for news of certain chunks.

use std::sync::Arc;

use tokio::sync::Notify;
use types::ChunkId;

use crate::cluster::WaiterId;
use crate::core::Core;

/// Is woken by reports about its chunks, until it is dropped, which happens too when the client goes away.
pub(crate) struct Watch<'a> {
    core: &'a Core,
    chunks: Vec<ChunkId>,
    id: WaiterId,
    notify: Arc<Notify>,
}

impl<'a> Watch<'a> {
    /// From here on no news is missed. Look at what is known only after this.
    pub(crate) fn new(core: &'a Core, chunks: impl Iterator<Item = ChunkId>) -> Self {
        let chunks: Vec<_> = chunks.collect();
        let notify = Arc::new(Notify::new());
        let mut cluster = core.cluster();
        let id = cluster.waiters.enroll();
        for &chunk in &chunks {
            cluster.waiters.wait_for(chunk, id, &notify);
        }
        drop(cluster);
        Self {
            core,
            chunks,
            id,
            notify,
        }
    }

    /// Waits for news since the last call, or since the start.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut cluster = self.core.cluster();
        for &chunk in &self.chunks {
            cluster.waiters.leave(chunk, self.id);
        }
    }
}
