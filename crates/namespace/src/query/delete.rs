//! Whether a whole tree may be removed: looked through outside of the log, because it may be large.

use types::{Caller, FsPath, RequestId};

use crate::handler::delete;
use crate::table::CallKey;
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
        let (_, top) = delete::deletable(tree, caller, path)?;
        let content = delete::below(tree, caller, path, top)?;
        let top = Some(top);
        Ok(DeleteTicket { top, content })
    }

    /// Whether there is something for [`Command::Reap`](crate::Command::Reap).
    #[must_use]
    pub fn reap_due(&self) -> bool {
        self.files.tree.has_graves()
    }

    /// What is removed, but not freed yet. Estimated where a tree was changed while it was removed.
    #[must_use]
    pub fn graveyard(&self) -> Content {
        self.files.tree.graveyard()
    }
}
