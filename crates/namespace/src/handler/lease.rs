//! `RenewLease` and `ExpireLeases`.

use types::UnixMillis;

use crate::handler::close::give_up;
use crate::handler::{Answer, Call, Files};
use crate::table::Leases;
use crate::{Outcome, permission};

/// Keeps the client's lease. One that has none is not told so: it learns it from the next call that needs one.
pub(crate) fn renew(leases: &mut Leases, call: &Call<'_>) -> Answer {
    leases.renew(call.client()?, call.at);
    Ok(Outcome::Done)
}

/// Gives up what silent clients write.
pub(crate) fn expire(files: &mut Files, call: &Call<'_>, before: UnixMillis) -> Answer {
    permission::require_superuser(call.caller)?;
    let expired = files.leases.expired(before);
    for &file in &expired {
        give_up(files, file);
    }
    Ok(Outcome::Expired(expired.len() as u64))
}
