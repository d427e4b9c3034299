//! `status`: the whole cluster on one screen.

use client::{HealthLevel, MasterRole};
use serde_json::json;

use super::{health, nodes, words};
use crate::failure::{Failure, Result, is_read};
use crate::output::{Out, Style, paint};
use crate::run::Context;

/// Show the whole cluster on one screen: masters, health, datanodes
///
/// Ends as `distrifs health` does.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs status
  watch -n 2 distrifs status
  distrifs status --json | jq '.health.level'";

/// Shows.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let failed = |error| Failure::from_client("status", &error);
    let operations = context.fs.operations();
    let info = context.fs.server_info().await.map_err(failed)?;
    let group = context.fs.admin().masters().await.map_err(failed)?;
    let found = operations.health().await.map_err(failed)?;
    let members = operations.nodes().await.map_err(failed)?;
    let leader = group.masters.iter().find(|one| one.role == MasterRole::Leader);
    let leader = leader.map(|one| one.address.clone());
    let answering = group.masters.iter().filter(|one| one.answers).count();

    let told = || -> Result<()> {
        let mut out = Out::stdout()?;
        if args.json {
            let document = json!({
                "cluster": info.cluster.to_string(),
                "version": info.version,
                "leader": leader,
                "masters": group.masters.len(),
                "masters_answering": answering,
                "health": health::to_json(&found),
                "datanodes": members.iter().map(nodes::to_json).collect::<Vec<_>>(),
            });
            out.line(&format!("{document:#}"))?;
        } else {
            let coloured = out.coloured();
            out.line(&format!(
                "Cluster {}, version {}",
                paint(coloured, Style::Bold, &info.cluster.to_string()),
                info.version
            ))?;
            out.line(&format!(
                "  masters    {answering} of {} answer; {}",
                group.masters.len(),
                leader
                    .as_ref()
                    .map_or_else(|| "none leads".to_owned(), |leader| format!("{leader} leads"))
            ))?;
            let running = found
                .jobs
                .iter()
                .filter(|job| job.state == client::JobState::Running);
            let running: Vec<_> = running
                .map(|job| match job.progress {
                    Some(done) => format!("{} {}", job.name, words::percent(done)),
                    None => job.name.clone(),
                })
                .collect();
            let running = if running.is_empty() {
                "none runs".to_owned()
            } else {
                running.join(", ")
            };
            out.line(&format!("  jobs       {running}"))?;
            out.line("")?;
            out.print(&health::screen(&found, coloured))?;
            out.line("")?;
            out.print(&nodes::table(&members, coloured))?;
        }
        out.flush()
    };
    is_read(told())?;
    match found.level {
        HealthLevel::Healthy | HealthLevel::Degraded => Ok(()),
        level => Err(Failure::Told(health::exit(level))),
    }
}
