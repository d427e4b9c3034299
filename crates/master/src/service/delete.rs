//! Taking things away: one, or a whole tree.
//!
//! A tree of any size goes in one step that does not depend on its size. What does depend on it, whether the caller may
//! empty each of its directories, is looked up in a snapshot beside everything else; the freeing is [`crate::reap`]'s.

use namespace::{Command, NamespaceError};
use proto::v1;
use types::FsPath;

use super::{Change, change};
use crate::core::Core;
use crate::rejection::Rejection;

/// How often a tree that is changed while it is looked through is looked through again.
const ATTEMPTS: usize = 8;

pub(super) async fn delete(core: &Core, request: v1::DeleteRequest) -> Result<v1::DeleteResponse, Rejection> {
    let change = change(core, request.caller.as_ref()).await?;
    let path = FsPath::parse(&request.path)?;
    if request.recursive {
        tree(core, change, path).await?;
    } else {
        let command = Command::Delete {
            path,
            recursive: false,
        };
        core.propose(change.caller, change.id, command).await?;
    }
    core.drain_freed();
    Ok(v1::DeleteResponse {})
}

async fn tree(core: &Core, change: Change, path: FsPath) -> Result<(), Rejection> {
    let Change { caller, id, .. } = change;
    for _ in 0..ATTEMPTS {
        let ticket = {
            let (namespace, caller, path) = (core.machine.snapshot(), caller.clone(), path.clone());
            env::blocking(move || namespace.check_delete(&caller, Some(id), &path)).await?
        };
        let command = Command::DeleteTree {
            path: path.clone(),
            ticket,
        };
        match core.log(caller.clone(), Some(id), command).await? {
            Err(NamespaceError::Changed(_)) => {}
            Err(refused) => return Err(refused.into()),
            Ok(_) => {
                core.jobs.reap.bell.notify_one();
                return Ok(());
            }
        }
    }
    Err(NamespaceError::Changed(path).into())
}
