//! `chaos`: a cluster of its own is tormented, and every byte that it acknowledged is asked back.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use chaos::{FindingKind, Live, Options, Profile, Report};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;
use types::{ByteSize, format_duration};

use crate::failure::{Exit, Failure, Result};
use crate::output::{Align, Columns, Out, Style, note, paint};
use crate::signals;

/// Torment a cluster of real processes, and check that nothing acknowledged is lost
///
/// Starts a cluster of its own from this very program, in a temporary directory. Clients upload, overwrite, append, rename, delete and
/// read without a pause while masters and datanodes are killed, stopped, cut off and restarted, and while disks are filled, rot and
/// are lost: never more than what the cluster's guarantees allow. Then the faults stop, the cluster must become whole, and
/// everything that was acknowledged is read back and compared.
///
/// Servers are cut off, and disks filled, only where network namespaces can be made and disks mounted (as root, with `ip`): it says so
/// where they can not. Ends with status 1 when anything was lost, corrupted, undone, stuck, dead or not healed; its directory
/// stays then.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// How long faults happen
    #[arg(long, value_name = "MINUTES", default_value_t = 5.0, value_parser = minutes)]
    minutes: f64,
    /// Datanodes
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = count(1, 32))]
    datanodes: u64,
    /// Masters: 1, 3 or 5
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = count(1, 5))]
    masters: u64,
    /// What everything that is chosen at random follows from [default: another one each time]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// What clients do: `files`: whole files and names; `flush`: files that are open and grow, read while they are written
    #[arg(long, value_enum, default_value_t = Work::Files, value_name = "files|flush", hide_possible_values = true)]
    profile: Work,
    /// Keep everything in this directory, which must be empty or new, and leave it [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Leave the directory even when all is well
    #[arg(long)]
    keep: bool,
    /// How long the cluster may take to become whole at the end, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    heal_timeout: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Work {
    Files,
    Flush,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs chaos
  distrifs chaos --minutes 20 --datanodes 5 --masters 3 --seed 7
  distrifs chaos --profile flush --minutes 10
  distrifs chaos --minutes 1 --json | jq '.findings'";

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if minutes > 0.0 && minutes < 1e6 => Ok(minutes),
        _ => Err("it must be a number of minutes above 0".to_owned()),
    }
}

fn count(min: u64, max: u64) -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(min..=max)
}

/// Runs.
pub(crate) async fn run(args: &Args) -> Result<Exit> {
    let options = options(args)?;
    note(&format!("chaos with seed {}", options.seed));
    let (teller, live) = watch::channel(Live::default());
    let shown = tokio::spawn(show(live));
    let outcome = tokio::select! {
        biased;
        signal = signals::stop() => return Err(Failure::Told(signal)),
        outcome = chaos::run(&options, &teller) => outcome,
    };
    drop(teller);
    // It only draws.
    let _ = shown.await;
    let report = outcome.map_err(|error| Failure::new(Exit::Failed, "chaos", error))?;
    let mut out = Out::stdout()?;
    if args.json {
        let text = serde_json::to_string_pretty(&report);
        out.line(&text.map_err(|error| Failure::new(Exit::Failed, "chaos", error))?)?;
    } else {
        let coloured = out.coloured();
        out.print(&screen(&report, coloured))?;
    }
    out.flush()?;
    if report.findings.is_empty() {
        return Ok(Exit::Done);
    }
    Err(Failure::new(Exit::Failed, "chaos", summary(&report)).next(advice(&report)))
}

fn options(args: &Args) -> Result<Options> {
    let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    if args.masters.is_multiple_of(2) {
        return Err(Failure::usage("--masters", "there are 1, 3 or 5"));
    }
    let binary = std::env::current_exe().map_err(|error| Failure::local("this program", &error))?;
    Ok(Options {
        binary,
        time: Duration::from_secs_f64(args.minutes * 60.0),
        datanodes: size(args.datanodes),
        masters: size(args.masters),
        seed: args.seed.unwrap_or_else(some_seed),
        profile: match args.profile {
            Work::Files => Profile::Files,
            Work::Flush => Profile::Flush,
        },
        dir: args.dir.clone(),
        keep: args.keep,
        heal_timeout: Duration::from_secs(args.heal_timeout),
    })
}

/// Short, so that it can be typed again.
fn some_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| u64::from(since.subsec_micros()))
}

