//! The balancer on a cluster that exists only as numbers: rounds until it is balanced, and moves beyond the minimum.
//!
//! Nodes of three sizes in racks of 25, with chunks of 64 MiB at replication 3, placed on distinct racks. Each scenario says
//! which nodes were there while the cluster was filled, and how uneven they are. A round is a plan that is carried out, in
//! one pass over the chunks or several: in a pass a node takes part in a limited number of moves, which all take place at
//! its end; then the nodes report. Nothing is measured but the time of the planner itself, in one thread.

mod cluster;

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use self::cluster::{Cluster, Scenario};
use crate::Common;
use crate::machine::Machine;
use crate::report::{Report, print_columns};

/// Rounds after which it is said not to end.
const ROUNDS_MAX: u32 = 1_000;

/// How often it is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// What `bench balance` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// Datanodes.
    #[arg(long, default_value_t = 1_000, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(30..=10_000))]
    nodes: u16,
    /// Chunks, of three replicas each.
    #[arg(long, default_value_t = 10_000_000, value_name = "COUNT")]
    chunks: u32,
    /// How far from the mean a node may be.
    #[arg(long, default_value_t = 0.05, value_name = "SHARE")]
    threshold: f64,
    /// Moves that a node takes part in, in one pass.
    #[arg(long, default_value_t = 2_000, value_name = "COUNT")]
    moves: u32,
}

/// One scenario.
#[derive(Debug, Serialize)]
struct Result {
    scenario: &'static str,
    /// The largest distance from the mean, before and after.
    off_before: f64,
    off_after: f64,
    /// The least that has to move, as the first plan says, in chunks.
    least: u64,
    moved: u64,
    rounds: u32,
    /// Passes over all chunks, or parts of one.
    passes: u32,
    plan_ms: f64,
    offers_per_s: f64,
    state: String,
}

#[derive(Debug, Serialize)]
struct Written {
    nodes: u16,
    chunks: u32,
    threshold: f64,
    moves: u32,
}

/// Plays every scenario, prints, writes down.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let machine = Machine::this();
    println!("machine: {}", machine.line());
    println!(
        "{} nodes, {} chunks of 64 MiB, replication 3, threshold {}, at most {} moves of a node in a pass",
        options.nodes, options.chunks, options.threshold, options.moves
    );
    let mut results = Vec::new();
    for scenario in Scenario::ALL {
        results.push(play(scenario, options)?);
    }
    print(&results);
    let report = Report {
        benchmark: "balance",
        machine,
        options: Written {
            nodes: options.nodes,
            chunks: options.chunks,
            threshold: options.threshold,
            moves: options.moves,
        },
        results,
    };
    report.write(options.common.json.as_deref())
}

fn play(scenario: Scenario, options: &Options) -> anyhow::Result<Result> {
    println!("{}: is being filled", scenario.name());
    let mut cluster = Cluster::new(scenario, options.nodes, options.chunks)?;
    let first = cluster.plan(options.threshold);
    let off = |cluster: &Cluster| {
        let plan = cluster.plan(options.threshold);
        plan.worst().map_or(0.0, |(_, off)| off.abs())
    };
    let (off_before, racks) = (off(&cluster), cluster.chunks_by_racks());
    let mut told = Instant::now();
    let outcome = cluster.balance(options.threshold, options.moves, ROUNDS_MAX, |so_far| {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            println!(
                "{}: round {}, pass {}: {} moved of at least {}",
                scenario.name(),
                so_far.rounds,
                so_far.passes,
                so_far.moved,
                first.bytes.div_ceil(cluster::CHUNK_BYTES)
            );
        }
    });
    let after = cluster.chunks_by_racks();
    anyhow::ensure!(
        after.first() == racks.first(),
        "chunks lost their second rack: {racks:?}, then {after:?}"
    );
    Ok(Result {
        scenario: scenario.name(),
        off_before,
        off_after: off(&cluster),
        least: first.bytes.div_ceil(cluster::CHUNK_BYTES),
        moved: outcome.moved,
        rounds: outcome.rounds,
        passes: outcome.passes,
        plan_ms: outcome.plan_seconds * 1e3,
        offers_per_s: outcome.offers_per_s(),
        state: format!("{:?}", outcome.state),
    })
}

fn print(results: &[Result]) {
    let titles = [
        "scenario", "off", "then", "least", "moved", "beyond", "rounds", "passes", "plan", "chunks/s", "",
    ];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(results.iter().map(|result| {
        let percent = |share: f64| format!("{:.2}%", share * 100.0);
        let beyond = result.moved.saturating_sub(result.least);
        vec![
            result.scenario.to_owned(),
            percent(result.off_before),
            percent(result.off_after),
            result.least.to_string(),
            result.moved.to_string(),
            beyond.to_string(),
            result.rounds.to_string(),
            result.passes.to_string(),
            format!("{:.1} ms", result.plan_ms),
            format!("{:.1} M", result.offers_per_s / 1e6),
            result.state.to_lowercase(),
        ]
    }));
    print_columns(&rows);
}
