//! All hosts, the network between them, and the time that passes for all of them.

use std::time::Duration;

use env::disk::CrashReport;
use env::net::sim::{Segment, SimNetwork};
use fastrand::Rng;

use crate::clock;
use crate::host::{Host, Role};
use crate::options::Plant;
use crate::speech;
use crate::trace::{Sum, Trace};

/// The least that time goes on at once: it goes on by as many of these as nothing happens in. Nothing is on its way between hosts for
/// less.
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
            running.process.poke(self.now);
            self.trace.tell(format_args!("{} goes on", host.name));
        }
    }

    /// The process of a host has been told something that did not come over the network.
    pub(crate) fn poke(&self, number: usize) {
        if let Some(running) = self.hosts.get(number).and_then(|host| host.running.as_ref()) {
            running.process.poke(self.now);
        }
    }

    /// When somebody has something to do, or something arrives.
    fn next(&self) -> Option<Duration> {
        let due = |host: &Host| {
            let running = host.running.as_ref().filter(|_| !host.paused)?;
            if self.network.take_woken(host.id) {
                running.process.poke(self.now);
            }
            running.process.due()
        };
        let processes = self.hosts.iter().filter_map(due).min();
        processes.into_iter().chain(self.network.next()).min()
    }

    /// One step: to when something happens, `until` at the latest.
    pub(crate) fn step(&mut self, until: Duration) {
        let next = self.next().map_or(until, |next| next.min(until));
        let steps = next
            .saturating_sub(self.now)
            .as_nanos()
            .div_ceil(STEP.as_nanos())
            .max(1);
        self.now += STEP * u32::try_from(steps).unwrap_or(u32::MAX);
        clock::set(self.now);
        self.trace.at(self.now);
        let trace = &self.trace;
        self.network.deliver(self.now, |delivered| {
            let (kind, what, bytes) = match delivered.segment {
                Segment::Open => (0, "open", [].as_slice()),
                Segment::Opened => (1, "opened", [].as_slice()),
                Segment::End => (2, "end", [].as_slice()),
                Segment::Reset => (3, "reset", [].as_slice()),
                Segment::Data(bytes) => (4, "data", bytes.as_slice()),
            };
            let name = |name: &str| Sum::NONE.of(name.as_bytes()).value();
            let (from, to, connection) = (delivered.from, delivered.to, delivered.connection);
            let sum = Sum::NONE.of(bytes).value();
            trace.note(
                &[name(from), name(to), connection, kind, sum],
                format_args!("{from} -> {to} #{connection} {what} {} {sum:016x}", bytes.len()),
            );
        });
        for host in &mut self.hosts {
            let woken = self.network.take_woken(host.id);
            if let Some(running) = &host.running {
                if woken {
                    running.process.poke(self.now);
                }
                if host.paused || running.process.due().is_none_or(|due| due > self.now) {
                    continue;
                }
                running.process.run(self.now);
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
