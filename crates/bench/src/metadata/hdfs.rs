//! Apache HDFS, started by a script, asked through its own client.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::metadata::figures::{Figures, Setting};
use crate::metadata::operation::Operation;
use crate::metadata::round::Measured;
use crate::metadata::{HDFS, Options};
use crate::process::cpu_seconds_of;
use crate::took::Took;

/// The program that calls it.
const CALLER: &str = include_str!("../../java/HdfsMetadata.java");
/// Where the script lets the NameNode serve.
const NAMENODE: &str = "hdfs://127.0.0.1:19000";
const DATANODES: &str = "3";

/// Starts HDFS below `base`, measures it in the same way, and stops it.
///
/// # Errors
/// When it can not be started: it needs Java, and its jars or a way to get them.
pub(super) fn measure(
    options: &Options,
    time: Duration,
    base: &Path,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let hdfs = Hdfs::start(&options.hdfs_script, base)?;
    let mut caller = Caller::start(base)?;
    for number in 0..options.rounds {
        for &callers in &options.callers {
            let setting = Setting {
                system: HDFS,
                masters: 1,
                callers,
                batch: 1,
            };
            figures.push(setting, &round(&hdfs, &mut caller, callers, time, number)?);
        }
        println!("HDFS: round {} of {}", number + 1, options.rounds);
    }
    Ok(())
}

fn round(
    hdfs: &Hdfs,
    caller: &mut Caller,
    callers: usize,
    time: Duration,
    number: u32,
) -> anyhow::Result<Vec<Measured>> {
    let seconds = time.as_secs_f64();
    let dir = format!("/work/{number}-{callers}");
    caller.ask(&format!("begin {callers} 0 {dir}"))?;
    let mut measured = Vec::new();
    for operation in Operation::ALL {
        let line = format!("{} {callers} {seconds} {dir}", word(operation));
        let client_before = caller.cpu_seconds()?;
        let server_before = hdfs.cpu_seconds();
        let (count, seconds) = caller.ask(&line)?;
        let took = Took {
            seconds,
            client_cpu: caller.cpu_seconds()? - client_before,
            server_cpu: hdfs.cpu_seconds() - server_before,
        };
        measured.push(Measured {
            operation,
            count,
            took,
        });
    }
    caller.ask(&format!("end {callers} 0 {dir}"))?;
    Ok(measured)
}

const fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Ping => "ping",
        Operation::Stat => "stat",
        Operation::Open => "open",
        Operation::List => "list",
        Operation::Mkdir => "mkdir",
        Operation::Create => "create",
        Operation::Close => "close",
        Operation::Rename => "rename",
        Operation::Delete => "delete",
    }
}

/// The servers. Dropping it stops them.
struct Hdfs {
    script: PathBuf,
    dir: PathBuf,
    processes: Vec<u32>,
}

impl Hdfs {
    fn start(script: &Path, base: &Path) -> anyhow::Result<Self> {
        ensure!(
            script.is_file(),
            "there is no {}; name it with --hdfs-script",
            script.display()
        );
        let mut hdfs = Self {
            script: script.to_owned(),
            dir: base.join("hdfs"),
            processes: Vec::new(),
        };
        println!("HDFS starts (the first time, its jars are fetched, which takes minutes)");
        let output = hdfs
            .script("up")
            .arg(DATANODES)
            .output()
            .with_context(|| format!("cannot run {}", script.display()))?;
        if !output.status.success() {
            bail!(
                "{} failed: {}",
                script.display(),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let ids = fs::read_to_string(hdfs.dir.join("pids"))?;
        hdfs.processes = ids.lines().filter_map(|id| id.trim().parse().ok()).collect();
        Ok(hdfs)
    }

    fn script(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.script);
        command.arg(verb).arg(&self.dir).stdin(Stdio::null());
        command
    }

    /// CPU seconds of all its processes so far.
    fn cpu_seconds(&self) -> f64 {
        self.processes
            .iter()
            .filter_map(|id| cpu_seconds_of(*id).ok())
            .sum()
    }
}

impl Drop for Hdfs {
    fn drop(&mut self) {
        // It may not have come up; then there is little to stop.
        let _ = self.script("down").output();
    }
}

/// The process that calls. Dropping it kills it.
struct Caller {
    child: Child,
    lines: BufReader<ChildStdout>,
    orders: ChildStdin,
}

impl Caller {
    fn start(base: &Path) -> anyhow::Result<Self> {
        let program = base.join("HdfsMetadata.java");
        fs::write(&program, CALLER)?;
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
    fn ask(&mut self, order: &str) -> anyhow::Result<(u64, f64)> {
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

    fn cpu_seconds(&self) -> anyhow::Result<f64> {
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
