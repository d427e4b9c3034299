//! `healthcheck`: whether a server does what it is there for. For container engines, service managers, load balancers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::config::{Key, PortFlags, Settings};
use crate::failure::{Exit, Failure, Result, words};
use crate::http;
use crate::output::Out;

/// Ask one server whether it is ready, for container engines and scripts
///
/// It asks the server's HTTP port: /readyz, which is what a load balancer wants to know, or with --alive /healthz, by which
/// a process that hangs is told from one that waits for others. No master is asked, and no user needed. Ends with 0 when
/// the server says yes, with 6 when it says no or nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A server of this machine, by its role, or HOST:PORT of any server's HTTP port
    #[arg(value_name = "master|datanode|HOST:PORT")]
    server: String,
    /// Ask only whether it is alive
    #[arg(long)]
    alive: bool,
    /// How long it may take to answer
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = |text: &str| types::parse_duration(text).map_err(|error| error.to_string()))]
    limit: Duration,
    /// Print what it answered, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) settings: PortFlags,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs healthcheck master                     # of this machine, on its HTTP port (9870)
  distrifs healthcheck datanode --alive
  distrifs healthcheck m2.example:9870 --json
  HEALTHCHECK CMD [\"/usr/bin/distrifs\", \"healthcheck\", \"datanode\"]    # in a Dockerfile";

/// Asks.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Result<()> {
    let address = match args.server.as_str() {
        "master" => own(settings, Key::HttpPort),
        "datanode" => own(settings, Key::DatanodeHttpPort),
        other
            if other
                .rsplit_once(':')
                .is_some_and(|(_, port)| port.parse::<u16>().is_ok()) =>
        {
            other.to_owned()
        }
        other => {
            return Err(Failure::usage(
                "healthcheck",
                format_args!("{other} is neither master, datanode, nor HOST:PORT"),
            ));
        }
    };
    let path = if args.alive { "/healthz" } else { "/readyz" };
    let unavailable = |why: &str| Failure::new(Exit::Unavailable, &address, why);
    let answer = match tokio::time::timeout(args.limit, http::get(&address, path)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(unavailable(&words(&error))),
        Err(_) => return Err(unavailable("no answer in time")),
    };
    let told: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let well = answer.status == 200;
    let mut out = Out::stdout()?;
    if args.json {
        out.line(&format!(
            "{:#}",
            json!({ "server": address, "well": well, "answer": told })
        ))?;
    } else if well {
        out.line(&said(&address, args.alive, &told))?;
    }
    out.flush()?;
    if well {
        return Ok(());
    }
    if args.json {
        return Err(Failure::Told(Exit::Unavailable));
    }
    let why = told.get("reason").and_then(Value::as_str).map_or_else(
        || format!("it answered {}", answer.status),
        |reason| format!("not ready: {reason}"),
    );
    Err(unavailable(&why))
}

/// Where a server of this machine serves HTTP: where it listens, by the same settings.
fn own(settings: &Settings, port: Key) -> String {
    let listen = settings.text(Key::Listen).unwrap_or_default();
    let host = match listen.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => listen,
    };
    let host = match host {
        "" | "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        host => host,
    };
    format!("{host}:{}", settings.number::<u16>(port).unwrap_or_default())
}

/// What is good to know of a server that is well.
fn said(address: &str, alive: bool, told: &Value) -> String {
    let state = if alive { "alive" } else { "ready" };
    match (
        told.get("role").and_then(Value::as_str),
        told.get("masters").and_then(Value::as_u64),
    ) {
        (Some(role), _) => format!(
            "{address}: {state}, {role} of term {}",
            told.get("term").unwrap_or(&Value::Null)
        ),
        (None, Some(masters)) => format!("{address}: {state}, known to {masters} masters"),
        (None, None) => format!("{address}: {state}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flag;

    #[test]
    fn a_server_of_this_machine_is_asked_where_it_listens() {
        let of = |listen: &[&str]| {
            let flag = |text: &&str| Flag {
                key: Key::Listen,
                text: (*text).to_owned(),
            };
            let flags: Vec<_> = listen.iter().map(flag).collect();
            own(
                &Settings::load(&flags, &|_| None, None).unwrap(),
                Key::DatanodeHttpPort,
            )
        };
        assert_eq!(of(&[]), "127.0.0.1:9864");
        assert_eq!(of(&["0.0.0.0:7"]), "127.0.0.1:9864");
        assert_eq!(of(&["10.0.0.1"]), "10.0.0.1:9864");
        assert_eq!(of(&["[::]"]), "[::1]:9864");
        assert_eq!(of(&["[fe80::1]:7"]), "[fe80::1]:9864");
    }
}
