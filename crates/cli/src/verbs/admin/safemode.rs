//! `admin safemode`: whether the cluster takes changes.

use std::time::Duration;

use clap::Subcommand;
use client::SafeMode;
use tokio::time::{Instant, sleep};
use types::{format_duration, parse_duration};

use crate::failure::{Exit, Failure, Result};
use crate::output::{Out, note};
use crate::run::Context;

/// How often it is asked whether safe mode has ended.
const PAUSE: Duration = Duration::from_millis(200);

/// Show, enter or leave safe mode, in which a cluster can only be read
///
/// A cluster that starts is in it until datanodes have reported enough of its chunks, and leaves it by itself. An operator
/// can enter it at any time, and then has to leave it.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin safemode                     # status
  distrifs admin safemode status --json | jq .on
  distrifs admin safemode wait --limit 2min   # ends with 6 when it is still on then
  distrifs admin safemode enter
  distrifs admin safemode leave";

#[derive(Debug, Subcommand)]
enum Command {
    Status(Status),
    Enter(Enter),
    Leave(Leave),
    Wait(Wait),
}

/// Show whether safe mode is on, and what it waits for
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "Examples:\n  distrifs admin safemode status --json")]
struct Status {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Make the cluster read-only (needs the superuser)
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  distrifs admin safemode enter")]
struct Enter {}

/// Let the cluster take changes again (needs the superuser)
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  distrifs admin safemode leave")]
struct Leave {}

/// Wait until safe mode has ended
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  distrifs admin safemode wait --limit 2min && ./restore.sh")]
struct Wait {
    /// How long, at most; ends with 6 after that
    #[arg(long, value_name = "SECONDS", value_parser = |text: &str| parse_duration(text).map_err(|error| error.to_string()))]
    limit: Option<Duration>,
}

/// Does it.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let admin = context.fs.admin();
    let failed = |error| Failure::from_client("admin safemode", &error);
    match &args.command {
        None => status(context, &Status::default()).await,
        Some(Command::Status(args)) => status(context, args).await,
        Some(Command::Enter(Enter {})) => {
            admin.set_safe_mode(true).await.map_err(failed)?;
            note("safe mode is on: the cluster can only be read, until `distrifs admin safemode leave`");
            Ok(())
        }
        Some(Command::Leave(Leave {})) => {
            admin.set_safe_mode(false).await.map_err(failed)?;
            match admin.safe_mode().await.map_err(failed)? {
                still if still.on => note(&format!("left; still on: {}", describe(&still))),
                _ => note("safe mode is off"),
            }
            Ok(())
        }
        Some(Command::Wait(args)) => wait(context, args).await,
    }
}

async fn status(context: &Context, args: &Status) -> Result<()> {
    let mode = context.fs.admin().safe_mode().await;
    let mode = mode.map_err(|error| Failure::from_client("admin safemode", &error))?;
    let mut out = Out::stdout()?;
    if args.json {
        out.line(&format!("{:#}", gateway::json::safe_mode(&mode)))?;
    } else {
        out.line(&describe(&mode))?;
    }
    out.flush()
}

/// In one line, for people.
fn describe(mode: &SafeMode) -> String {
    let SafeMode {
        on,
        manual,
        chunks,
        confirmed,
        needed_share,
        reason,
    } = mode;
    if !on {
        return format!("safe mode is off; {confirmed} of {chunks} chunks are confirmed");
    }
    if *manual {
        return "safe mode is on: an operator entered it; `distrifs admin safemode leave` ends it".to_owned();
    }
    let needed = needed_share * 100.0;
    let mut text =
        format!("safe mode is on: {confirmed} of {chunks} chunks are confirmed, {needed}% are needed");
    if !reason.is_empty() {
        text.push_str("; ");
        text.push_str(reason);
    }
    text
}

async fn wait(context: &Context, args: &Wait) -> Result<()> {
    let start = Instant::now();
    let mut told = false;
    loop {
        let mode = context.fs.admin().safe_mode().await;
        let mode = mode.map_err(|error| Failure::from_client("admin safemode wait", &error))?;
        if !mode.on {
            return Ok(());
        }
        if let Some(limit) = args.limit
            && start.elapsed() >= limit
        {
            return Err(Failure::new(
                Exit::Unavailable,
                "admin safemode wait",
                format_args!("after {}: {}", format_duration(limit), describe(&mode)),
            ));
        }
        if !told {
            note(&describe(&mode));
            told = true;
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_waits_for() {
        let mut mode = SafeMode {
            on: true,
            manual: false,
            chunks: 1000,
            confirmed: 900,
            needed_share: 0.999,
            reason: "2 of 3 datanodes are there".to_owned(),
        };
        assert_eq!(
            describe(&mode),
            "safe mode is on: 900 of 1000 chunks are confirmed, 99.9% are needed; 2 of 3 datanodes are there"
        );
        mode.manual = true;
        assert!(describe(&mode).contains("safemode leave"));
        mode.on = false;
        assert!(describe(&mode).starts_with("safe mode is off"));
    }
}
