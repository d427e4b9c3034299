//! All hosts, the network between them, and the time that passes for all of them.

use std::time::Duration;

use env::disk::CrashReport;
use env::net::sim::{Segment, SimNetwork};
use fastrand::Rng;

use crate::clock;
use crate::host::{Host, Role};
use crate::options::Plant;
use crate::speech;
use crate::trace::Trace;

/// How far time goes at once. Nothing is on its way between hosts for less.
pub(crate) const STEP: Duration = Duration::from_millis(1);

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// `SIGKILL`: what it has written is there, its connections are reset.
    Kill,
    /// The power goes: what was not synced may be gone, and nobody is told.
    Power,
}

pub(crate) struct Simulation {
    pub(crate) now: Duration,
    pub(crate) network: SimNetwork,
    pub(crate) hosts: Vec<Host>,
    pub(crate) trace: Trace,
    pub(crate) random: Rng,
    plant: Option<Plant>,
}

impl Simulation {
    pub(crate) fn new(seed: u64, plant: Option<Plant>, trace: Trace) -> Self {
        let mut random = Rng::with_seed(seed);
        let network = SimNetwork::new(random.u64(..), (STEP, STEP * 3));
        Self {
            now: Duration::ZERO,
            network,
            hosts: Vec::new(),
            trace,
            random,
            plant,
        }
    }

    /// Adds a host on which nothing runs.
    pub(crate) fn add(&mut self, name: &str, role: Role) -> usize {
        let id = self.network.add(name);
        self.hosts.push(Host::new(name, id, role, self.plant));
        self.hosts.len() - 1
    }

    /// Starts the process of a host, if none runs.
    pub(crate) fn start(&mut self, number: usize) -> std::io::Result<()> {
        let seed = self.random.u64(..);
        let Some(host) = self.hosts.get_mut(number) else {
            return Ok(());
        };
        if host.running.is_some() {
            return Ok(());
        }
        self.network.power_on(host.id);
        self.trace.tell(format_args!("{} starts", host.name));
        host.start(self.now, &self.network, seed)
    }

    /// Ends the process of a host, at once.
    pub(crate) fn kill(&mut self, number: usize, how: Death) -> CrashReport {
        let seed = self.random.u64(..);
        let Some(host) = self.hosts.get_mut(number) else {
            return CrashReport::default();
        };
        match how {
            Death::Kill => self.network.kill(host.id),
            Death::Power => self.network.power_off(host.id),
        }
        // Nothing of this life may write to the disk of the next.
        host.disk.die_after(0);
        host.running = None;
        host.paused = false;
        let report = match how {
            Death::Kill => {
                host.disk.kill();
                CrashReport::default()
            }
            Death::Power => host.disk.crash(seed),
        };
        self.trace.tell(format_args!(
            "{} {}",
            host.name,
            match how {
                Death::Kill => "is killed".to_owned(),
                Death::Power => format!("is without power: {report:?}"),
            }
        ));
        report
    }

    /// It goes on, and finds that time has passed.
    pub(crate) fn resume(&mut self, number: usize) {
        if let Some(host) = self.hosts.get_mut(number)
            && std::mem::take(&mut host.paused)
            && let Some(running) = &host.running
        {
            running.process.skip_to(self.now);
            self.trace.tell(format_args!("{} goes on", host.name));
        }
    }

    /// One step.
    pub(crate) fn step(&mut self) {
        self.now += STEP;
        clock::set(self.now);
        self.trace.at(self.now);
        let trace = &self.trace;
        self.network.deliver(self.now, |delivered| {
            let (what, len, sum) = match delivered.segment {
                Segment::Open => ("open", 0, 0),
                Segment::Opened => ("opened", 0, 0),
                Segment::End => ("end", 0, 0),
                Segment::Reset => ("reset", 0, 0),
                Segment::Data(bytes) => ("data", bytes.len(), sum(bytes)),
            };
            trace.line(
                false,
                format_args!(
                    "{} -> {} #{} {what} {len} {sum:08x}",
                    delivered.from, delivered.to, delivered.connection
                ),
            );
        });
        for host in &mut self.hosts {
            if let Some(running) = &host.running
                && !host.paused
            {
                running.process.run_until(self.now);
                for line in speech::said() {
                    trace.tell(format_args!("{} | {line}", host.name));
                }
            }
        }
    }

    /// How processes ended that have ended by themselves.
    pub(crate) fn ended(&mut self) -> Vec<(usize, String)> {
        let mut ended = Vec::new();
        for (number, host) in self.hosts.iter_mut().enumerate() {
            let how = host
                .running
                .as_ref()
                .and_then(|running| running.shown.borrow_mut().ended.take());
            if let Some(how) = how {
                ended.push((number, how));
            }
        }
        for (number, how) in &ended {
            if let Some(host) = self.hosts.get(*number) {
                self.trace.tell(format_args!("{} has ended: {how}", host.name));
            }
            self.kill(*number, Death::Kill);
        }
        ended
    }
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
