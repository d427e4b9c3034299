//! What came of it all, and how it is shown.

use std::time::{Duration, Instant};

use oracle::{Effort, History, Verdict};
use serde::Serialize;

use super::attack::{Attack, Failover};
use super::elections::{Risen, unasked};
use super::ledger;
use super::record::Counts;
use crate::report::print_columns;
use crate::stats::{self, Durations, Percentiles};
use crate::took::float;

const STEP: Duration = Duration::from_millis(100);
const STEPS: usize = 40;
/// Faults that are shown.
const SHOWN: usize = 5;

/// One attack, as it is written down.
#[derive(Debug, Serialize)]
struct One {
    attack: Attack,
    took_ms: f64,
    terms: u64,
}

/// How the checker found the record.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Found {
    Linearizable,
    Violation(String),
    Undecided,
}

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    seconds: f64,
    operations: usize,
    operations_per_second: f64,
    outcomes: Counts,
    failover: Percentiles,
    by_attack: Vec<(Attack, Percentiles)>,
    failovers: Vec<One>,
    /// Terms that rose in failovers, beyond one each: votes that had to be repeated.
    further_elections: u64,
    /// Terms that rose while no leader was attacked.
    unasked_elections: u64,
    /// How long no leader was attacked.
    calm_seconds: f64,
    audited: u64,
    lost: Vec<String>,
    applied_twice: Vec<String>,
    verdict: Found,
    check_seconds: f64,
}

impl Results {
    pub(super) fn new(
        history: &History,
        outcomes: Counts,
        failovers: Vec<Failover>,
        risen: &[Risen],
        seconds: f64,
    ) -> Self {
        let windows: Vec<_> = failovers.iter().map(|failover| failover.window).collect();
        let away: u64 = windows.iter().map(|(from, to)| to.saturating_sub(*from)).sum();
        let audit = ledger::audit(history);
        let start = Instant::now();
        let verdict = match history.check(Effort::default()) {
            Verdict::Linearizable { .. } => Found::Linearizable,
            Verdict::Violation(violation) => Found::Violation(violation.to_string()),
            Verdict::Undecided { .. } => Found::Undecided,
        };
        let operations = outcomes.values().flat_map(|of| of.values()).sum::<u64>();
        let all = |attack: Option<Attack>| {
            let took = failovers
                .iter()
                .filter(|failover| attack.is_none_or(|attack| failover.attack == attack))
                .map(|failover| failover.took);
            Durations::new(took.collect())
        };
        let by_attack = [Attack::Kill, Attack::Stop, Attack::Cut]
            .map(|attack| (attack, all(Some(attack)).percentiles()))
            .into_iter()
            .filter(|(_, percentiles)| percentiles.count > 0);
        Self {
            seconds,
            operations: usize::try_from(operations).unwrap_or(usize::MAX),
            operations_per_second: float(operations) / seconds.max(f64::MIN_POSITIVE),
            outcomes,
            failover: all(None).percentiles(),
            by_attack: by_attack.collect(),
            further_elections: failovers
                .iter()
                .map(|failover| failover.terms.saturating_sub(1))
                .sum(),
            unasked_elections: unasked(risen, &windows),
            calm_seconds: (seconds - Duration::from_nanos(away).as_secs_f64()).max(0.0),
            failovers: failovers
                .iter()
                .map(|failover| One {
                    attack: failover.attack,
                    took_ms: failover.took.as_secs_f64() * 1e3,
                    terms: failover.terms,
                })
                .collect(),
            audited: audit.compared,
            lost: audit.lost,
            applied_twice: audit.twice,
            verdict,
            check_seconds: start.elapsed().as_secs_f64(),
        }
    }

    /// Why the run has failed, if it has.
    pub(super) fn failure(&self) -> Option<String> {
        let mut faults = Vec::new();
        if !self.lost.is_empty() {
            faults.push(format!("{} acknowledged changes were lost", self.lost.len()));
        }
        if !self.applied_twice.is_empty() {
            faults.push(format!("{} changes were applied twice", self.applied_twice.len()));
        }
        match self.verdict {
            Found::Linearizable => {}
            Found::Violation(_) => faults.push("the record is not linearizable".to_owned()),
            Found::Undecided => faults.push("the checker could not decide".to_owned()),
        }
        (!faults.is_empty()).then(|| faults.join("; "))
    }

    pub(super) fn print(&self) {
        self.print_failovers();
        self.print_outcomes();
        let hours = self.calm_seconds / 3_600.0;
        println!(
            "\nelections that nobody asked for: {} in {:.0} s without an attack ({:.1} an hour); votes repeated in failovers: {}",
            self.unasked_elections,
            self.calm_seconds,
            if hours > 0.0 {
                float(self.unasked_elections) / hours
            } else {
                0.0
            },
            self.further_elections
        );
        println!(
            "lost: {}; applied twice: {} ({} answers on names of one writer compared)",
            self.lost.len(),
            self.applied_twice.len(),
            self.audited
        );
        for fault in self.lost.iter().chain(&self.applied_twice).take(SHOWN) {
            println!("  {fault}");
        }
        match &self.verdict {
            Found::Linearizable => println!("linearizable: yes ({:.1} s)", self.check_seconds),
            Found::Undecided => println!("linearizable: not decided ({:.1} s)", self.check_seconds),
            Found::Violation(violation) => println!("linearizable: NO\n{violation}"),
        }
    }

    fn print_failovers(&self) {
        if self.failovers.is_empty() {
            return;
        }
        println!("\nleader attacked → first acknowledged write:");
        let took = self
            .failovers
            .iter()
            .map(|failover| Duration::from_secs_f64(failover.took_ms / 1e3));
        let durations = Durations::new(took.collect());
        for line in stats::lines(&durations.histogram(STEP, STEPS), STEP, 50) {
            println!("{line}");
        }
        let mut rows = vec![
            ["ms", "count", "p50", "p90", "p99", "max"]
                .map(str::to_owned)
                .to_vec(),
        ];
        let row = |name: &str, of: &Percentiles| {
            let mut row = vec![name.to_owned(), of.count.to_string()];
            row.extend([of.p50_ms, of.p90_ms, of.p99_ms, of.max_ms].map(|ms| format!("{ms:.0}")));
            row
        };
        for (attack, percentiles) in &self.by_attack {
            rows.push(row(attack.name(), percentiles));
        }
        rows.push(row("all", &self.failover));
        print_columns(&rows);
    }

    fn print_outcomes(&self) {
        println!(
            "\n{} operations in {:.0} s ({:.0} a second):",
            self.operations, self.seconds, self.operations_per_second
        );
        let columns = ["done", "exists", "not found", "refused", "unknown"];
        let mut heading = vec![String::new()];
        heading.extend(columns.map(str::to_owned));
        let mut rows = vec![heading];
        for (kind, outcomes) in &self.outcomes {
            let mut row = vec![(*kind).to_owned()];
            row.extend(columns.map(|column| outcomes.get(column).copied().unwrap_or_default().to_string()));
            rows.push(row);
        }
        print_columns(&rows);
    }
}
