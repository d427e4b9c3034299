//! The client verbs.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use serde_json::Value;

use super::role::clean;

/// The binary, with nothing of the caller's configuration; `home` stands for the home directory. On the machine `host` of a
/// [`Network`](super::Network), if one is named.
pub(crate) fn distrifs(home: &Path, host: Option<&str>) -> Command {
    let binary = env!("CARGO_BIN_EXE_distrifs");
    let mut command = match host {
        None => Command::new(binary),
        Some(host) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", host, binary]);
            command
        }
    };
    clean(&mut command);
    command
        .env("HOME", home)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_DATA_HOME")
        .current_dir(home);
    command
}

/// Runs client verbs against one master.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    master: String,
    home: PathBuf,
    host: Option<String>,
}

/// What a verb said.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Client {
    pub(crate) fn new(master: &str, home: &Path) -> Self {
        Self {
            master: master.to_owned(),
            home: home.to_owned(),
            host: None,
        }
    }

    /// The same on another machine.
    pub(crate) fn on(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// The command that runs a verb.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = distrifs(&self.home, self.host.as_deref());
        command.args(arguments).args(["--master", &self.master]);
        command
    }

    /// Runs a verb to its end, however it ends.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        let output = self.command(arguments).stdin(Stdio::null()).output().unwrap();
        Done {
            status: output.status,
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a verb that must succeed. Answers what it printed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Vec<u8> {
        let done = self.run(arguments);
        assert!(
            done.status.success(),
            "{arguments:?} ended with {}: {}",
            done.status,
            done.stderr
        );
        done.stdout
    }

    /// Runs a verb that must fail. Answers what it complained of.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert!(!done.status.success(), "{arguments:?} succeeded");
        done.stderr
    }

    /// Whether there is something at `path`.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.run(&["test", "-e", path]).status.success()
    }

    /// How many datanodes the master hears of; none while it cannot be reached.
    pub(crate) fn live_datanodes(&self) -> Option<usize> {
        let done = self.run(&["df", "--json"]);
        let space: Value = serde_json::from_slice(&done.stdout).ok()?;
        let nodes = space.get("datanodes")?.as_array()?;
        Some(nodes.iter().filter(|node| node["live"] == true).count())
    }
}
