//! Changes to files that nobody writes: cut, and joined to others.

use std::time::Duration;

use namespace::{Command, Outcome, Recovering, TRUNCATION};
use proto::v1;
use types::{FsPath, InodeId};

use super::write::unexpected;
use super::{Change, change};
use crate::core::Core;
use crate::leadership::Lead;
use crate::lease;
use crate::rejection::Rejection;

/// How long a call waits for replicas to be cut.
const CUT_PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn truncate(
    core: &Core,
    request: v1::TruncateRequest,
) -> Result<v1::TruncateResponse, Rejection> {
    let Change { caller, id, lead } = change(core, request.caller.as_ref()).await?;
    let path = FsPath::parse(&request.path)?;
    lease::yield_to(core, lead, &caller, id.client, &path).await?;
    let len = request.length;
    let begun = core.propose(caller, id, Command::Truncate { path, len }).await?;
    core.drain_freed();
    let chunks = match begun {
        Outcome::Done => Vec::new(),
        Outcome::Recovering(chunks) => chunks,
        other => return Err(unexpected(&other)),
    };
    match file_of(core, &chunks) {
        None => Ok(v1::TruncateResponse {
            done: true,
            waits_for: String::new(),
        }),
        Some(inode) => {
            core.desk.want();
            let done = cut(core, lead, inode).await?;
            let why = core.desk.waits_for(inode).unwrap_or_default();
            let waits_for = if done { String::new() } else { why };
            Ok(v1::TruncateResponse { done, waits_for })
        }
    }
}

/// The file whose chunks are being cut; none when there are none (any more).
fn file_of(core: &Core, chunks: &[Recovering]) -> Option<InodeId> {
    let info = core.machine.read().chunk(chunks.first()?.extent.chunk)?;
    Some(info.owner)
}

/// Waits until the replicas are cut. False when that takes long.
///
/// # Errors
/// When another master leads.
async fn cut(core: &Core, lead: Lead, inode: InodeId) -> Result<bool, Rejection> {
    let mut changes = core.desk.changes();
    let is_being_cut = || core.machine.read().writer_file(inode, TRUNCATION).is_ok();
    let deadline = tokio::time::Instant::now() + CUT_PATIENCE;
    while is_being_cut() {
        tokio::select! {
            _ = changes.changed() => {}
            () = core.leadership.ended(lead) => return Err(core.not_leader()),
            () = core.closed() => return Err(core.not_leader()),
            () = tokio::time::sleep_until(deadline) => return Ok(!is_being_cut()),
        }
    }
    Ok(true)
}

pub(super) async fn concat(core: &Core, request: v1::ConcatRequest) -> Result<v1::ConcatResponse, Rejection> {
    let Change { caller, id, lead } = change(core, request.caller.as_ref()).await?;
    let target = FsPath::parse(&request.target)?;
    let sources = request.sources.iter().map(|source| FsPath::parse(source));
    let sources: Vec<_> = sources.collect::<Result<_, _>>()?;
    for path in std::iter::once(&target).chain(&sources) {
        lease::yield_to(core, lead, &caller, id.client, path).await?;
    }
    core.propose(caller, id, Command::Concat { target, sources })
        .await?;
    Ok(v1::ConcatResponse {})
}
