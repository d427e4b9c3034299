//! What the servers' command lines have in common: ports, addresses, the ready file.

use std::path::PathBuf;

use crate::config::{Key, Settings};
use crate::failure::{Exit, Failure, Result, words};

/// Options of one start, which are no settings.
#[derive(Debug, clap::Args)]
pub(crate) struct StartArgs {
    /// `auto`: the system chooses every port that no flag names
    #[arg(long, value_enum, default_value_t = Ports::Default, value_name = "default|auto", hide_possible_values = true)]
    ports: Ports,
    /// Write the addresses to this file, as JSON, once it serves
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Ports {
    Default,
    Auto,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listen {
    /// The host, in brackets where it is an IPv6 address.
    pub(crate) host: String,
    /// The port of its main service.
    pub(crate) port: u16,
}

impl Listen {
    /// Reads the setting `listen`, with the port of `key` where it names none, and `host` where it names none.
    pub(crate) fn of(settings: &Settings, start: &StartArgs, key: Key, host: &str) -> Self {
        let (named_host, named_port) = split(settings.text(Key::Listen).unwrap_or_default());
        let explicit = named_port.filter(|_| start.ports == Ports::Default || settings.is_flag(Key::Listen));
        Self {
            host: named_host.unwrap_or(host).to_owned(),
            port: explicit.unwrap_or_else(|| port(settings, start, key)),
        }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The same host with another port.
    pub(crate) fn with_port(&self, port: u16) -> Self {
        Self {
            host: self.host.clone(),
            port,
        }
    }
}

/// The port of the setting `key`; 0 where the system is to choose.
pub(crate) fn port(settings: &Settings, start: &StartArgs, key: Key) -> u16 {
    if start.ports == Ports::Auto && !settings.is_flag(key) {
        return 0;
    }
    settings.number(key).unwrap_or(0)
}

/// `HOST`, `HOST:PORT`, `:PORT`, as they have been checked when they were read.
fn split(text: &str) -> (Option<&str>, Option<u16>) {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (text, None),
    };
    ((!host.is_empty()).then_some(host), port)
}

/// What a server advertises: a host, in brackets where it is an IPv6 address and has a port, and perhaps a port.
pub(crate) fn advertised(text: &str) -> (&str, Option<u16>) {
    match text.rsplit_once(':') {
        // The last part of an IPv6 address is no port.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (text, None),
        },
        _ => (text, None),
    }
}

/// A server that is a master was told where to find one.
///
/// # Errors
/// When it was, on the command line.
pub(crate) fn no_master_named(role: &str, settings: &Settings) -> Result<()> {
    if settings.is_flag(Key::Master) {
        return Err(
            Failure::usage(role, "--master names a master to call, and this is one")
                .next("--listen HOST[:PORT] says where to be one, and --masters lists all masters of a cluster, this one too"),
        );
    }
    Ok(())
}

/// What this machine calls itself.
pub(crate) fn machine_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty() && name != "(none)").then(|| name.to_owned())
}

/// The host without the brackets of an IPv6 address.
pub(crate) fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// A server that can not listen.
pub(crate) fn can_not_listen(role: &str, address: &str, error: &std::io::Error) -> Failure {
    let failure = Failure::new(
        Exit::InTheWay,
        role,
        format_args!("can not listen on {address}: {}", words(error)),
    );
    if error.kind() == std::io::ErrorKind::AddrInUse {
        return failure.next(
            "another process has this port, perhaps another cluster: stop it, or let the system choose: --ports auto \
             (or choose yourself: --master-port, --http-port, --data-port, --datanode-http-port)",
        );
    }
    failure.next("--listen HOST chooses the address")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flag;

    fn listen(ports: Ports, flags: &[(Key, &str)], env: &[(&str, &str)]) -> String {
        let flags: Vec<_> = flags
            .iter()
            .map(|&(key, text)| Flag {
                key,
                text: text.to_owned(),
            })
            .collect();
        let env = |name: &str| {
            env.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, text)| (*text).to_owned())
        };
        let settings = Settings::load(&flags, &env, None).unwrap();
        let start = StartArgs {
            ports,
            ready_file: None,
        };
        Listen::of(&settings, &start, Key::MasterPort, "127.0.0.1").address()
    }

    #[test]
    fn flags_name_the_address() {
        assert_eq!(listen(Ports::Default, &[], &[]), "127.0.0.1:9800");
        assert_eq!(
            listen(Ports::Default, &[(Key::Listen, "0.0.0.0")], &[]),
            "0.0.0.0:9800"
        );
        assert_eq!(listen(Ports::Default, &[(Key::Listen, ":7")], &[]), "127.0.0.1:7");
        assert_eq!(
            listen(Ports::Default, &[(Key::Listen, "[::1]:7")], &[]),
            "[::1]:7"
        );
        assert_eq!(
            listen(Ports::Default, &[(Key::Listen, "[::1]")], &[]),
            "[::1]:9800"
        );
    }

    #[test]
    fn the_system_chooses_what_no_flag_names() {
        assert_eq!(listen(Ports::Auto, &[], &[]), "127.0.0.1:0");
        assert_eq!(listen(Ports::Auto, &[(Key::MasterPort, "7")], &[]), "127.0.0.1:7");
        assert_eq!(listen(Ports::Auto, &[(Key::Listen, "h:7")], &[]), "h:7");
        let env = [("DISTRIFS_MASTER_PORT", "7"), ("DISTRIFS_LISTEN", "h:8")];
        assert_eq!(
            listen(Ports::Auto, &[], &env),
            "h:0",
            "where clients look for a master is not where to be one"
        );
    }

    #[test]
    fn what_is_advertised_may_have_a_port() {
        assert_eq!(advertised("node"), ("node", None));
        assert_eq!(advertised("node:7"), ("node", Some(7)));
        assert_eq!(advertised("fe80::1"), ("fe80::1", None));
        assert_eq!(advertised("[fe80::1]"), ("[fe80::1]", None));
        assert_eq!(advertised("[fe80::1]:7"), ("[fe80::1]", Some(7)));
    }

    #[test]
    fn a_taken_port_is_named_with_what_to_do() {
        let Failure::Tell(report) =
            can_not_listen("mini", "127.0.0.1:9866", &std::io::ErrorKind::AddrInUse.into())
        else {
            panic!("it has to be told")
        };
        assert!(report.why.contains("127.0.0.1:9866"));
        assert!(report.next.unwrap().contains("--ports auto"));
    }
}
