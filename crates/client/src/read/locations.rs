//! Where the chunks of a file are: for those who want to be near them.

use std::ops::Range;
use std::sync::Arc;

use transfer::Node;
use types::FsPath;

use super::target::locate;
use crate::Error;
use crate::fs::Inner;

/// A chunk of a file, and who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Where in the file it begins.
    pub offset: u64,
    /// How long it is, as far as is known while it is written.
    pub len: u64,
    /// Who has a replica, best first.
    pub replicas: Vec<Node>,
}

pub(crate) async fn locations(
    inner: &Arc<Inner>,
    path: &FsPath,
    range: Range<u64>,
) -> Result<Vec<Location>, Error> {
    let mut found: Vec<Location> = Vec::new();
    let mut at = range.start;
    // An answer need not have all of them.
    loop {
        let (status, chunks) = locate(inner, path, at).await?;
        let before = at;
        for chunk in chunks {
            if chunk.start >= range.end {
                return Ok(found);
            }
            at = at.max(chunk.end());
            if found.iter().all(|known| known.offset != chunk.start) {
                found.push(Location {
                    offset: chunk.start,
                    len: chunk.extent.len,
                    replicas: chunk.replicas,
                });
            }
        }
        if at == before || at >= range.end.min(status.len) {
            return Ok(found);
        }
    }
}
