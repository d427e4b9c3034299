//! `SetSetting`.

use crate::handler::{Answer, Call};
use crate::settings::Chosen;
use crate::{Outcome, permission};

/// Changes a setting.
pub(crate) fn set(settings: &mut Chosen, call: &Call<'_>, key: &str, value: &str) -> Answer {
    permission::require_superuser(call.caller)?;
    settings.set(key, value)?;
    Ok(Outcome::Done)
}
