//! When all is quiet, nothing is left that belongs to nobody: no temporary file, no file that is open for a writer who is gone.
//!
//! Source: the issue "Prove it" ("nothing leaks after quiet"), `chunkstore::names`.

use super::masters;
use crate::simulation::Simulation;

pub(super) fn look(simulation: &Simulation) -> Vec<String> {
    let mut wrong = Vec::new();
    for host in &simulation.hosts {
        let temporary: Vec<_> = host
            .disk
            .files()
            .into_iter()
            .filter(|path| {
                path.components().any(|part| part.as_os_str() == "tmp")
                    || path.extension().is_some_and(|extension| extension == "tmp")
            })
            .collect();
        if let Some(first) = temporary.first() {
            wrong.push(format!(
                "{} has {} temporary files at rest: {}",
                host.name,
                temporary.len(),
                first.display()
            ));
        }
    }
    masters(simulation, |name, master| {
        let (_, state) = master.metadata();
        let leases: Vec<_> = state.leases().collect();
        if let Some(first) = leases.first() {
            wrong.push(format!("{name} has {} leases at rest: {first:?}", leases.len()));
        }
    });
    wrong
}
