//! Small chunks on their way to datanodes and back, many in one request.
//!
//! Where that fails, for whatever reason, a chunk is written or read by itself, as any other: so nothing here is tried twice, and
//! nothing that fails here is the last word.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use transfer::Node;
use types::DatanodeId;
use types::limits::{SMALL_CHUNKS_MAX, SMALL_REQUEST_BYTES_MAX};

use crate::gather::Gather;
use crate::read::small::SmallRead;
use crate::write::small::SmallWrite;

/// How long a datanode that does not know such requests is not asked again.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// What waits for its request.
pub(crate) struct Small {
    /// By pipeline. The answer: why not.
    pub(crate) writes: Arc<Gather<Vec<DatanodeId>, SmallWrite, Result<(), String>>>,
    /// By datanode.
    pub(crate) reads: Arc<Gather<DatanodeId, SmallRead, Result<Bytes, String>>>,
    refused: Mutex<HashMap<DatanodeId, Instant>>,
}

impl Small {
    pub(crate) fn new() -> Self {
        Self {
            writes: Gather::new(SMALL_CHUNKS_MAX, SMALL_REQUEST_BYTES_MAX.into()),
            reads: Gather::new(SMALL_CHUNKS_MAX, SMALL_REQUEST_BYTES_MAX.into()),
            refused: Mutex::default(),
        }
    }

    /// Whether all of these datanodes may be asked; not when there are none.
    pub(crate) fn takes(&self, nodes: &[Node]) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|_, since| since.elapsed() < REFUSED_FOR);
        !nodes.is_empty() && nodes.iter().all(|node| !refused.contains_key(&node.id))
    }

    /// One of these datanodes does not know such requests, or does not serve them.
    pub(crate) fn refused_by(&self, nodes: &[Node]) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        refused.extend(nodes.iter().map(|node| (node.id, now)));
    }
}
