//! One server process of `distrifs`: started, killed, started again on the same directory and ports.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::Signal;

use crate::netns::Host;
use crate::process::Process;

/// How long a role may take to serve.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    name: String,
    distrifs: PathBuf,
    base: PathBuf,
    arguments: Vec<String>,
    /// Where it runs, when not where this process does.
    host: Option<Host>,
    process: Option<Process>,
    /// CPU seconds of processes that have ended.
    ended_cpu_seconds: f64,
}

impl Server {
    /// A server that keeps its things below `base` under its name (`master-1`: the role before the `-`). It does not run yet.
    pub(crate) fn new(
        distrifs: &Path,
        base: &Path,
        name: &str,
        arguments: Vec<String>,
        host: Option<Host>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            distrifs: distrifs.to_owned(),
            base: base.to_owned(),
            arguments,
            host,
            process: None,
            ended_cpu_seconds: 0.0,
        }
    }

    /// Where it keeps its things.
    pub(crate) fn dir(&self) -> PathBuf {
        self.base.join(&self.name)
    }

    fn log_file(&self) -> PathBuf {
        self.base.join(format!("{}.log", self.name))
    }

    fn ready_file(&self) -> PathBuf {
        self.base.join(format!("{}.ready", self.name))
    }

    /// Starts the process and waits for nothing.
    pub(crate) fn spawn(&mut self) -> anyhow::Result<()> {
        fs::create_dir_all(self.dir())?;
        match fs::remove_file(self.ready_file()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let log = File::options().create(true).append(true).open(self.log_file())?;
        let verb = self.name.split('-').next().unwrap_or(&self.name);
        let mut command = match &self.host {
            Some(host) => host.command(&self.distrifs),
            None => Command::new(&self.distrifs),
        };
        command
            .args([verb, "--ready-file"])
            .arg(self.ready_file())
            .arg("--dir")
            .arg(self.dir())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.process = Some(Process::start(&self.name, &mut command)?);
        Ok(())
    }

    /// Waits until it serves: until it has written where.
    pub(crate) fn ready(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            // It appears whole.
            if self.ready_file().is_file() {
                return Ok(());
            }
            let log = self.log_file();
            self.process
                .as_mut()
                .with_context(|| format!("{} was not started", self.name))?
                .check_alive()
                .with_context(|| fs::read_to_string(log).unwrap_or_default())?;
            if start.elapsed() > START_TIMEOUT {
                bail!("{} does not serve after {} s", self.name, START_TIMEOUT.as_secs());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it (`SIGKILL`) and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            self.ended_cpu_seconds += process.cpu_seconds().unwrap_or_default();
        }
    }

    /// Stops it where it is (`SIGSTOP`).
    pub(crate) fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on (`SIGCONT`).
    pub(crate) fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Cuts it off from everybody, without a word to anybody.
    pub(crate) fn cut(&self) -> anyhow::Result<()> {
        self.host()?.cut()
    }

    /// Connects it again.
    pub(crate) fn mend(&self) -> anyhow::Result<()> {
        self.host()?.mend()
    }

    fn host(&self) -> anyhow::Result<&Host> {
        self.host
            .as_ref()
            .with_context(|| format!("{} has no network of its own", self.name))
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let process = self
            .process
            .as_ref()
            .with_context(|| format!("{} does not run", self.name))?;
        process.signal(signal)
    }

    /// An error when it has ended by itself.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        let log = self.log_file();
        match &mut self.process {
            Some(process) => process
                .check_alive()
                .with_context(|| last_lines(&fs::read_to_string(log).unwrap_or_default())),
            None => Ok(()),
        }
    }

    /// CPU seconds so far, of earlier processes too.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let now = self.process.as_ref().map_or(Ok(0.0), Process::cpu_seconds)?;
        Ok(self.ended_cpu_seconds + now)
    }
}

/// The end of a log.
fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().rev().take(20).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
