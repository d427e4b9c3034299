//! What was measured, and how it is printed.

use serde::Serialize;

use super::state::State;
use crate::process;
use crate::report::print_columns;
use crate::took::{Took, float};

/// Bytes at one time.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Sizes {
    when: &'static str,
    files: u64,
    /// By part, for each file: entries, and all with it.
    parts: Vec<Part>,
    /// For each file, of all parts.
    pub(super) bytes_per_file: f64,
    /// Resident memory of this process for each file, over what it was before the first.
    rss_per_file: f64,
    rss_kib: u64,
}

#[derive(Debug, Clone, Serialize)]
struct Part {
    name: &'static str,
    entries: f64,
    slack: f64,
    overhead: f64,
}

impl Part {
    fn total(&self) -> f64 {
        self.entries + self.slack + self.overhead
    }
}

/// What some operations took.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Pace {
    what: &'static str,
    count: u64,
    seconds: f64,
    per_second: f64,
    cpu_microseconds: f64,
}

impl Sizes {
    /// Looks at what there is now. `rss_before` is in KiB.
    pub(super) fn of(when: &'static str, state: &State, files: u64, rss_before: u64) -> anyhow::Result<Self> {
        let memory = state.namespace.memory();
        let part = |name, of: compact::Memory| Part {
            name,
            entries: each(of.payload, files),
            slack: each(of.slack, files),
            overhead: each(of.overhead, files),
        };
        let others = compact::Memory {
            payload: memory.others,
            ..compact::Memory::default()
        };
        let parts = vec![
            part("names", memory.names),
            part("inodes", memory.inodes),
            part("chunks", memory.chunks),
            part("chunk lists", memory.lists),
            part("replicas", state.replicas.memory()),
            part("others", others),
        ];
        let rss_kib = process::own_rss_kib()?;
        Ok(Self {
            when,
            files,
            bytes_per_file: parts.iter().map(Part::total).sum(),
            parts,
            rss_per_file: each(rss_kib.saturating_sub(rss_before) * 1024, files),
            rss_kib,
        })
    }

    /// Prints the parts.
    pub(super) fn print(&self) {
        println!("\n{}: bytes a file, {} files", self.when, self.files);
        let heading = ["", "entries", "slack", "overhead", "all"];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        let shown = |figure: f64| format!("{figure:.2}");
        for part in &self.parts {
            let figures = [part.entries, part.slack, part.overhead, part.total()];
            let name = std::iter::once(part.name.to_owned());
            rows.push(name.chain(figures.map(shown)).collect());
        }
        let sum = |of: fn(&Part) -> f64| shown(self.parts.iter().map(of).sum());
        rows.push(vec![
            "together".to_owned(),
            sum(|part| part.entries),
            sum(|part| part.slack),
            sum(|part| part.overhead),
            shown(self.bytes_per_file),
        ]);
        print_columns(&rows);
        println!(
            "resident: {} KiB, {:.1} bytes a file",
            self.rss_kib, self.rss_per_file
        );
    }
}

impl Pace {
    /// Measures `work`, which does `count` operations.
    pub(super) fn of(
        what: &'static str,
        count: u64,
        work: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let (took, ()) = Took::of(|| Ok(0.0), work)?;
        Ok(Self::took(what, count, took))
    }

    /// What `count` operations took. A line says so at once: all of them together may take an hour.
    pub(super) fn took(what: &'static str, count: u64, took: Took) -> Self {
        eprintln!("{what}: {count} in {:.2} s", took.seconds);
        Self {
            what,
            count,
            seconds: took.seconds,
            per_second: took.rate(count),
            cpu_microseconds: took.client_micros(count),
        }
    }

    /// Prints all, one below the other.
    pub(super) fn print(paces: &[Self]) {
        let heading = ["", "count", "seconds", "each second", "CPU-µs each"];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        for pace in paces {
            rows.push(vec![
                pace.what.to_owned(),
                pace.count.to_string(),
                format!("{:.2}", pace.seconds),
                format!("{:.0}", pace.per_second),
                format!("{:.2}", pace.cpu_microseconds),
            ]);
        }
        println!();
        print_columns(&rows);
    }
}

fn each(bytes: u64, files: u64) -> f64 {
    if files > 0 {
        float(bytes) / float(files)
    } else {
        0.0
    }
}
