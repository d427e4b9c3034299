//! `top`: what is going on, live.

use std::io::Write as _;
use std::time::Duration;

use client::{Activity, HealthLevel, MasterRole, NodeLiveness};
use gateway::{Before, Look};
use serde_json::Value;
use types::ByteSize;

use super::words;
use crate::failure::{Failure, Result};
use crate::output::{Align, Columns, Out, Style, paint, short_time};
use crate::run::Context;

/// Watch the cluster live: rates, datanodes, the hottest clients and directories
///
/// Calls are those to the leading master; bytes are those of the data plane, each copy counted. Clients are user@host with their
/// calls in the last seconds, directories those that calls were about. Ctrl-C ends it.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Show it once and end
    #[arg(long)]
    once: bool,
    /// With --once: print JSON
    #[arg(long, requires = "once")]
    json: bool,
    /// How often
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = |text: &str| types::parse_duration(text).map_err(|error| error.to_string()))]
    every: Duration,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs top
  distrifs top --every 5s
  distrifs top --once --json | jq '.hot.clients[0]'    # who asks the most";

/// The shortest time in which rates mean something.
const EVERY_MIN: Duration = Duration::from_millis(200);

/// Rows where the terminal does not say how many it has.
const ROWS: usize = 40;

/// Shows.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let every = args.every.max(EVERY_MIN);
    let failed = |why: String| Failure::new(crate::failure::Exit::Unavailable, "top", why);
    if args.once {
        let before = Look::take(&context.fs, words::now().0)
            .await
            .map_err(failed)?
            .rates(None)
            .1;
        tokio::time::sleep(every).await;
        let (look, rates, activity, _) = look(context, Some(before)).await.map_err(failed)?;
        let mut out = Out::stdout()?;
        if args.json {
            out.line(&format!("{:#}", to_json(&look, &rates, &activity)))?;
        } else {
            let coloured = out.coloured();
            out.print(&screen(&look, &rates, &activity, coloured))?;
        }
        return out.flush();
    }
    let screen_of_its_own = Alternate::enter();
    let mut before = None;
    loop {
        let text = match look(context, before.take()).await {
            Ok((look, rates, activity, after)) => {
                before = Some(after);
                screen(&look, &rates, &activity, true)
            }
            Err(why) => format!(
                "{}\n\n{why}\n",
                paint(true, Style::Error, "Nobody says how the cluster is.")
            ),
        };
        screen_of_its_own.show(&text)?;
        tokio::time::sleep(every).await;
    }
}

async fn look(
    context: &Context,
    before: Option<Before>,
) -> std::result::Result<(Look, Value, Activity, Before), String> {
    let look = Look::take(&context.fs, words::now().0).await?;
    let activity = context
        .fs
        .operations()
        .activity()
        .await
        .map_err(|error| error.to_string())?;
    let (rates, after) = look.rates(before);
    Ok((look, rates, activity, after))
}

fn to_json(look: &Look, rates: &Value, activity: &Activity) -> Value {
    let mut document = look.to_json(rates);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("hot".to_owned(), gateway::json::activity(activity));
    }
    document
}

/// One screen.
fn screen(look: &Look, rates: &Value, activity: &Activity, coloured: bool) -> String {
    let Look {
        health,
        masters,
        nodes,
        ..
    } = look;
    let style = match health.level {
        HealthLevel::Healthy | HealthLevel::Degraded => Style::Bold,
        HealthLevel::AtRisk | HealthLevel::Lost => Style::Error,
    };
    let level = paint(coloured, style, &health.level.as_str().to_uppercase());
    let leader = masters.masters.iter().find(|one| one.role == MasterRole::Leader);
    let answering = masters.masters.iter().filter(|one| one.answers).count();
    let mut text = format!(
        "{}  {level}  {answering} of {} masters, {} leads; {} of {} datanodes live\n",
        short_time(look.at_ms),
        masters.masters.len(),
        leader.map_or("nobody", |one| one.address.as_str()),
        health.nodes_live,
        health.nodes,
    );
    text.push_str(&format!(
        "calls {}/s, {} each   in {}/s   out {}/s   used {}, free {}\n",
        number(rates, "calls_per_s"),
        match rates.get("call_us").and_then(Value::as_f64) {
            Some(us) => format!("{:.2} ms", us / 1_000.0),
            None => "–".to_owned(),
        },
        bytes(rates.get("in_per_s")),
        bytes(rates.get("out_per_s")),
        ByteSize(health.used),
        ByteSize(health.available),
    ));
    if health.repairing.queued > 0 || health.repairing.running > 0 {
        text.push_str(&format!(
            "repair: {} chunks to do, {} copies under way, {}/s\n",
            health.repairing.queued,
            health.repairing.running,
            ByteSize(health.repairing.bytes_per_s)
        ));
    }
    for problem in health.problems.iter().take(3) {
        text.push_str(&format!(
            "{}: {}\n",
            paint(coloured, Style::Bold, problem.level.as_str()),
            problem.what
        ));
    }
    text.push('\n');
    text.push_str(&node_table(nodes, rates, coloured));
    text.push('\n');
    text.push_str(&hot_table(activity, coloured));
    text
}

