//! What each command does: one file per concern.
//!
//! A handler checks everything first and changes something only when nothing can fail any more: so a refusal changes
//! nothing. It borrows the tables that it needs, not the whole state.

pub(crate) mod append;
pub(crate) mod attributes;
pub(crate) mod chunk;
mod close;
mod commit;
pub(crate) mod complete;
pub(crate) mod concat;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod format;
pub(crate) mod lease;
pub(crate) mod member;
pub(crate) mod mkdir;
mod overwrite;
pub(crate) mod reap;
pub(crate) mod recover;
pub(crate) mod rename;
pub(crate) mod safe_mode;
pub(crate) mod setting;
pub(crate) mod sync;
pub(crate) mod truncate;
mod writer;

use types::{Caller, ClientId, InodeId, UnixMillis};

use crate::table::{Chunks, Inode, Leases, Tree};
use crate::{NamespaceError, Outcome};

/// What a handler answers.
pub(crate) type Answer = Result<Outcome, NamespaceError>;

/// The tables that hold files: those that change together when one is written or removed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files {
    pub(crate) tree: Tree,
    pub(crate) chunks: Chunks,
    pub(crate) leases: Leases,
}

impl Files {
    /// Whether the next command may find that there is no room.
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.tree.is_nearly_full() || self.chunks.is_nearly_full()
    }

    /// Notes that something else is expected of all chunks of a file.
    pub(crate) fn touch_chunks(&mut self, file: InodeId) {
        let Self { tree, chunks, .. } = self;
        for slot in tree.committed(file) {
            if let Some((id, _)) = chunks.at(slot) {
                chunks.touch(id);
            }
        }
        let writer = tree.find(file).and_then(Inode::file);
        for &id in writer.iter().flat_map(|file| file.uncommitted_chunks()) {
            chunks.touch(id);
        }
    }
}

/// Who gives a command, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// Never before an earlier command.
    pub(crate) at: UnixMillis,
    pub(crate) caller: &'a Caller,
    pub(crate) client: Option<ClientId>,
}

impl Call<'_> {
    /// The client, for what only a client can do.
    ///
    /// # Errors
    /// When the request names none.
    pub(crate) fn client(&self) -> Result<ClientId, NamespaceError> {
        self.client.ok_or(NamespaceError::NoClient)
    }
}
