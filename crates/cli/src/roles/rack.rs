//! The rack of a datanode, as a program says it.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use crate::failure::{Exit, Failure, Result};

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `script`, once, without arguments: the first line that it prints is the rack.
///
/// # Errors
/// When it can not be run, fails, takes too long, or prints nothing that is a rack. A datanode with a wrong rack would have
/// replicas put where they are no safer, so it does not start then.
pub(super) async fn by_script(script: &Path) -> Result<String> {
    let refused = |why: String| {
        Failure::new(
            Exit::Failed,
            "datanode",
            format_args!(
                "can not learn the rack from rack_script {}: {why}",
                script.display()
            ),
        )
        .next("it has to print the rack, such as /row-2, as its first line; or say it with --rack")
    };
    let run = Command::new(script)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(PATIENCE, run).await {
        Ok(Ok(output)) => rack(&output).map_err(refused),
        Ok(Err(error)) => Err(refused(error.to_string())),
        Err(_) => Err(refused(format!("it took more than {} s", PATIENCE.as_secs()))),
    }
}

fn rack(output: &Output) -> std::result::Result<String, String> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().chars().take(200).collect::<String>();
        return Err(format!("{}; it said: {said}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let rack = text.lines().next().unwrap_or_default().trim();
    if !rack.starts_with('/') || rack.len() > 255 || rack.chars().any(char::is_control) {
        return Err(format!("{rack:?} is no rack: one begins with a slash"));
    }
    Ok(rack.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    async fn says(text: &str) -> Result<String> {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("rack");
        std::fs::write(&script, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        by_script(&script).await
    }

    fn why(failure: Failure) -> String {
        let Failure::Tell(report) = failure else {
            panic!("it has to be told")
        };
        assert!(report.next.is_some());
        report.why
    }

    #[tokio::test]
    async fn the_first_line_is_the_rack() {
        assert_eq!(says("echo ' /row-2/r7 '; echo more").await.unwrap(), "/row-2/r7");
    }

    #[tokio::test]
    async fn what_is_no_rack_is_refused() {
        assert!(why(says("echo row").await.unwrap_err()).contains("\"row\" is no rack"));
        assert!(why(says("true").await.unwrap_err()).contains("is no rack"));
        let failed = why(says("echo oops >&2; exit 3").await.unwrap_err());
        assert!(
            failed.contains("exit status: 3") && failed.contains("oops"),
            "{failed}"
        );
        let missing = by_script(Path::new("/nowhere/rack")).await.unwrap_err();
        assert!(why(missing).contains("/nowhere/rack"));
    }
}
