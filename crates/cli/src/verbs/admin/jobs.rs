//! `admin jobs`: what runs in the background, and what bounds it.

use clap::Subcommand;
use client::{Job, Setting};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::output::{Align, Columns, Out, Style, paint, short_time};
use crate::run::Context;
use crate::verbs::words;

/// Show what runs in the background, and change what bounds it
///
/// The jobs of the leading master, and the scrubbing of every datanode. Settings are of the whole cluster, are kept by it, and
/// are in force at once.
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
  distrifs admin jobs
  distrifs admin jobs set repair.streams_per_node 4
  distrifs admin jobs set repair.bandwidth_per_node 100MiB
  distrifs admin jobs set repair.bandwidth_per_node default";

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Set(Set),
}

/// Show the jobs, with their state, progress, last error and limits, and all settings
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  distrifs admin jobs list --json | jq '.jobs[] | select(.last_error)'")]
struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Change a setting (needs the superuser)
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  distrifs admin jobs set balance.bandwidth_per_node 50MiB\n  distrifs admin jobs set repair.streams default"
)]
struct Set {
    /// Which: `distrifs admin jobs` shows all
    #[arg(value_name = "SETTING")]
    key: String,
    /// To what; `default` takes a choice back
    #[arg(value_name = "VALUE")]
    value: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    match &args.command {
        None => list(context, &args.list).await,
        Some(Command::List(args)) => list(context, args).await,
        Some(Command::Set(args)) => set(context, args).await,
    }
}

async fn set(context: &Context, args: &Set) -> Result<()> {
    let value = match args.value.as_str() {
        "default" => "",
        value => value,
    };
    let setting = context.fs.operations().set_setting(&args.key, value).await;
    let setting =
        setting.map_err(|error| Failure::from_client(format_args!("setting {}", args.key), &error))?;
    let mut out = Out::stdout()?;
    if args.json {
        out.line(&format!("{:#}", setting_json(&setting)))?;
    } else {
        out.line(&format!("{} = {}", setting.key, setting.value))?;
    }
    out.flush()
}

async fn list(context: &Context, args: &List) -> Result<()> {
    let answer = context.fs.operations().jobs().await;
    let (jobs, settings) = answer.map_err(|error| Failure::from_client("admin jobs", &error))?;
    let mut out = Out::stdout()?;
    if args.json {
        let document = json!({
            "jobs": jobs.iter().map(words::job_json).collect::<Vec<_>>(),
            "settings": settings.iter().map(setting_json).collect::<Vec<_>>(),
        });
        out.line(&format!("{document:#}"))?;
    } else {
        let coloured = out.coloured();
        out.print(&job_table(&jobs, coloured))?;
        out.line("")?;
        out.print(&setting_table(&settings, coloured))?;
    }
    out.flush()
}

fn job_table(jobs: &[Job], coloured: bool) -> String {
    let mut table = Columns::new(&[
        Align::Left,
        Align::Left,
        Align::Left,
        Align::Right,
        Align::Left,
        Align::Left,
    ]);
    let heading = ["JOB", "WHERE", "STATE", "DONE", "WHAT", "LAST ERROR"];
    table.row(heading.map(|text| paint(coloured, Style::Bold, text)));
    for job in jobs {
        let error = job.last_error.as_ref().map(|(at, what)| match at.0 {
            0 => what.clone(),
            at => format!("{} UTC: {what}", short_time(at)),
        });
        table.row([
            job.name.clone(),
            job.host.clone().unwrap_or_else(|| "leader".to_owned()),
            job.state.as_str().to_owned(),
            job.progress.map_or_else(|| "-".to_owned(), words::percent),
            job.detail.clone(),
            error.unwrap_or_default(),
        ]);
    }
    table.render()
}

fn setting_table(settings: &[Setting], coloured: bool) -> String {
    let mut table = Columns::new(&[Align::Left, Align::Right, Align::Right, Align::Left]);
    let heading = ["SETTING", "VALUE", "DEFAULT", "WHAT IT DOES"];
    table.row(heading.map(|text| paint(coloured, Style::Bold, text)));
    for setting in settings {
        table.row([
            setting.key.clone(),
            setting.value.clone(),
            setting.default.clone(),
            setting.what.clone(),
        ]);
    }
    table.render()
}

fn setting_json(setting: &Setting) -> Value {
    json!({
        "key": setting.key,
        "value": setting.value,
        "default": setting.default,
        "what": setting.what,
    })
}

#[cfg(test)]
mod tests {
    use client::JobState;
    use types::UnixMillis;

    use super::*;

    #[test]
    fn errors_and_progress_are_seen() {
        let job = Job {
            name: "repair".to_owned(),
            host: None,
            state: JobState::Running,
            progress: Some(0.25),
            detail: "3 copies".to_owned(),
            last_error: Some((UnixMillis(60_000), "no room".to_owned())),
            limits: Vec::new(),
        };
        let expected = "\
JOB     WHERE   STATE     DONE  WHAT      LAST ERROR
repair  leader  running  25.0%  3 copies  1970-01-01 00:01 UTC: no room
";
        assert_eq!(job_table(&[job], false), expected);
    }
}
