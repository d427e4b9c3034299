//! `nodes`: the datanodes, and what operators say of them.

use std::time::Duration;

use clap::Subcommand;
use client::{NodeDetail, NodeLiveness};
use serde_json::{Value, json};
use types::{AdminState, ByteSize, parse_duration};

use super::words;
use crate::failure::{Exit, Failure, Result, Tally};
use crate::output::{Align, Columns, Out, Style, iso_time, note, paint, short_time};
use crate::run::Context;

/// Show the datanodes; drain them, announce that they will be away, remove them
///
/// A datanode is named by its id, its host:port, or its host when no other is there. All but `list` need the superuser.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs nodes
  distrifs nodes decommission d3.example:9866 --wait && ssh d3.example poweroff
  distrifs nodes maintenance d2.example:9866 --for 30min      # a new kernel
  distrifs nodes recommission d2.example:9866
  distrifs nodes remove d3.example:9866";

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Decommission(Decommission),
    Maintenance(Maintenance),
    Recommission(Recommission),
    Remove(Remove),
}

/// Show the datanodes: who is live, in which state, how full
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  distrifs nodes list\n  distrifs nodes list --volumes\n  distrifs nodes list --json | jq '.[] | select(.admin != \"in-service\")'"
)]
struct List {
    /// Show the volumes of each
    #[arg(long)]
    volumes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Drain datanodes: copy all that is on them elsewhere, so that they can be switched off
///
/// They are read from meanwhile, and take nothing new. It goes on when the command ends, and when another master takes over;
/// `distrifs nodes` says when it is done, `distrifs explain NODE` what it waits for.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  distrifs nodes decommission d3.example:9866\n  distrifs nodes decommission d3 d4 --wait --limit 2h"
)]
struct Decommission {
    /// Which
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,
    /// Wait until they are drained
    #[arg(long)]
    wait: bool,
    /// How long to wait at most; ends with 6 after that
    #[arg(long, value_name = "TIME", requires = "wait", value_parser = duration)]
    limit: Option<Duration>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Announce that datanodes will be away for a while
///
/// What is on them is not copied elsewhere for so long, unless it has no other copy. When the time is over they are datanodes
/// like all others, whether they are back or not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  distrifs nodes maintenance d2.example:9866 --for 30min")]
struct Maintenance {
    /// Which
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,
    /// For how long
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    limit: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// End a decommission or a maintenance: the datanodes take part as before
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  distrifs nodes recommission d2.example:9866")]
struct Recommission {
    /// Which
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Forget datanodes that are dead and will not come back
///
/// One that is alive is refused: decommission it, and stop it, before. So is one that has the only copy of something. If it
/// comes back after all, with its disks, it is a new one and what is on it is of use again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  distrifs nodes remove d3.example:9866\n  distrifs nodes remove d3.example:9866 --force    # what only it has is given up"
)]
struct Remove {
    /// Which
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,
    /// Also when it has the only copy of something: that counts as lost then
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How often it is asked whether a datanode is drained.
const PAUSE: Duration = Duration::from_millis(500);

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// Does it.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let operations = context.fs.operations();
    match &args.command {
        None => list(context, &args.list).await,
        Some(Command::List(args)) => list(context, args).await,
        Some(Command::Decommission(args)) => decommission(context, args).await,
        Some(Command::Maintenance(args)) => {
            let set = async |node: &str| operations.maintain(node, args.limit).await;
            each(&args.nodes, args.json, set).await
        }
        Some(Command::Recommission(args)) => {
            let set = async |node: &str| operations.recommission(node).await;
            each(&args.nodes, args.json, set).await
        }
        Some(Command::Remove(args)) => {
            let (mut tally, mut removed) = (Tally::default(), Vec::new());
            for node in &args.nodes {
                match operations.remove_node(node, args.force).await {
                    Ok(()) => {
                        note(&format!("datanode {node} is removed"));
                        removed.push(json!({ "datanode": node, "removed": true }));
                    }
                    Err(error) => tally.add(Failure::from_client(node, &error))?,
                }
            }
            print_json(args.json, removed)?;
            tally.finish()
        }
    }
}

async fn each(
    nodes: &[String],
    as_json: bool,
    set: impl AsyncFn(&str) -> Result<NodeDetail, client::Error>,
) -> Result<()> {
    let (mut tally, mut done) = (Tally::default(), Vec::new());
    for node in nodes {
        match set(node).await {
            Ok(node) => {
                note(&format!("datanode {} is {}", node.address, state(&node)));
                done.push(to_json(&node));
            }
            Err(error) => tally.add(Failure::from_client(node, &error))?,
        }
    }
    print_json(as_json, done)?;
    tally.finish()
}

fn print_json(wanted: bool, documents: Vec<Value>) -> Result<()> {
    if !wanted {
        return Ok(());
    }
    let mut out = Out::stdout()?;
    out.line(&format!("{:#}", Value::Array(documents)))?;
    out.flush()
}

async fn decommission(context: &Context, args: &Decommission) -> Result<()> {
    let operations = context.fs.operations();
    let set = async |node: &str| operations.decommission(node).await;
    each(&args.nodes, args.json && !args.wait, set).await?;
    if !args.wait {
        return Ok(());
    }
    let started = tokio::time::Instant::now();
    let mut told = String::new();
    loop {
        let all = operations.nodes().await;
        let all = all.map_err(|error| Failure::from_client("nodes decommission", &error))?;
        let ours: Vec<_> = all
            .into_iter()
            .filter(|node| args.nodes.iter().any(|name| is_named(node, name)))
            .collect();
        let left: Vec<_> = ours
            .iter()
            .filter(|node| matches!(node.admin, AdminState::Decommissioning { .. }))
            .map(|node| format!("{}: {}", node.address, state(node)))
            .collect();
        for name in &args.nodes {
            let mut named = ours.iter().filter(|node| is_named(node, name)).peekable();
            let now = match named.peek() {
                None => Some("it is no member any more".to_owned()),
                Some(_) => named
                    .find(|node| !drains(node))
                    .map(|node| format!("it is {} now", state(node))),
            };
            if let Some(now) = now {
                return Err(Failure::new(
                    Exit::Failed,
                    name,
                    format_args!("is not being decommissioned any more: {now}"),
                ));
            }
        }
        if left.is_empty() {
            note("drained: what was asked for may be switched off");
            return print_json(args.json, ours.iter().map(to_json).collect());
        }
        let waits = left.join("; ");
        if args.limit.is_some_and(|limit| started.elapsed() >= limit) {
            return Err(Failure::new(
                Exit::Unavailable,
                "nodes decommission",
                format_args!("not drained yet: {waits}"),
            )
            .next("it goes on; `distrifs explain NODE` tells what it waits for"));
        }
        if waits != told {
            note(&waits);
            told = waits;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

const fn drains(node: &NodeDetail) -> bool {
    matches!(
        node.admin,
        AdminState::Decommissioning { .. } | AdminState::Decommissioned { .. }
    )
}

fn is_named(node: &NodeDetail, name: &str) -> bool {
    node.id.to_string() == name
        || node.address == name
        || node
            .address
            .rsplit_once(':')
            .is_some_and(|(host, _)| host == name)
}

async fn list(context: &Context, args: &List) -> Result<()> {
    let nodes = context.fs.operations().nodes().await;
    let nodes = nodes.map_err(|error| Failure::from_client("nodes", &error))?;
    if args.json {
        return print_json(true, nodes.iter().map(to_json).collect());
    }
    let mut out = Out::stdout()?;
    let coloured = out.coloured();
    out.print(&table(&nodes, coloured))?;
    if args.volumes {
        out.line("")?;
        out.print(&volumes(&nodes, coloured))?;
    }
    out.flush()
}

/// How a datanode takes part, with how far it is.
fn state(node: &NodeDetail) -> String {
    match node.admin {
        AdminState::InService => "in service".to_owned(),
        AdminState::Decommissioning { .. } => match node.draining {
            Some(draining) if draining.counted => format!("draining, {} chunks left", draining.left),
            Some(draining) => format!("draining, {} chunks or more left", draining.left),
            None => "draining".to_owned(),
        },
        AdminState::Decommissioned { .. } => "drained".to_owned(),
        AdminState::Maintenance { until } => format!("in maintenance until {} UTC", short_time(until.0)),
    }
}

/// One line for each datanode.
pub(super) fn table(nodes: &[NodeDetail], coloured: bool) -> String {
    let mut table = Columns::new(&[
        Align::Left,
        Align::Left,
        Align::Left,
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Left,
    ]);
    let heading = [
        "DATANODE", "RACK", "LIVE", "STATE", "SIZE", "USED", "FREE", "USED%", "REPLICAS", "STREAMS",
        "REMARKS",
    ];
    table.row(heading.map(|text| paint(coloured, Style::Bold, text)));
    for node in nodes {
        let live = match (node.liveness, node.silent) {
            (NodeLiveness::Live, _) | (_, None) => node.liveness.as_str().to_owned(),
            (liveness, Some(silent)) => format!("{}, {}", liveness.as_str(), types::about_duration(silent)),
        };
        let live = match node.liveness {
            NodeLiveness::Live | NodeLiveness::Late => live,
            _ => paint(coloured, Style::Error, &live),
        };
        let (used, available) = (node.sum(|one| one.used), node.sum(|one| one.available));
        table.row([
            node.address.clone(),
            node.rack.clone(),
            live,
            state(node),
            ByteSize(node.sum(|one| one.capacity)).to_string(),
            ByteSize(used).to_string(),
            ByteSize(available).to_string(),
            share(used, available),
            node.sum(|one| one.replicas).to_string(),
            node.streams.to_string(),
            remarks(node),
        ]);
    }
    table.render()
}

fn remarks(node: &NodeDetail) -> String {
    let failed = node
        .volumes
        .iter()
        .filter(|volume| volume.failed.is_some())
        .count();
    let mut remarks = Vec::new();
    if failed > 0 {
        remarks.push(format!("{failed} of {} volumes failed", node.volumes.len()));
    }
    if let Some(why) = &node.slow {
        remarks.push(format!("slow: {why}"));
    }
    if node.transfers > 0 {
        remarks.push(format!("{} copies", node.transfers));
    }
    remarks.join("; ")
}

fn share(used: u64, available: u64) -> String {
    let whole = u128::from(used) + u128::from(available);
    match (u128::from(used) * 100).checked_div(whole) {
        Some(percent) => format!("{percent}%"),
        None => "-".to_owned(),
    }
}

fn volumes(nodes: &[NodeDetail], coloured: bool) -> String {
    let mut table = Columns::new(&[
        Align::Left,
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Left,
    ]);
    let heading = [
        "DATANODE", "VOLUME", "SIZE", "USED", "FREE", "REPLICAS", "RESTING", "SCRUBBED", "STATE",
    ];
    table.row(heading.map(|text| paint(coloured, Style::Bold, text)));
    for node in nodes {
        for volume in &node.volumes {
            let state = match &volume.failed {
                None => "good".to_owned(),
                Some(why) => paint(coloured, Style::Error, &format!("failed: {why}")),
            };
            table.row([
                node.address.clone(),
                volume.directory.clone(),
                ByteSize(volume.capacity).to_string(),
                ByteSize(volume.used).to_string(),
                ByteSize(volume.available).to_string(),
                volume.replicas.to_string(),
                ByteSize(volume.quarantined).to_string(),
                volume
                    .scrub
                    .map_or_else(|| "-".to_owned(), |(_, done)| words::percent(done)),
                state,
            ]);
        }
    }
    table.render()
}

/// As a program reads it.
pub(super) fn to_json(node: &NodeDetail) -> Value {
    let (since, until) = match node.admin {
        AdminState::InService => (None, None),
        AdminState::Decommissioning { since } | AdminState::Decommissioned { since } => (Some(since), None),
        AdminState::Maintenance { until } => (None, Some(until)),
    };
    let volumes = node.volumes.iter().map(|volume| {
        json!({
            "id": volume.id.to_string(),
            "directory": volume.directory,
            "capacity": volume.capacity,
            "used": volume.used,
            "available": volume.available,
            "replicas": volume.replicas,
            "quarantined": volume.quarantined,
            "failed": volume.failed,
            "scrub_begun": volume.scrub.map(|(begun, _)| iso_time(begun.0)),
            "scrub_done": volume.scrub.map(|(_, done)| done),
        })
    });
    json!({
        "id": node.id.to_string(),
        "address": node.address,
        "rack": node.rack,
        "liveness": node.liveness.as_str(),
        "admin": node.admin.as_str(),
        "since": words::time_json(since),
        "maintenance_until": words::time_json(until),
        "silent_ms": words::millis_json(node.silent),
        "streams": node.streams,
        "transfers": node.transfers,
        "slow": node.slow,
        "capacity": node.sum(|volume| volume.capacity),
        "used": node.sum(|volume| volume.used),
        "available": node.sum(|volume| volume.available),
        "replicas": node.sum(|volume| volume.replicas),
        "draining": node.draining.map(|draining| json!({
            "since": words::time_json(Some(draining.since)),
            "chunks_left": draining.left,
            "counted": draining.counted,
        })),
        "volumes": volumes.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use client::Draining;
    use types::{DatanodeId, UnixMillis};

    use super::*;

    fn node(admin: AdminState) -> NodeDetail {
        NodeDetail {
            id: DatanodeId::from_random_bytes([1; 16]),
            address: "d1.example:9866".to_owned(),
            http: None,
            received_bytes: 0,
            sent_bytes: 0,
            rack: "/r1".to_owned(),
            liveness: NodeLiveness::Dead,
            admin,
            silent: Some(Duration::from_secs(300)),
            streams: 2,
            transfers: 1,
            slow: None,
            volumes: Vec::new(),
            draining: Some(Draining {
                since: UnixMillis(1),
                left: 12,
                counted: true,
            }),
        }
    }

    #[test]
    fn the_state_says_how_far_it_is() {
        let since = UnixMillis(0);
        assert_eq!(
            state(&node(AdminState::Decommissioning { since })),
            "draining, 12 chunks left"
        );
        assert_eq!(state(&node(AdminState::Decommissioned { since })), "drained");
        let until = UnixMillis(60_000);
        let away = state(&node(AdminState::Maintenance { until }));
        assert_eq!(away, "in maintenance until 1970-01-01 00:01 UTC");
        let lines = table(&[node(AdminState::InService)], false);
        let row = lines.lines().nth(1).unwrap();
        assert!(row.contains("dead, 5 min") && row.ends_with("1 copies"), "{row}");
    }

    #[test]
    fn a_datanode_has_three_names() {
        let node = node(AdminState::InService);
        for name in ["d1.example", "d1.example:9866", &node.id.to_string()] {
            assert!(is_named(&node, name), "{name}");
        }
        assert!(!is_named(&node, "d1"));
        assert_eq!(to_json(&node)["admin"], "in-service");
    }
}
