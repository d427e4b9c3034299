//! JSON arrays that are printed while they grow.

use serde_json::Value;

use super::Out;
use crate::failure::Result;

/// An array, one element a line, so that a listing of any length needs no memory.
#[derive(Debug, Default)]
pub(crate) struct JsonArray {
    begun: bool,
}

impl JsonArray {
    /// Prints one more element.
    ///
    /// # Errors
    /// When stdout can not be written to.
    pub(crate) fn push(&mut self, out: &mut Out, element: &Value) -> Result<()> {
        out.print(if self.begun { ",\n" } else { "[\n" })?;
        self.begun = true;
        out.print(&element.to_string())
    }

    /// Ends the array.
    ///
    /// # Errors
    /// When stdout can not be written to.
    pub(crate) fn finish(self, out: &mut Out) -> Result<()> {
        out.print(if self.begun { "\n]\n" } else { "[]\n" })
    }
}
