//! `RegisterDatanode`.

use crate::handler::{Answer, Call};
use crate::table::Members;
use crate::{Member, Outcome, permission};

/// Makes a datanode a member.
pub(crate) fn register(members: &mut Members, call: &Call<'_>, member: &Member) -> Answer {
    permission::require_superuser(call.caller)?;
    members.put(member.clone());
    Ok(Outcome::Done)
}
