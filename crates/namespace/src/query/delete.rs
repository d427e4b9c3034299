//! Whether a whole tree may be removed: looked through outside of the log, because it may be large.

use types::{Caller, FsPath, RequestId};

use crate::handler::delete;
use crate::table::{Body, CallKey};
use crate::{Content, DeleteTicket, Namespace, NamespaceError};

impl Namespace {
    /// Whether `caller` may remove what is at `path` with everything below it: the ticket for
    /// [`Command::DeleteTree`](crate::Command::DeleteTree). Takes time in proportion to the tree: ask a snapshot.
    ///
    /// A call that got its answer before gets it again: its refusal, or a ticket that leads to it.
    ///
    /// # Errors
    /// When there is nothing, or the caller may not empty one of its directories.
    pub fn check_delete(
        &self,
        caller: &Caller,
        request: Option<RequestId>,
        path: &FsPath,
    ) -> Result<DeleteTicket, NamespaceError> {
        let key = request.map(|request| CallKey::of_delete_tree(request, &caller.user));
        if let Some(answer) = key.and_then(|key| self.first_answer(&key)) {
            let content = Content::default();
            return answer.clone().map(|_| DeleteTicket { top: None, content });
        }
        let tree = &self.files.tree;
        let top = delete::deletable(tree, caller, path)?;
        let mut content = Content::default();
        for id in delete::below(tree, caller, path, top)? {
            match &tree.inode(id).body {
                Body::Directory { .. } => content.directories += 1,
                Body::File(file) => {
                    content.files += 1;
                    content.chunks += file.chunks.len() as u64;
                }
            }
        }
        let top = Some(top);
        Ok(DeleteTicket { top, content })
    }

    /// Whether there is something for [`Command::Reap`](crate::Command::Reap).
    #[must_use]
    pub fn reap_due(&self) -> bool {
        false
    }

    /// What is removed, but not freed yet. Estimated where a tree was changed while it was removed.
    #[must_use]
    pub fn graveyard(&self) -> Content {
        Content::default()
    }
}
