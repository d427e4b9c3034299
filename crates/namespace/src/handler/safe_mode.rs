//! `SetSafeMode`.

use crate::handler::{Answer, Call};
use crate::{Outcome, permission};

/// Remembers whether the operator wants the safe mode.
pub(crate) fn set(safe_mode: &mut bool, call: &Call<'_>, on: bool) -> Answer {
    permission::require_superuser(call.caller)?;
    *safe_mode = on;
    Ok(Outcome::Done)
}