fn node_table(nodes: &[client::NodeDetail], rates: &Value, coloured: bool) -> String {
    let mut table = Columns::new(&[
        Align::Left,
        Align::Left,
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
    ]);
    let heading = [
        "DATANODE", "LIVE", "STATE", "IN/s", "OUT/s", "STREAMS", "USED", "FREE",
    ];
    table.row(heading.map(|text| paint(coloured, Style::Bold, text)));
    let mut nodes: Vec<_> = nodes.iter().collect();
    nodes.sort_by(|one, other| one.address.cmp(&other.address));
    for node in nodes {
        let live = match node.liveness {
            NodeLiveness::Live | NodeLiveness::Late => node.liveness.as_str().to_owned(),
            other => paint(coloured, Style::Error, other.as_str()),
        };
        let moved = rates
            .get("by_node")
            .and_then(|nodes| nodes.get(node.id.to_string()));
        let of = |name: &str| bytes(moved.and_then(|moved| moved.get(name)));
        table.row([
            node.address.clone(),
            live,
            node.admin.as_str().to_owned(),
            of("in_per_s"),
            of("out_per_s"),
            node.streams.to_string(),
            ByteSize(node.sum(|one| one.used)).to_string(),
            ByteSize(node.sum(|one| one.available)).to_string(),
        ]);
    }
    table.render()
}

/// Clients and directories side by side.
fn hot_table(activity: &Activity, coloured: bool) -> String {
    let mut table = Columns::new(&[Align::Left, Align::Right, Align::Left, Align::Right]);
    let heading = ["CLIENT", "CALLS/s", "DIRECTORY", "CALLS/s"];
    table.row(heading.map(|text| paint(coloured, Style::Bold, text)));
    let rows = activity.clients.len().max(activity.directories.len());
    let cells = |hot: Option<&(String, f64)>| match hot {
        Some((name, calls)) => (name.clone(), format!("{calls:.1}")),
        None => (String::new(), String::new()),
    };
    for row in 0..rows {
        let (client, calls) = cells(activity.clients.get(row));
        let (directory, about) = cells(activity.directories.get(row));
        table.row([client, calls, directory, about]);
    }
    table.render()
}

fn number(rates: &Value, name: &str) -> String {
    rates
        .get(name)
        .and_then(Value::as_f64)
        .map_or_else(|| "–".to_owned(), |rate| format!("{rate:.0}"))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate, to be looked at"
)]
fn bytes(rate: Option<&Value>) -> String {
    let rate = rate.and_then(Value::as_f64);
    rate.map_or_else(|| "–".to_owned(), |rate| ByteSize(rate as u64).to_string())
}

/// The terminal's other screen, so that what was there before is there again afterwards.
struct Alternate;

impl Alternate {
    fn enter() -> Self {
        let _ = std::io::stdout().write_all(b"\x1b[?1049h\x1b[?25l");
        Self
    }

    /// As much of `text` as there is room for.
    fn show(&self, text: &str) -> Result<()> {
        let size = rustix::termios::tcgetwinsize(std::io::stdout());
        let rows = size.map_or(ROWS, |size| usize::from(size.ws_row)).max(2);
        let mut shown = String::from("\x1b[H");
        for line in text.lines().take(rows - 1) {
            shown.push_str(line);
            // What was there before is wiped line by line: the screen does not flicker.
            shown.push_str("\x1b[K\n");
        }
        shown.push_str("\x1b[J");
        let mut out = std::io::stdout().lock();
        let written = out.write_all(shown.as_bytes()).and_then(|()| out.flush());
        written.map_err(|error| Failure::stdout(&error))
    }
}

impl Drop for Alternate {
    fn drop(&mut self) {
        let _ = std::io::stdout().write_all(b"\x1b[?25h\x1b[?1049l");
        let _ = std::io::stdout().flush();
    }
}
