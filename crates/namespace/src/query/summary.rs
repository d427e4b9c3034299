//! What is in a tree.

use types::{Caller, FsPath};

use crate::permission::{self, Access};
use crate::table::Body;
use crate::{ContentSummary, Namespace, NamespaceError, resolve};

impl Namespace {
    /// What is in a tree; of a file, the file alone. Needs read and search permission on every directory in it. Takes
    /// time in proportion to the tree, and no stack.
    ///
    /// # Errors
    /// When there is none, or the caller may not read all of its directories.
    pub fn content_summary(&self, caller: &Caller, path: &FsPath) -> Result<ContentSummary, NamespaceError> {
        let tree = &self.files.tree;
        let mut summary = ContentSummary::default();
        let mut waiting = vec![resolve::existing(tree, caller, path)?.found];
        while let Some(id) = waiting.pop() {
            let inode = tree.inode(id);
            match &inode.body {
                Body::File(file) => {
                    summary.files += 1;
                    summary.len = summary.len.saturating_add(file.len);
                    let space = file.len.saturating_mul(file.replication.into());
                    summary.space = summary.space.saturating_add(space);
                }
                Body::Directory { .. } => {
                    permission::require(caller, inode, &[Access::Read, Access::Search], || {
                        tree.path(id).unwrap_or_else(|| path.clone())
                    })?;
                    summary.directories += 1;
                    waiting.extend(tree.children(id, ""));
                }
            }
        }
        Ok(summary)
    }
}
