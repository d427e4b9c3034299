//! Child processes that end with their owner, and the CPU time that they take.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal};

/// A child process. Dropping it kills it and waits for it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts `command`.
    pub(crate) fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {name}: {}", command.get_program().display()))?;
        Ok(Self {
            child,
            name: name.to_owned(),
        })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// An error when the process has ended already.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended early with {status}", self.name),
            None => Ok(()),
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let id = id.with_context(|| format!("{} has no id", self.name))?;
        rustix::process::kill_process(id, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// CPU seconds taken so far.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        cpu_seconds_of(self.child.id()).with_context(|| format!("CPU time of {}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either may fail only because the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU seconds of this process so far.
pub(crate) fn own_cpu_seconds() -> anyhow::Result<f64> {
    cpu_seconds(Path::new("/proc/self/stat"))
}

/// Resident memory of this process, in KiB.
pub(crate) fn own_rss_kib() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok());
    number.context("cannot understand /proc/self/status")
}

/// CPU seconds of the process with this id so far.
pub(crate) fn cpu_seconds_of(id: u32) -> anyhow::Result<f64> {
    cpu_seconds(&Path::new("/proc").join(id.to_string()).join("stat"))
}

/// User and system time out of a `stat` file of procfs, all threads together.
fn cpu_seconds(stat: &Path) -> anyhow::Result<f64> {
    let text = fs::read_to_string(stat).with_context(|| format!("cannot read {}", stat.display()))?;
    let ticks = ticks(&text).with_context(|| format!("cannot understand {}", stat.display()))?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 ticks")]
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Fields 14 and 15. The second field, the program's name, may hold anything but ends at the last `)`.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 7 0 0 0 250 50 9 9 20 0 1 0 100 1 1";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("nonsense"), None);
    }

    #[test]
    fn own_time_and_memory_can_be_read() {
        assert!(own_cpu_seconds().unwrap() >= 0.0);
        assert!(own_rss_kib().unwrap() > 0);
    }
}
