//! A DistriFS cluster of real processes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::process::Process;
use crate::system::USER;

/// How long a role may take to serve.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How many datanodes.
pub(crate) const DATANODES: usize = 3;

/// What a role writes once it serves.
#[derive(Debug, Deserialize)]
struct Ready {
    #[serde(default)]
    master: Option<String>,
}

/// One master and three datanodes.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The master first. Datanodes are killed last of all, which matters to nobody.
    processes: Vec<Process>,
    master: String,
    dir: PathBuf,
}

impl Cluster {
    /// Starts the processes of `distrifs` below `dir`.
    pub(crate) fn start(distrifs: &Path, dir: &Path) -> anyhow::Result<Self> {
        let (process, ready) = role(distrifs, dir, "master", &["--superuser", USER])?;
        let master = ready.master.context("the master did not say where it serves")?;
        let mut processes = vec![process];
        for number in 1..=DATANODES {
            let (process, _) = role(distrifs, dir, &datanode(number), &["--master", &master])?;
            processes.push(process);
        }
        Ok(Self {
            processes,
            master,
            dir: dir.to_owned(),
        })
    }

    /// Where clients connect.
    pub(crate) fn master(&self) -> &str {
        &self.master
    }

    /// CPU seconds of all servers so far.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        self.processes.iter().map(Process::cpu_seconds).sum()
    }

    /// Waits until the datanodes keep at most `bytes`: removed files are collected in the background. Gives up
    /// quietly; it is only there so that one measurement does not disturb the next.
    pub(crate) fn settle(&self, bytes: u64) -> anyhow::Result<()> {
        let start = Instant::now();
        while start.elapsed() < START_TIMEOUT && self.used()? > bytes {
            thread::sleep(Duration::from_millis(100));
        }
        rustix::fs::sync();
        Ok(())
    }

    /// Bytes that the datanodes keep now.
    fn used(&self) -> anyhow::Result<u64> {
        (1..=DATANODES)
            .map(|number| used(&self.dir.join(datanode(number))))
            .sum()
    }
}

/// The `distrifs` binary: the one given, else the one beside this program.
pub(crate) fn binary(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name("distrifs"),
    };
    if !path.is_file() {
        bail!(
            "no distrifs binary at {}; build it (`cargo build --release`) or name it with --distrifs",
            path.display()
        );
    }
    Ok(path)
}

/// The name of a datanode, which is also that of its directory.
fn datanode(number: usize) -> String {
    format!("datanode-{number}")
}

/// Starts one role (`master`, `datanode-1`) and waits until it serves.
fn role(distrifs: &Path, base: &Path, name: &str, arguments: &[&str]) -> anyhow::Result<(Process, Ready)> {
    let dir = base.join(name);
    fs::create_dir_all(&dir)?;
    let ready_file = base.join(format!("{name}.ready"));
    let log_file = base.join(format!("{name}.log"));
    let log = File::create(&log_file)?;
    let verb = name.split('-').next().unwrap_or(name);
    let mut command = Command::new(distrifs);
    command
        .args([verb, "--ports", "auto", "--ready-file"])
        .arg(&ready_file)
        .arg("--dir")
        .arg(&dir)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let mut process = Process::start(name, &mut command)?;
    let start = Instant::now();
    loop {
        if let Ok(text) = fs::read_to_string(&ready_file)
            && let Ok(ready) = serde_json::from_str(&text)
        {
            return Ok((process, ready));
        }
        process
            .check_alive()
            .with_context(|| fs::read_to_string(&log_file).unwrap_or_default())?;
        if start.elapsed() > START_TIMEOUT {
            bail!("{name} does not serve after {} s", START_TIMEOUT.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn used(dir: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        // Files come and go while the servers work.
        if path.is_dir() {
            sum += used(&path).unwrap_or_default();
        } else {
            sum += fs::metadata(&path).map_or(0, |metadata| metadata.len());
        }
    }
    Ok(sum)
}
