//! What the figures were measured on.

use std::fs;
use std::thread;

use serde::Serialize;

/// The machine, as far as it tells.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    memory_kib: u64,
    kernel: String,
    /// How busy it was when the run began: runnable processes, averaged over a minute.
    load: String,
}

impl Machine {
    /// Asks procfs; what it does not tell is empty.
    pub(crate) fn this() -> Self {
        let first_word = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.split_ascii_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            cores: thread::available_parallelism().map_or(0, usize::from),
            processor: field("/proc/cpuinfo", "model name").unwrap_or_default(),
            memory_kib: field("/proc/meminfo", "MemTotal")
                .and_then(|text| text.split_ascii_whitespace().next()?.parse().ok())
                .unwrap_or_default(),
            kernel: first_word("/proc/sys/kernel/osrelease"),
            load: first_word("/proc/loadavg"),
        }
    }

    /// One line for a person.
    pub(crate) fn line(&self) -> String {
        format!(
            "{} cores ({}), {} memory, Linux {}, load {}",
            self.cores,
            self.processor,
            crate::shown(self.memory_kib * 1024),
            self.kernel,
            self.load
        )
    }
}

/// The value of the first `name: value` line.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}
