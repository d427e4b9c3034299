//! The ladder of crates: arrows point down, pure crates stay pure, and the rest meets the world only through the seams.
//!
//! [`ladder`] is the table; [`arrows`] checks the manifests against it (as `cargo metadata` reads them), [`sources`] the
//! source code. Code under `#[cfg(test)]`, comments and strings are not looked at.

mod arrows;
mod ladder;
mod lexer;
mod paths;
mod sources;

use std::fmt;

use anyhow::bail;

use crate::workspace::{self, Metadata};

/// A broken rule, with where it is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Violation {
    /// A manifest or `file:line`.
    place: String,
    /// What is wrong there and what to do.
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Checks the workspace.
pub(crate) fn run() -> anyhow::Result<()> {
    let metadata = Metadata::read()?;
    let mut violations = arrows::check(&metadata, &workspace::links)?;
    violations.extend(sources::check(&metadata)?);
    if violations.is_empty() {
        println!("layers: {} crates in order", metadata.members().count());
        return Ok(());
    }
    for violation in &violations {
        eprintln!("{violation}");
    }
    bail!("{} places break the layers", violations.len());
}
