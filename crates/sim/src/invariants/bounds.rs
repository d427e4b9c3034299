//! Nothing grows without an end: tasks of a process, connections of the network, the memory of all.
//!
//! Whatever a server queues, holds for a caller or does beside its work is a task or a connection of it; what is let in without a
//! bound, or never ends, is seen as too many of them. Queues that are neither are seen in the memory: all that is allocated, without
//! the bytes of files on simulated disks.
//!
//! Source: docs/ARCHITECTURE.md, "Memory, bounded". The figures are far above what a dozen clients can cause, and far below
//! what a second of calls would, if each left something behind.

use std::collections::BTreeMap;

use crate::host::Role;
use crate::memory;
use crate::simulation::Simulation;

/// Tasks of one process.
const TASKS_MAX: usize = 600;
/// Connections of all hosts, also those of which one end only is left.
const CONNECTIONS_MAX: usize = 600;
/// Bytes of all processes, and of the simulator itself.
const MEMORY_MAX: usize = 192 << 20;

/// The most that was seen.
#[derive(Default)]
pub(super) struct Bounds {
    peaks: BTreeMap<&'static str, u64>,
}

impl Bounds {
    pub(super) fn look(&mut self, simulation: &Simulation) -> Option<String> {
        let mut wrong = None;
        for host in &simulation.hosts {
            let Some(running) = &host.running else { continue };
            let tasks = running.process.tasks();
            let kind = match host.role {
                Role::Master(_) => "tasks of a master",
                Role::Datanode(_) => "tasks of a datanode",
                Role::Client => "tasks of the clients",
            };
            self.peak(kind, tasks);
            if tasks > TASKS_MAX {
                wrong = Some(format!("{} has {tasks} tasks, more than {TASKS_MAX}", host.name));
            }
        }
        let connections = simulation.network.connections();
        self.peak("connections", connections);
        if connections > CONNECTIONS_MAX {
            wrong = Some(format!(
                "there are {connections} connections, more than {CONNECTIONS_MAX}"
            ));
        }
        let disks: usize = simulation.hosts.iter().map(|host| host.disk.memory()).sum();
        let memory = memory::allocated().saturating_sub(disks);
        self.peak("KiB of memory", memory >> 10);
        if memory > MEMORY_MAX {
            wrong = Some(format!("{memory} bytes are allocated, more than {MEMORY_MAX}"));
        }
        wrong
    }

    fn peak(&mut self, kind: &'static str, count: usize) {
        let peak = self.peaks.entry(kind).or_default();
        *peak = (*peak).max(count as u64);
    }

    /// The most that was seen of each.
    pub(super) fn peaks(&self) -> BTreeMap<String, u64> {
        let owned = |(kind, peak): (&&str, &u64)| ((*kind).to_owned(), *peak);
        self.peaks.iter().map(owned).collect()
    }
}
