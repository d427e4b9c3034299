//! `Reap`: frees what recursive deletes have detached.

use crate::handler::{Answer, Call, Files, delete};
use crate::table::Doomed;
use crate::{Outcome, permission};

/// Frees up to `limit` inodes and chunks (and the few that were being written), and goes down as many directories at most.
pub(crate) fn reap(files: &mut Files, call: &Call<'_>, limit: u64) -> Answer {
    permission::require_superuser(call.caller)?;
    let limit = limit.max(1);
    let (mut steps, mut freed) = (limit, 0);
    while freed < limit
        && let Some(doomed) = files.tree.next_doomed(&mut steps)
    {
        if let Doomed::File(file) = doomed {
            let mut chunks = delete::end_writing(files, file);
            for slot in files.tree.take_chunks(file, limit - freed) {
                files.chunks.free_at(slot);
                chunks += 1;
            }
            files.tree.freed_chunks(chunks);
            freed += chunks;
            if freed >= limit || files.tree.committed_count(file) > 0 {
                continue;
            }
        }
        files.tree.free_doomed(doomed);
        freed += 1;
    }
    Ok(Outcome::Reaped(freed))
}
