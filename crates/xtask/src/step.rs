//! One step of a run: a name, work, and the time that it took.

use std::ffi::OsStr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::workspace;

/// Runs `work` between two lines that name it; the second says how long it took.
pub(crate) fn step(name: &str, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    println!("==> {name}");
    let start = Instant::now();
    work().with_context(|| format!("{name} failed after {}", seconds(start.elapsed())))?;
    println!("==> {name}: ok ({})", seconds(start.elapsed()));
    Ok(())
}

/// Runs cargo in the workspace's root with the caller's terminal, and fails when it fails.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: &[S], environment: &[(&str, &str)]) -> anyhow::Result<()> {
    let mut command = Command::new(workspace::cargo());
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(workspace::root());
    finish(&mut command, &format!("`{}`", shown(arguments, environment)))
}

/// Runs the command, which is `what` to a person, and fails when it fails.
pub(crate) fn finish(command: &mut Command, what: &str) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
    if !status.success() {
        bail!("{what} ended with {status}");
    }
    Ok(())
}

/// The command as a person would type it.
fn shown<S: AsRef<OsStr>>(arguments: &[S], environment: &[(&str, &str)]) -> String {
    let mut line: Vec<String> = environment
        .iter()
        .map(|(name, value)| format!("{name}='{value}'"))
        .collect();
    line.push("cargo".into());
    line.extend(
        arguments
            .iter()
            .map(|argument| argument.as_ref().to_string_lossy().into_owned()),
    );
    line.join(" ")
}

/// A duration for a person: seconds with one decimal.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_named_with_its_cause() {
        let error = step("lints", || bail!("clippy found something")).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.starts_with("lints failed after "), "{text}");
        assert!(text.ends_with(": clippy found something"), "{text}");
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        assert_eq!(
            shown(&["doc", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")]),
            "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps"
        );
    }

    #[test]
    fn a_failing_cargo_is_an_error() {
        assert!(cargo(&["no-such-command-of-cargo"], &[]).is_err());
    }
}
