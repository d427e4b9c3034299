//! Listing a directory, page by page, so that one with a million entries needs no more memory than a page.

use proto::v1;
use types::FsPath;

use crate::rpc::call;
use crate::{Error, FileStatus, FileSystem};

/// The entries of a directory, a page at a time. Made by [`FileSystem::list`].
///
/// Entries that appear or go while it runs may or may not be seen; every other one is seen exactly once.
pub struct ListPages {
    fs: FileSystem,
    path: FsPath,
    /// The last name seen; none behind the last page.
    after: Option<String>,
}

impl ListPages {
    pub(crate) fn new(fs: FileSystem, path: FsPath) -> Self {
        Self {
            fs,
            path,
            after: Some(String::new()),
        }
    }

    /// Only the entries behind this name.
    #[must_use]
    pub fn behind(mut self, name: &str) -> Self {
        self.after = Some(name.to_owned());
        self
    }

    /// Whether the last page was given.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.after.is_none()
    }

    /// The next page, never empty but for the first; none behind the last.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotDirectory`], [`Error::PermissionDenied`].
    pub async fn next_page(&mut self) -> Result<Option<Vec<FileStatus>>, Error> {
        let Some(after) = self.after.clone() else {
            return Ok(None);
        };
        let rpc = &self.fs.inner().rpc;
        let request = v1::ListRequest {
            caller: rpc.caller(),
            path: self.path.to_string(),
            start_after: after,
            limit: 0,
        };
        let answer = call!(rpc, "list", self.path.as_str(), list, request).await?;
        let entries = answer
            .entries
            .into_iter()
            .map(|entry| FileStatus::from_wire("list", Some(entry)))
            .collect::<Result<Vec<_>, _>>()?;
        self.after = match entries.last() {
            Some(last) if answer.more => Some(last.name.clone()),
            _ => None,
        };
        Ok(Some(entries))
    }
}
