//! Apache HDFS, started by a script, asked through its own client.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::succeed;
use crate::process::cpu_seconds_of;

/// Where the script lets the NameNode serve.
const NAMENODE: &str = "hdfs://127.0.0.1:19000";
const DATANODES: &str = "3";
/// How long they may take to end before it goes on without that.
const END: Duration = Duration::from_secs(10);

/// The servers. Dropping it stops them, and waits for that: the next ones serve at the same ports.
pub(crate) struct Hdfs {
    script: PathBuf,
    dir: PathBuf,
    processes: Vec<u32>,
}

impl Hdfs {
    /// Starts it in `dir`, which the script makes.
    ///
    /// # Errors
    /// When it can not be started: it needs Java, and its jars or a way to get them.
    pub(crate) fn start(script: &Path, dir: PathBuf, durable: bool) -> anyhow::Result<Self> {
        ensure!(
            script.is_file(),
            "there is no {}; name it with --hdfs-script",
            script.display()
        );
        let mut hdfs = Self {
            script: script.to_owned(),
            dir,
            processes: Vec::new(),
        };
        println!("HDFS starts (the first time, its jars are fetched, which takes minutes)");
        let mut up = hdfs.script("up");
        succeed(up.arg(DATANODES).env("SYNC", if durable { "1" } else { "0" }))?;
        hdfs.processes = processes(&hdfs.dir)?;
        Ok(hdfs)
    }

    fn script(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.script);
        command.arg(verb).arg(&self.dir).stdin(Stdio::null());
        command
    }

    /// CPU seconds of all its processes so far.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.processes
            .iter()
            .filter_map(|id| cpu_seconds_of(*id).ok())
            .sum()
    }
}

impl Drop for Hdfs {
    fn drop(&mut self) {
        // It may not have come up; then there is little to stop.
        let processes = processes(&self.dir).unwrap_or_default();
        let _ = self.script("down").output();
        let deadline = Instant::now() + END;
        while processes.iter().any(|id| runs(*id)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The processes that the script has started in `dir`, by their ids.
fn processes(dir: &Path) -> io::Result<Vec<u32>> {
    let ids = fs::read_to_string(dir.join("pids"))?;
    Ok(ids.lines().filter_map(|id| id.trim().parse().ok()).collect())
}

/// Whether there is such a process. One that has ended has no command line, even if nobody has asked for its end.
fn runs(id: u32) -> bool {
    fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// The process that calls. Dropping it kills it.
pub(crate) struct Caller {
    child: Child,
    lines: BufReader<ChildStdout>,
    orders: ChildStdin,
}

impl Caller {
    /// Starts the Java program `source`, which is called `name`.
    pub(crate) fn start(base: &Path, name: &str, source: &str) -> anyhow::Result<Self> {
        let program = base.join(format!("{name}.java"));
        fs::write(&program, source)?;
        let mut child = Command::new("java")
            .args([
                "--add-opens",
                "java.base/java.lang=ALL-UNNAMED",
                "--add-opens",
                "java.security.jgss/sun.security.krb5=ALL-UNNAMED",
                "-Xmx512m",
                "-cp",
            ])
            .arg(format!("{}/*", jars()?.display()))
            .arg(&program)
            .arg(NAMENODE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(base.join("caller.log"))?)
            .spawn()
            .context("cannot run java")?;
        let orders = child.stdin.take().context("the caller has no input")?;
        let lines = BufReader::new(child.stdout.take().context("the caller has no output")?);
        let mut caller = Self { child, lines, orders };
        let line = caller.line().with_context(|| {
            let log = fs::read_to_string(base.join("caller.log")).unwrap_or_default();
            format!("the caller of HDFS does not start: {}", log.trim())
        })?;
        ensure!(line == "ready", "the caller of HDFS says {line:?}");
        Ok(caller)
    }

    /// Gives an order; the answer is how many were done, and in how many seconds.
    pub(crate) fn ask(&mut self, order: &str) -> anyhow::Result<(u64, f64)> {
        writeln!(self.orders, "{order}")?;
        let line = self.line()?;
        parse(&line).with_context(|| format!("HDFS, {order}: {line}"))
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(
            self.lines.read_line(&mut line)? > 0,
            "the caller of HDFS has ended"
        );
        Ok(line.trim().to_owned())
    }

    /// CPU seconds of it so far.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        Ok(cpu_seconds_of(self.child.id())?)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the script keeps the jars.
fn jars() -> anyhow::Result<PathBuf> {
    let cache = match std::env::var_os("PEER_CACHE") {
        Some(cache) => PathBuf::from(cache),
        None => {
            PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cache/distrifs-peers")
        }
    };
    Ok(cache.join("hdfs-jars"))
}

/// `done COUNT SECONDS`.
fn parse(line: &str) -> Option<(u64, f64)> {
    let mut words = line.strip_prefix("done ")?.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_caller_are_understood() {
        assert_eq!(parse("done 1200 1.5"), Some((1200, 1.5)));
        assert_eq!(parse("failed java.io.IOException: no"), None);
        assert_eq!(parse("done 12"), None);
    }
}
