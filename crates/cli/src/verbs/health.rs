//! `health`: what is wrong, since when, what is being done about it, and when it will be done.

use std::time::Duration;

use client::{Health, HealthLevel, Problem};
use serde_json::{Value, json};
use types::ByteSize;

use super::words;
use crate::failure::{Exit, Failure, Result, is_read};
use crate::output::{Out, Style, paint};
use crate::run::Context;

/// Show how the data is: what is wrong, since when, what is being done about it
///
/// Healthy: every chunk has all its copies. Degraded: something is wrong, and no data is in danger. At risk: data has fewer
/// copies than it should. Lost: data has no copy that can be reached. Ends with 0 when healthy or degraded, 7 when at risk, 8
/// when lost.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Wait until the cluster is healthy (or degraded) and no chunk is short of copies
    #[arg(long)]
    wait: bool,
    /// How long to wait at most; ends with the status of then
    #[arg(long, value_name = "TIME", requires = "wait", value_parser = |text: &str| types::parse_duration(text).map_err(|error| error.to_string()))]
    limit: Option<Duration>,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs health
  distrifs health --wait --limit 10min    # after a disk was replaced
  distrifs health --json | jq '.chunks.at_risk'
  distrifs health > /dev/null || page-somebody    # 7: at risk, 8: lost";

/// How often it is asked when it is waited for.
const PAUSE: Duration = Duration::from_millis(500);

/// The exit status that goes with a level.
pub(super) const fn exit(level: HealthLevel) -> Exit {
    match level {
        HealthLevel::Healthy | HealthLevel::Degraded => Exit::Done,
        HealthLevel::AtRisk => Exit::AtRisk,
        HealthLevel::Lost => Exit::Lost,
    }
}

/// Shows.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let started = tokio::time::Instant::now();
    let health = loop {
        let health = context.fs.operations().health().await;
        let health = health.map_err(|error| Failure::from_client("health", &error))?;
        let well = health.level <= HealthLevel::Degraded && health.recounted.is_none() && !health.safe_mode;
        let over = args.limit.is_some_and(|limit| started.elapsed() >= limit);
        if !args.wait || well || over {
            break health;
        }
        tokio::time::sleep(PAUSE).await;
    };
    is_read(tell(&health, args.json))?;
    match exit(health.level) {
        Exit::Done => Ok(()),
        exit => Err(Failure::Told(exit)),
    }
}

fn tell(health: &Health, as_json: bool) -> Result<()> {
    let mut out = Out::stdout()?;
    if as_json {
        out.line(&format!("{:#}", to_json(health)))?;
    } else {
        let coloured = out.coloured();
        out.print(&screen(health, coloured))?;
    }
    out.flush()
}

/// One screen.
pub(super) fn screen(health: &Health, coloured: bool) -> String {
    let word = health.level.as_str().to_uppercase();
    let style = match health.level {
        HealthLevel::Healthy | HealthLevel::Degraded => Style::Bold,
        HealthLevel::AtRisk | HealthLevel::Lost => Style::Error,
    };
    let mut text = format!("The cluster is {}.\n", paint(coloured, style, &word));
    let mut line = |what: &str, told: String| {
        text.push_str(&format!("  {what:<10} {told}\n"));
    };
    line(
        "datanodes",
        format!("{} of {} are live", health.nodes_live, health.nodes),
    );
    line(
        "space",
        format!(
            "{} used, {} free of {}",
            ByteSize(health.used),
            ByteSize(health.available),
            ByteSize(health.capacity)
        ),
    );
    line("chunks", words::counts_line(&health.chunks));
    line("files", words::counts_line(&health.files));
    if let Some(done) = health.recounted {
        line(
            "recount",
            format!(
                "{} of the chunks have been looked at again; until all are, the counts are of before",
                words::percent(done)
            ),
        );
    }
    line("repair", repair_line(health));
    if !health.problems.is_empty() {
        text.push('\n');
    }
    for problem in &health.problems {
        text.push_str(&problem_text(problem, coloured));
    }
    text
}

fn repair_line(health: &Health) -> String {
    let repairing = &health.repairing;
    if repairing.queued == 0 && repairing.running == 0 {
        return "nothing to do".to_owned();
    }
    let mut text = format!(
        "{} chunks to do, {} copies under way ({}), {}/s",
        repairing.queued,
        repairing.running,
        ByteSize(repairing.running_bytes),
        ByteSize(repairing.bytes_per_s)
    );
    if let Some(eta) = repairing.eta {
        text.push_str(&format!(", done in about {}", types::about_duration(eta)));
    }
    if !repairing.held_up.is_empty() {
        text.push_str("; held up: ");
        text.push_str(&repairing.held_up);
    }
    text
}

