//! Directory listings, page by page.

use types::limits::LISTING_PAGE_MAX;
use types::{Caller, FsPath};

use crate::permission::{self, Access};
use crate::query::stat::status;
use crate::{Namespace, NamespaceError, Page, resolve};

impl Namespace {
    /// Up to `limit` entries of a directory behind the name `start_after`, which need not be there any more; at most
    /// [`LISTING_PAGE_MAX`], and that many when `limit` is 0. Entries that come and go between two pages may or may not
    /// be seen; all others are seen exactly once.
    ///
    /// Needs read and search permission on the directory: names, and what `stat` says of each.
    ///
    /// # Errors
    /// When it is not a directory, or the caller may not read it.
    pub fn list(
        &self,
        caller: &Caller,
        path: &FsPath,
        start_after: Option<&str>,
        limit: usize,
    ) -> Result<Page, NamespaceError> {
        let tree = &self.files.tree;
        let id = resolve::existing(tree, caller, path)?.found;
        let directory = tree.inode(id);
        if !directory.is_directory() {
            return Err(NamespaceError::NotDirectory(path.clone()));
        }
        permission::require(caller, directory, &[Access::Read, Access::Search], || {
            path.clone()
        })?;
        let limit = match limit {
            0 => LISTING_PAGE_MAX,
            limit => limit.min(LISTING_PAGE_MAX),
        };
        let mut children = tree.children(id, start_after.unwrap_or_default());
        let entries = children
            .by_ref()
            .take(limit)
            .map(|child| status(child, tree.inode(child)))
            .collect();
        Ok(Page {
            entries,
            more: children.next().is_some(),
        })
    }
}