/// One line that goes on; where nobody looks at a terminal, a line now and then.
async fn show(mut live: watch::Receiver<Live>) {
    let terminal = std::io::stderr().is_terminal();
    let bar = terminal.then(|| {
        let style = ProgressStyle::with_template("{spinner} {msg}");
        let target = ProgressDrawTarget::stderr_with_hz(5);
        let bar = ProgressBar::with_draw_target(None, target);
        bar.enable_steady_tick(Duration::from_millis(200));
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
    });
    let mut remarked = false;
    let mut phase = String::new();
    while live.changed().await.is_ok() {
        let now = live.borrow_and_update().clone();
        if !remarked && !now.remarks.is_empty() {
            remarked = true;
            for remark in &now.remarks {
                match &bar {
                    Some(bar) => bar.suspend(|| note(remark)),
                    None => note(remark),
                }
            }
        }
        match &bar {
            Some(bar) => bar.set_message(line(&now)),
            None if now.phase != phase => note(&line(&now)),
            None => {}
        }
        phase = now.phase;
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

fn line(live: &Live) -> String {
    let seconds = |time: Duration| format_duration(Duration::from_secs(time.as_secs()));
    let mut line = format!(
        "{} {} of {}, {} calls, {} verified, {} faults",
        live.phase,
        seconds(live.elapsed),
        seconds(live.total),
        live.operations,
        ByteSize(live.verified),
        live.faults
    );
    if live.findings > 0 {
        line.push_str(&format!(", {} FOUND", live.findings));
    }
    if !live.active.is_empty() {
        line.push_str(&format!(" ({})", live.active.join(", ")));
    }
    line
}

fn screen(report: &Report, coloured: bool) -> String {
    let bold = |text: &str| paint(coloured, Style::Bold, text);
    let mut text = format!(
        "{} masters, {} datanodes, {:.0} s of faults, seed {}\n",
        report.masters, report.datanodes, report.seconds, report.seed
    );
    for missing in &report.missing {
        text.push_str(&format!("not done here: {missing}\n"));
    }
    let mut operations = Columns::new(&[
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
    ]);
    operations.row(["operation", "done", "refused", "unknown", "longest"].map(bold));
    for (operation, counts) in &report.operations {
        operations.row([
            operation.name().to_owned(),
            counts.done.to_string(),
            counts.refused.to_string(),
            counts.unknown.to_string(),
            format_duration(Duration::from_millis(counts.longest_ms)),
        ]);
    }
    let mut faults = Columns::new(&[Align::Left, Align::Right]);
    faults.row(["fault", "times"].map(bold));
    for (fault, times) in &report.faults {
        faults.row([(*fault).to_owned(), times.to_string()]);
    }
    text.push_str(&format!("\n{}\n{}\n", operations.render(), faults.render()));
    let mut end = Columns::new(&[Align::Left, Align::Right]);
    let duration = |ms| format_duration(Duration::from_millis(ms));
    end.row(["longest stall".to_owned(), duration(report.longest_stall_ms)]);
    let healed = report
        .healed_ms
        .map_or("not".to_owned(), |ms| format!("after {}", duration(ms)));
    end.row(["whole again".to_owned(), healed]);
    end.row(["files at the end".to_owned(), report.files.to_string()]);
    end.row([
        "bytes verified".to_owned(),
        ByteSize(report.bytes_verified).to_string(),
    ]);
    for kind in [
        FindingKind::Lost,
        FindingKind::Corrupted,
        FindingKind::Undone,
        FindingKind::Stuck,
        FindingKind::Died,
    ] {
        let count = report.count(kind);
        let shown = count.to_string();
        let shown = if count > 0 {
            paint(coloured, Style::Error, &shown)
        } else {
            shown
        };
        end.row([kind.name().to_owned(), shown]);
    }
    text.push_str(&end.render());
    for finding in &report.findings {
        text.push_str(&format!(
            "\n{} {} at {}: {}\n",
            paint(coloured, Style::Error, finding.kind.name()),
            finding.subject,
            duration(finding.at_ms),
            finding.what
        ));
    }
    text
}

fn summary(report: &Report) -> String {
    let mut subjects: Vec<&str> = report
        .findings
        .iter()
        .map(|finding| finding.subject.as_str())
        .collect();
    subjects.dedup();
    subjects.truncate(5);
    format!(
        "seed {}: {} findings, at {}",
        report.seed,
        report.findings.len(),
        subjects.join(", ")
    )
}

fn advice(report: &Report) -> String {
    match &report.directory {
        Some(directory) => format!(
            "look at {0}/events.log for what happened around it, and at {0}/*.log for what the servers said",
            directory.display()
        ),
        None => "run it again with --keep".to_owned(),
    }
}
