//! What some work took: time, and CPU on both sides.

use std::time::Instant;

use crate::process;

/// Time, and CPU seconds of this process and of the servers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Took {
    pub seconds: f64,
    pub client_cpu: f64,
    pub server_cpu: f64,
}

impl Took {
    /// Measures `work`; `servers` tells the CPU seconds of the servers so far.
    pub(crate) fn of<T>(
        servers: impl Fn() -> anyhow::Result<f64>,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(Self, T)> {
        let server_cpu = servers()?;
        let client_cpu = process::own_cpu_seconds()?;
        let start = Instant::now();
        let done = work()?;
        let took = Self {
            seconds: start.elapsed().as_secs_f64(),
            client_cpu: process::own_cpu_seconds()? - client_cpu,
            server_cpu: servers()? - server_cpu,
        };
        Ok((took, done))
    }

    /// So many, per second.
    pub(crate) fn rate(&self, count: u64) -> f64 {
        if self.seconds > 0.0 {
            float(count) / self.seconds
        } else {
            0.0
        }
    }

    /// Microseconds of CPU of the client for each of so many.
    pub(crate) fn client_micros(&self, count: u64) -> f64 {
        each(self.client_cpu, count)
    }

    /// The same of the servers.
    pub(crate) fn server_micros(&self, count: u64) -> f64 {
        each(self.server_cpu, count)
    }
}

fn each(seconds: f64, count: u64) -> f64 {
    if count > 0 {
        seconds * 1e6 / float(count)
    } else {
        0.0
    }
}

/// A count as a figure to calculate with.
pub(crate) fn float(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let float = count as f64;
    float
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_costs_are_per_operation() {
        let took = Took {
            seconds: 2.0,
            client_cpu: 0.5,
            server_cpu: 1.0,
        };
        assert_eq!(took.rate(1_000), 500.0);
        assert_eq!(took.client_micros(1_000), 500.0);
        assert_eq!(took.server_micros(1_000), 1_000.0);
        assert_eq!((took.rate(0), took.client_micros(0)), (0.0, 0.0));
        assert_eq!(Took::default().rate(5), 0.0);
    }
}
