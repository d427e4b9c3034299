//! `rebalance`: the balancer.

use client::{Imbalance, RebalanceAction, RebalanceReport};
use serde_json::json;
use types::ByteSize;

use super::words;
use crate::failure::{Failure, Result};
use crate::output::{Align, Columns, Out, Style, paint};
use crate::run::Context;

/// Move chunks until all datanodes are about equally full
///
/// No datanode is to be further from the mean than `balance.threshold`; `balance.bandwidth_per_node` bounds what it costs (both are
/// shown and set by `distrifs admin jobs`). It runs on the leader until it is done or stopped. A chunk is copied, and the copy
/// verified, before the replica too many goes. It goes on when the command ends, and when another master takes over.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Tell what would be moved, and move nothing
    #[arg(long, conflicts_with_all = ["stop", "status"])]
    dry_run: bool,
    /// Stop; what is on its way arrives
    #[arg(long, conflicts_with = "status")]
    stop: bool,
    /// Tell what it does now
    #[arg(long)]
    status: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs rebalance --dry-run
  distrifs rebalance --dry-run --json | jq .bytes
  distrifs rebalance
  distrifs rebalance --status
  distrifs admin jobs set balance.threshold 0.1";

/// Does it.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let action = match (args.dry_run, args.stop, args.status) {
        (true, ..) => RebalanceAction::Plan,
        (_, true, _) => RebalanceAction::Stop,
        (_, _, true) => RebalanceAction::Status,
        _ => RebalanceAction::Start,
    };
    let report = context.fs.operations().rebalance(action).await;
    let report = report.map_err(|error| Failure::from_client("rebalance", &error))?;
    let mut out = Out::stdout()?;
    if args.json {
        out.line(&format!("{:#}", to_json(&report)))?;
    } else {
        let coloured = out.coloured();
        out.print(&text(&report, coloured))?;
    }
    out.flush()
}

fn text(report: &RebalanceReport, coloured: bool) -> String {
    let mut text = String::new();
    if let Some(job) = &report.job {
        let progress = job.progress.map(words::percent);
        let detail = [progress, Some(job.detail.clone())];
        let detail: Vec<_> = detail
            .into_iter()
            .flatten()
            .filter(|text| !text.is_empty())
            .collect();
        text.push_str(&format!("{}: {}", job.name, job.state.as_str()));
        if !detail.is_empty() {
            text.push_str(&format!(" ({})", detail.join("; ")));
        }
        text.push('\n');
    }
    text.push_str(&format!(
        "{} moves, {}; a datanode may be {} off the mean\n",
        report.moves,
        ByteSize(report.bytes),
        words::percent(report.threshold)
    ));
    for line in &report.explanation {
        text.push_str(&format!("  {line}\n"));
    }
    if report.nodes.is_empty() {
        return text;
    }
    let mut table = Columns::new(&[Align::Left, Align::Left, Align::Right, Align::Right, Align::Right]);
    let heading = ["DATANODE", "RACK", "USED", "OFF", "TO GO"];
    table.row(heading.map(|text| paint(coloured, Style::Bold, text)));
    for Imbalance {
        node,
        rack,
        used_share,
        off,
        bytes_to_move,
    } in &report.nodes
    {
        table.row([
            node.address(),
            rack.clone(),
            words::percent(*used_share),
            format!("{:+.1}%", off * 100.0),
            ByteSize(*bytes_to_move).to_string(),
        ]);
    }
    text.push('\n');
    text.push_str(&table.render());
    text
}

fn to_json(report: &RebalanceReport) -> serde_json::Value {
    let node = |one: &Imbalance| {
        json!({
            "address": one.node.address(),
            "id": one.node.id.to_string(),
            "rack": one.rack,
            "used_share": one.used_share,
            "off": one.off,
            "bytes_to_move": one.bytes_to_move,
        })
    };
    json!({
        "job": report.job.as_ref().map(words::job_json),
        "moves": report.moves,
        "bytes": report.bytes,
        "threshold": report.threshold,
        "explanation": report.explanation,
        "datanodes": report.nodes.iter().map(node).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use client::Node;
    use types::DatanodeId;

    use super::*;

    #[test]
    fn the_plan_says_how_far_who_is_off() {
        let report = RebalanceReport {
            job: None,
            nodes: vec![Imbalance {
                node: Node {
                    id: DatanodeId::from_random_bytes([1; 16]),
                    host: "d1".to_owned(),
                    port: 1,
                },
                rack: "/r".to_owned(),
                used_share: 0.75,
                off: 0.25,
                bytes_to_move: 1 << 30,
            }],
            moves: 16,
            bytes: 1 << 30,
            threshold: 0.05,
            explanation: vec!["from d1 to d2".to_owned()],
        };
        let expected = "\
16 moves, 1 GiB; a datanode may be 5.0% off the mean
  from d1 to d2

DATANODE  RACK   USED     OFF  TO GO
d1:1      /r    75.0%  +25.0%  1 GiB
";
        assert_eq!(text(&report, false), expected);
    }
}
