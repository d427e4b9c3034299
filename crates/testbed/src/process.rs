//! Child processes that end with their owner, and the CPU time that they take.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal};

use crate::{Error, Result};

/// A child process. Dropping it kills it and waits for it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts `command`.
    ///
    /// # Errors
    /// When there is no such program, or the system refuses.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let child = command.spawn().map_err(Error::system(format!(
            "cannot start {name} ({})",
            command.get_program().display()
        )))?;
        Ok(Self {
            child,
            name: name.to_owned(),
        })
    }

    /// The process itself.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it has ended, if it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let name = &self.name;
        let ended = self.child.try_wait();
        ended.map_err(|error| Error::system(format!("cannot ask for {name}"))(error))
    }

    /// An error when the process has ended already.
    ///
    /// # Errors
    /// [`Error::Ended`].
    pub fn check_alive(&mut self) -> Result<()> {
        match self.ended()? {
            Some(status) => Err(Error::Ended {
                name: self.name.clone(),
                status,
                log: String::new(),
            }),
            None => Ok(()),
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let id = id.ok_or_else(|| Error::Unfit {
            name: self.name.clone(),
            why: "has no id",
        })?;
        rustix::process::kill_process(id, signal)
            .map_err(|error| Error::system(format!("cannot signal {}", self.name))(error.into()))
    }

    /// The most memory that it had so far, in KiB.
    ///
    /// # Errors
    /// When procfs does not say.
    pub fn peak_kib(&self) -> Result<u64> {
        status_kib(&format!("/proc/{}/status", self.child.id()), "VmHWM:")
    }

    /// CPU seconds taken so far.
    ///
    /// # Errors
    /// When procfs does not say.
    pub fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds_of(self.child.id())
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
///
/// # Errors
/// When procfs does not say.
pub fn own_cpu_seconds() -> Result<f64> {
    cpu_seconds(Path::new("/proc/self/stat"))
}

/// Resident memory of this process, in KiB.
///
/// # Errors
/// When procfs does not say.
pub fn own_rss_kib() -> Result<u64> {
    status_kib("/proc/self/status", "VmRSS:")
}

/// The most resident memory that this process had so far, in KiB.
///
/// # Errors
/// When procfs does not say.
pub fn own_peak_kib() -> Result<u64> {
    status_kib("/proc/self/status", "VmHWM:")
}

fn status_kib(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path).map_err(Error::system(path))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok());
    number.ok_or_else(|| Error::Proc(path.to_owned()))
}

/// CPU seconds of the process with this id so far.
///
/// # Errors
/// When it is gone.
pub fn cpu_seconds_of(id: u32) -> Result<f64> {
    cpu_seconds(&Path::new("/proc").join(id.to_string()).join("stat"))
}

/// User and system time out of a `stat` file of procfs, all threads together.
fn cpu_seconds(stat: &Path) -> Result<f64> {
    let text = fs::read_to_string(stat).map_err(Error::system(stat.display().to_string()))?;
    let ticks = ticks(&text).ok_or_else(|| Error::Proc(stat.display().to_string()))?;
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
        assert!(own_peak_kib().unwrap() >= own_rss_kib().unwrap() / 2);
    }
}