fn problem_text(problem: &Problem, coloured: bool) -> String {
    let style = match problem.level {
        HealthLevel::Healthy | HealthLevel::Degraded => Style::Bold,
        HealthLevel::AtRisk | HealthLevel::Lost => Style::Error,
    };
    let level = format!("{:<10}", problem.level.as_str());
    let mut text = format!("{}{}", paint(coloured, style, &level), problem.what);
    if let Some(since) = problem.since {
        let silent = Duration::from_millis(words::now().since_ms(since));
        text.push_str(&format!(" (since {})", types::about_duration(silent)));
    }
    text.push('\n');
    if !problem.action.is_empty() {
        text.push_str(&format!("{:<10}→ {}", "", problem.action));
        if let Some(eta) = problem.eta {
            text.push_str(&format!(" (about {} more)", types::about_duration(eta)));
        }
        text.push('\n');
    }
    text
}

/// As a program reads it.
pub(super) fn to_json(health: &Health) -> Value {
    let problem = |problem: &Problem| {
        json!({
            "level": words::level_word(problem.level),
            "kind": problem.kind,
            "what": problem.what,
            "since": words::time_json(problem.since),
            "action": problem.action,
            "eta_ms": words::millis_json(problem.eta),
        })
    };
    let repairing = &health.repairing;
    json!({
        "level": words::level_word(health.level),
        "problems": health.problems.iter().map(problem).collect::<Vec<_>>(),
        "chunks": words::counts_json(&health.chunks),
        "files": words::counts_json(&health.files),
        "exact": health.recounted.is_none(),
        "recounted": health.recounted,
        "repair": {
            "queued": repairing.queued,
            "running": repairing.running,
            "running_bytes": repairing.running_bytes,
            "bytes_per_s": repairing.bytes_per_s,
            "chunks_per_s": repairing.chunks_per_s,
            "eta_ms": words::millis_json(repairing.eta),
            "held_up": Some(&repairing.held_up).filter(|why| !why.is_empty()),
        },
        "datanodes": health.nodes,
        "datanodes_live": health.nodes_live,
        "capacity": health.capacity,
        "used": health.used,
        "available": health.available,
        "safe_mode": health.safe_mode,
        "jobs": health.jobs.iter().map(words::job_json).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use client::{ConditionCounts, Repairing};

    use super::*;

    fn sick() -> Health {
        Health {
            calls: 0,
            calls_time: Duration::ZERO,
            level: HealthLevel::AtRisk,
            problems: vec![Problem {
                level: HealthLevel::AtRisk,
                kind: "chunks-at-risk".to_owned(),
                what: "12 chunks of 4 files have 1 copy left".to_owned(),
                since: Some(words::now()),
                action: "they are being copied".to_owned(),
                eta: Some(Duration::from_secs(90)),
            }],
            chunks: ConditionCounts::default(),
            files: ConditionCounts::default(),
            recounted: Some(0.4),
            repairing: Repairing {
                queued: 12,
                running: 4,
                running_bytes: 256 << 20,
                bytes_per_s: 80 << 20,
                chunks_per_s: 1.5,
                eta: Some(Duration::from_secs(90)),
                held_up: String::new(),
            },
            nodes: 5,
            nodes_live: 4,
            capacity: 5 << 40,
            used: 1 << 40,
            available: 4 << 40,
            safe_mode: false,
            jobs: Vec::new(),
        }
    }

    #[test]
    fn one_screen_says_what_and_until_when() {
        let expected = "\
The cluster is AT RISK.
  datanodes  4 of 5 are live
  space      1 TiB used, 4 TiB free of 5 TiB
  chunks     none
  files      none
  recount    40.0% of the chunks have been looked at again; until all are, the counts are of before
  repair     12 chunks to do, 4 copies under way (256 MiB), 80 MiB/s, done in about 90 s

at risk   12 chunks of 4 files have 1 copy left (since 0 s)
          → they are being copied (about 90 s more)
";
        assert_eq!(screen(&sick(), false), expected);
    }

    #[test]
    fn programs_see_the_same() {
        let json = to_json(&sick());
        assert_eq!(json["level"], "at-risk");
        assert_eq!(json["problems"][0]["kind"], "chunks-at-risk");
        assert_eq!(json["repair"]["eta_ms"], 90_000);
        assert_eq!(json["exact"], false);
    }

    #[test]
    fn the_status_is_that_of_the_worst() {
        assert_eq!(exit(HealthLevel::Degraded), Exit::Done);
        assert_eq!(exit(HealthLevel::AtRisk), Exit::AtRisk);
        assert_eq!(exit(HealthLevel::Lost), Exit::Lost);
    }
}
