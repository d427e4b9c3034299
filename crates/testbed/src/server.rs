//! One server process of `distrifs`: started, killed, started again on the same directory and ports.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::netns::Host;
use crate::process::Process;
use crate::{Error, Result};

/// How long a role may take to serve.
pub const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
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
    #[must_use]
    pub fn new(distrifs: &Path, base: &Path, name: &str, arguments: Vec<String>, host: Option<Host>) -> Self {
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

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it keeps its things.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.base.join(&self.name)
    }

    /// What it says, of all its lives.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.base.join(format!("{}.log", self.name))
    }

    /// Where it writes down where it serves, once it does.
    #[must_use]
    pub fn ready_file(&self) -> PathBuf {
        self.base.join(format!("{}.ready", self.name))
    }

    /// Adds arguments for the next start.
    pub fn add_arguments(&mut self, arguments: impl IntoIterator<Item = String>) {
        self.arguments.extend(arguments);
    }

    /// Starts the process and waits for nothing.
    ///
    /// # Errors
    /// When it can not be started.
    pub fn spawn(&mut self) -> Result<()> {
        let name = &self.name;
        let failed = |error| Error::system(format!("cannot start {name}"))(error);
        fs::create_dir_all(self.dir()).map_err(failed)?;
        match fs::remove_file(self.ready_file()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .map_err(failed)?;
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
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log);
        self.process = Some(Process::start(&self.name, &mut command)?);
        Ok(())
    }

    /// Waits until it serves: until it has written where.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::NotReady`].
    pub fn ready(&mut self) -> Result<()> {
        let start = Instant::now();
        while !self.is_ready()? {
            if start.elapsed() > START_TIMEOUT {
                return Err(Error::NotReady {
                    name: self.name.clone(),
                    waited: START_TIMEOUT,
                    log: self.last_words(),
                });
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Whether it serves by now.
    ///
    /// # Errors
    /// [`Error::Ended`].
    pub fn is_ready(&mut self) -> Result<bool> {
        // It appears whole.
        if self.ready_file().is_file() {
            return Ok(true);
        }
        if self.process.is_none() {
            return Err(Error::Unfit {
                name: self.name.clone(),
                why: "was not started",
            });
        }
        self.check_alive()?;
        Ok(false)
    }

    /// Whether it was started, and not killed since.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Kills it (`SIGKILL`) and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            self.ended_cpu_seconds += process.cpu_seconds().unwrap_or_default();
        }
    }

    /// Asks it to end (`SIGTERM`) and waits until it has. It is gone in any case then.
    ///
    /// # Errors
    /// [`Error::NotEnded`].
    pub fn terminate(&mut self, patience: Duration) -> Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        self.ended_cpu_seconds += process.cpu_seconds().unwrap_or_default();
        process.signal(Signal::TERM)?;
        let start = Instant::now();
        while process.ended()?.is_none() {
            if start.elapsed() > patience {
                return Err(Error::NotEnded {
                    name: self.name.clone(),
                    waited: patience,
                });
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Stops it where it is (`SIGSTOP`).
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on (`SIGCONT`).
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Cuts it off from everybody, without a word to anybody.
    ///
    /// # Errors
    /// When it has no network of its own.
    pub fn cut(&self) -> Result<()> {
        self.host()?.cut()
    }

    /// Connects it again.
    ///
    /// # Errors
    /// When it has no network of its own.
    pub fn mend(&self) -> Result<()> {
        self.host()?.mend()
    }

    fn host(&self) -> Result<&Host> {
        self.host.as_ref().ok_or_else(|| Error::Unfit {
            name: self.name.clone(),
            why: "has no network of its own",
        })
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let process = self.process.as_ref().ok_or_else(|| Error::Unfit {
            name: self.name.clone(),
            why: "does not run",
        })?;
        process.signal(signal)
    }

    /// An error when it has ended by itself.
    ///
    /// # Errors
    /// [`Error::Ended`], with the end of its log.
    pub fn check_alive(&mut self) -> Result<()> {
        let checked = self.process.as_mut().map_or(Ok(()), Process::check_alive);
        match checked {
            Err(Error::Ended { name, status, .. }) => Err(Error::Ended {
                name,
                status,
                log: self.last_words(),
            }),
            other => other,
        }
    }

    /// CPU seconds so far, of earlier processes too.
    ///
    /// # Errors
    /// When procfs does not say.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let now = self.process.as_ref().map_or(Ok(0.0), Process::cpu_seconds)?;
        Ok(self.ended_cpu_seconds + now)
    }

    /// The most memory that its process had so far, in KiB.
    ///
    /// # Errors
    /// When procfs does not say.
    pub fn peak_kib(&self) -> Result<u64> {
        self.process.as_ref().map_or(Ok(0), Process::peak_kib)
    }

    /// The end of its log.
    #[must_use]
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}
