//! `df`: the space of the cluster and of its datanodes.

use std::time::Duration;

use client::{ClusterSpace, DatanodeStatus};
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::output::{Align, Columns, Out, Style, paint, size};
use crate::run::Context;

/// Show the space of the cluster and of each datanode
///
/// Used is what chunks take, with all replicas. A datanode is dead when the master has not heard of it for a while.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Sizes with units: 1.5 MiB
    #[arg(short = 'h', long = "human-readable")]
    human: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs df -h
  distrifs df --json | jq '.datanodes[] | select(.live | not) | .address'";

/// Shows.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let space = context.fs.cluster_space().await;
    let space = space.map_err(|error| Failure::from_client("df", &error))?;
    let mut out = Out::stdout()?;
    if args.json {
        out.line(&format!("{:#}", to_json(&space)))?;
        return out.flush();
    }
    let mut table = Columns::new(&[
        Align::Left,
        Align::Left,
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
    ]);
    let coloured = out.coloured();
    table.row(
        [
            "DATANODE", "RACK", "STATE", "SIZE", "USED", "FREE", "USED%", "CHUNKS", "STREAMS", "HEARD",
        ]
        .map(|text| paint(coloured, Style::Bold, text)),
    );
    for node in &space.datanodes {
        let state = if node.live {
            "live".to_owned()
        } else {
            paint(coloured, Style::Error, "dead")
        };
        table.row([
            node.addr.clone(),
            node.rack.clone(),
            state,
            size(args.human, node.capacity),
            size(args.human, node.used),
            size(args.human, node.available),
            percent(node.used, node.available),
            node.chunks.to_string(),
            node.streams.to_string(),
            age(node.last_heartbeat_ms),
        ]);
    }
    let live = space.datanodes.iter().filter(|node| node.live).count();
    table.row([
        "cluster".to_owned(),
        String::new(),
        format!("{live}/{} live", space.datanodes.len()),
        size(args.human, space.capacity),
        size(args.human, space.used),
        size(args.human, space.available),
        percent(space.used, space.available),
        space.chunks.to_string(),
        String::new(),
        String::new(),
    ]);
    out.print(&table.render())?;
    out.line(&format!(
        "{} files, {} directories",
        space.files, space.directories
    ))?;
    out.flush()
}

/// Of what we could have, how much we use: others on the same disks are not counted, as in `df`.
fn percent(used: u64, available: u64) -> String {
    let whole = u128::from(used) + u128::from(available);
    match (u128::from(used) * 100).checked_div(whole) {
        Some(percent) => format!("{percent}%"),
        None => "-".to_owned(),
    }
}

fn age(ms: u64) -> String {
    let seconds = Duration::from_millis(ms).as_secs();
    match seconds {
        0..=119 => format!("{seconds} s ago"),
        120..=7_199 => format!("{} min ago", seconds / 60),
        7_200..=172_799 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

fn to_json(space: &ClusterSpace) -> serde_json::Value {
    let node = |node: &DatanodeStatus| {
        json!({
            "id": node.id.to_string(),
            "address": node.addr,
            "rack": node.rack,
            "live": node.live,
            "last_heartbeat_ms": node.last_heartbeat_ms,
            "capacity": node.capacity,
            "used": node.used,
            "available": node.available,
            "chunks": node.chunks,
            "streams": node.streams,
        })
    };
    json!({
        "capacity": space.capacity,
        "used": space.used,
        "available": space.available,
        "files": space.files,
        "directories": space.directories,
        "chunks": space.chunks,
        "datanodes": space.datanodes.iter().map(node).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_ages() {
        assert_eq!(percent(0, 0), "-");
        assert_eq!(percent(1, 3), "25%");
        assert_eq!(percent(u64::MAX, u64::MAX), "50%");
        assert_eq!(age(1_500), "1 s ago");
        assert_eq!(age(600_000), "10 min ago");
        assert_eq!(age(86_400_000 * 3), "3 d ago");
    }
}
