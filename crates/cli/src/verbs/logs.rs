//! `logs`: what happens in the cluster, as it happens.

use std::time::Duration;

use gateway::{Events, Look};
use serde_json::Value;

use super::words;
use crate::config::{HttpPortFlags, Key};
use crate::failure::{Exit, Failure, Result};
use crate::http;
use crate::output::{Out, Style, paint, short_time};
use crate::run::Context;

/// Show what has happened in the cluster, and follow it
///
/// Datanodes and disks that come, go and fail; what begins to be wrong with the data and what is over; who leads the masters;
/// safe mode, and the draining of datanodes. (All that operators order is in the audit log.) With -f it goes on, from now, until
/// ctrl-C, through changes of the leader. Without, it is what a master has seen since it started, asked on its HTTP port. What
/// each server says of itself is in its own log.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Go on with what happens from now
    #[arg(short, long)]
    follow: bool,
    /// Whose memory is asked without -f: HOST:PORT of a master's HTTP port [default: the leader's host, --http-port]
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "follow")]
    http: Option<String>,
    /// Print one document of JSON a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) settings: HttpPortFlags,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs logs                       # what the leading master remembers
  distrifs logs -f                    # until ctrl-C
  distrifs logs -f --json | jq -r 'select(.tone == \"bad\") | .what'";

/// How often the leader is asked.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a master may take to tell what it remembers.
const PATIENCE: Duration = Duration::from_secs(5);

/// Shows.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let mut out = Out::stdout()?;
    if !args.follow {
        for event in remembered(context, args).await?.iter().rev() {
            print(&mut out, args.json, event)?;
        }
        return out.flush();
    }
    let mut events = Events::default();
    loop {
        let at = words::now().0;
        match Look::take(&context.fs, at).await {
            Ok(look) => events.see(&look),
            Err(why) => events.silence(at, &why),
        }
        for event in events.take() {
            print(&mut out, args.json, &event)?;
        }
        out.flush()?;
        tokio::time::sleep(PAUSE).await;
    }
}

/// What a master remembers, newest first.
async fn remembered(context: &Context, args: &Args) -> Result<Vec<Value>> {
    let address = match &args.http {
        Some(address) => address.clone(),
        None => {
            let group = context.fs.admin().masters().await;
            let group = group.map_err(|error| Failure::from_client("logs", &error))?;
            let leader = group.masters.iter().find(|one| Some(one.id) == group.leader);
            let address = leader.or(group.masters.first()).map(|one| one.address.as_str());
            let host = address
                .and_then(|address| address.rsplit_once(':'))
                .map_or("127.0.0.1", |(host, _)| host);
            format!(
                "{host}:{}",
                context.settings.number::<u16>(Key::HttpPort).unwrap_or_default()
            )
        }
    };
    let failed = |why: &str| {
        Failure::new(Exit::Unavailable, &address, why).next(
            "say where the HTTP port of a master is: --http HOST:PORT; or follow what happens from now: -f",
        )
    };
    let asking = http::get(&address, "/api/v1/events");
    let answer = match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(failed(&crate::failure::words(&error))),
        Err(_) => return Err(failed("no answer in time")),
    };
    let told: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    match told.get("events").and_then(Value::as_array) {
        Some(events) => Ok(events.clone()),
        None => Err(failed("it does not tell events: it is no master's HTTP port")),
    }
}

fn print(out: &mut Out, json: bool, event: &Value) -> Result<()> {
    if json {
        return out.line(&event.to_string());
    }
    let line = line(event, out.coloured());
    out.line(&line)
}

fn line(event: &Value, coloured: bool) -> String {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let at = event.get("at_ms").and_then(Value::as_u64).unwrap_or_default();
    let (tone, what, why) = (text("tone"), text("what"), text("why"));
    let tone = format!("{tone:<7}");
    let tone = match tone.trim() {
        "bad" => paint(coloured, Style::Error, &tone),
        "warning" => paint(coloured, Style::Bold, &tone),
        _ => paint(coloured, Style::Dim, &tone),
    };
    let because = if why.is_empty() {
        String::new()
    } else {
        format!(" ({why})")
    };
    format!("{}  {tone}  {what}{because}", short_time(at))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_when_how_bad_what_and_why() {
        let event =
            json!({"id": 1, "at_ms": 0, "tone": "bad", "what": "datanode d:1 is dead", "why": "it was live"});
        assert_eq!(
            line(&event, false),
            "1970-01-01 00:00  bad      datanode d:1 is dead (it was live)"
        );
        let event = json!({"id": 1, "at_ms": 0, "tone": "good", "what": "safe mode is over", "why": ""});
        assert!(line(&event, false).ends_with("safe mode is over"));
    }
}
