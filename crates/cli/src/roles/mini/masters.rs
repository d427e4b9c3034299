//! The masters of `mini`: one in `master`, or several in `master-1`, `master-2`, ….
//!
//! Several know each other by their addresses, which therefore stay: `masters.json` keeps them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use env::Env;
use env::net::ReservedPort;
use futures_util::future::{join_all, select_all};
use master::{Master, StartError};

use super::super::master as role;
use super::super::options::Listen;
use super::super::ready::reachable;
use super::super::web;
use crate::config::Settings;
use crate::failure::{Exit, Failure, Result};

/// Keeps the addresses of several masters.
const FILE: &str = "masters.json";

/// Where the masters will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Their directories.
    dirs: Vec<PathBuf>,
    /// Where the first one listens.
    listen: Listen,
    /// Their addresses, where they have been before.
    before: Option<Vec<String>>,
    /// Where the addresses are kept.
    file: PathBuf,
}

impl Plan {
    /// As many as `wanted`, or as there are in `dir`.
    ///
    /// # Errors
    /// When both are said, and differ.
    pub(super) fn of(dir: &Path, wanted: Option<u16>, listen: &Listen) -> Result<Self> {
        let existing = existing(dir);
        if let (Some(wanted), Some(existing)) = (wanted, existing)
            && wanted != existing
        {
            let had = match existing {
                1 => "one master".to_owned(),
                several => format!("{several} masters"),
            };
            return Err(Failure::usage(
                "mini",
                format_args!("the cluster in {} was begun with {had}", dir.display()),
            )
            .next("leave --masters out, or begin another cluster in another directory"));
        }
        let count = wanted.or(existing).unwrap_or(1);
        let file = dir.join(FILE);
        let (dirs, before) = match count {
            1 => (vec![dir.join("master")], None),
            count => (
                (1..=count).map(|n| dir.join(format!("master-{n}"))).collect(),
                read(&file)?,
            ),
        };
        Ok(Self {
            dirs,
            listen: listen.clone(),
            before,
            file,
        })
    }

    /// The addresses of the masters, and what keeps for them the ports that the system chose.
    fn addresses(&self) -> Result<(Vec<String>, Vec<ReservedPort>)> {
        if let Some(before) = &self.before
            && before.len() == self.dirs.len()
        {
            return Ok((before.clone(), Vec::new()));
        }
        let first = self.listen.port;
        let reserved = match first {
            0 => ReservedPort::several_on(&self.listen.host, self.dirs.len())
                .map_err(|error| Failure::local("mini: choosing ports", &error))?,
            _ => Vec::new(),
        };
        let ports = match first {
            0 => reserved.iter().map(ReservedPort::number).collect(),
            _ => (0..self.dirs.len())
                .map(|n| u16::try_from(n).ok().and_then(|n| first.checked_add(n)))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| {
                    Failure::usage("mini", format_args!("there are not enough ports from {first} on"))
                })?,
        };
        let address = |port| self.listen.with_port(port).address();
        Ok((ports.into_iter().map(address).collect(), reserved))
    }

    fn keep(&self, addresses: &[String]) -> Result<()> {
        let write = || {
            if let Some(dir) = self.file.parent() {
                fs::create_dir_all(dir)?;
            }
            fs::write(&self.file, serde_json::to_string(addresses)? + "\n")
        };
        write().map_err(|error| Failure::local(self.file.display(), &error))
    }
}

/// The masters of a cluster in this process.
pub(super) struct Masters {
    running: Vec<Master>,
    /// Where they are, `host:port` each.
    pub(super) addresses: Vec<String>,
    /// Replicas of each chunk.
    pub(super) replication: u16,
}

impl Masters {
    /// Starts them all. `config` makes the settings of one in a directory.
    ///
    /// # Errors
    /// When one of them does not start.
    pub(super) async fn start(
        plan: Plan,
        http: &Listen,
        config: impl Fn(&Path) -> master::Config,
    ) -> Result<Self> {
        // One master is told where to listen; several must know each other's addresses before.
        let (addresses, reserved) = match plan.dirs.len() {
            1 => (Vec::new(), Vec::new()),
            _ => plan.addresses()?,
        };
        if !addresses.is_empty() {
            plan.keep(&addresses)?;
        }
        let mut replication = 0;
        let configs: Vec<_> = plan
            .dirs
            .iter()
            .enumerate()
            .map(|(n, dir)| {
                let mut config = config(dir);
                replication = config.replication;
                config.listen = plan.listen.address();
                if let Some(own) = addresses.get(n) {
                    config.listen.clone_from(own);
                    config.advertise = Some(own.clone());
                    config.masters.clone_from(&addresses);
                }
                // The first one's port is the one that is known; the others follow.
                let offset = u16::try_from(n).unwrap_or(0);
                let port = match http.port {
                    0 => 0,
                    first => first.saturating_add(offset),
                };
                config.http = http.with_port(port).address();
                config
            })
            .collect();
        let starting = configs
            .into_iter()
            .map(|config| Master::start(Env::real(), config));
        let started = join_all(starting).await;
        // They listen.
        drop(reserved);
        let running = Self::all_or_none(started).await?;
        let addresses = match addresses.is_empty() {
            false => addresses,
            true => running
                .iter()
                .map(|master| reachable(master.grpc_addr(), None))
                .collect(),
        };
        Ok(Self {
            running,
            addresses,
            replication,
        })
    }

    /// The masters, when all have started; else those that have are stopped.
    async fn all_or_none(started: Vec<Result<Master, StartError>>) -> Result<Vec<Master>> {
        let count = started.len();
        let mut running = Vec::new();
        let mut failed = None;
        for (n, result) in started.into_iter().enumerate() {
            match result {
                Ok(master) => running.push(master),
                Err(error) => failed = failed.or(Some((n, error))),
            }
        }
        let Some((n, error)) = failed else {
            return Ok(running);
        };
        join_all(running.into_iter().map(Master::shutdown)).await;
        let who = match count {
            1 => "mini".to_owned(),
            _ => format!("mini: master {}", n + 1),
        };
        Err(role::refused(&who, &error))
    }

    /// Serves the gateway on the HTTP port of each.
    ///
    /// # Errors
    /// When it can not be made.
    pub(super) fn mount_gateways(&self, settings: &Settings, superuser: &str) -> Result<()> {
        let mut masters = self.running.iter();
        masters.try_for_each(|master| web::mount_on_master(settings, master, &self.addresses, superuser))
    }

    /// Waits until they have a cluster; says which.
    pub(super) async fn formed(&self) -> String {
        let clusters = join_all(self.running.iter().map(Master::formed)).await;
        clusters.first().map(ToString::to_string).unwrap_or_default()
    }

    /// The HTTP address of the first.
    pub(super) fn http(&self) -> Option<String> {
        self.running
            .first()
            .map(|master| reachable(master.http_addr(), None))
    }

    /// The ports that they have.
    pub(super) fn ports(&self) -> Vec<u16> {
        let ports = self
            .running
            .iter()
            .map(|master| [master.grpc_addr().port(), master.http_addr().port()]);
        ports.flatten().collect()
    }

    /// Resolves when one of them can not go on.
    pub(super) async fn failed(&self) -> Failure {
        let all = self.running.iter().map(|master| Box::pin(master.failed()));
        let (failure, n, _) = select_all(all).await;
        let who = match self.running.len() {
            1 => "mini: master".to_owned(),
            _ => format!("mini: master {}", n + 1),
        };
        Failure::new(Exit::Failed, who, failure)
    }

    /// Stops them.
    pub(super) async fn shutdown(self) {
        join_all(self.running.into_iter().map(Master::shutdown)).await;
    }
}

/// How many masters a directory was used with before.
fn existing(dir: &Path) -> Option<u16> {
    if dir.join("master").is_dir() {
        return Some(1);
    }
    (1..=9)
        .take_while(|n| dir.join(format!("master-{n}")).is_dir())
        .last()
}

fn read(file: &Path) -> Result<Option<Vec<String>>> {
    match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| {
            Failure::new(
                Exit::Failed,
                file.display(),
                format_args!("is not a list of addresses: {error}"),
            )
            .next("it has the addresses of the masters, as [\"host:port\", …]")
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::local(file.display(), &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(port: u16) -> Listen {
        Listen {
            host: "127.0.0.1".to_owned(),
            port,
        }
    }

    #[test]
    fn several_masters_take_the_ports_that_follow_and_keep_them() {
        let dir = tempfile::tempdir().unwrap();
        let plan = Plan::of(dir.path(), Some(3), &listen(9800)).unwrap();
        let (addresses, _) = plan.addresses().unwrap();
        assert_eq!(addresses, ["127.0.0.1:9800", "127.0.0.1:9801", "127.0.0.1:9802"]);
        plan.keep(&addresses).unwrap();
        for one in &plan.dirs {
            fs::create_dir(one).unwrap();
        }
        let again = Plan::of(dir.path(), None, &listen(0)).unwrap();
        assert_eq!((again.dirs.len(), again.addresses().unwrap().0), (3, addresses));
        assert!(Plan::of(dir.path(), Some(5), &listen(0)).is_err());
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(Plan::of(dir.path(), None, &listen(0)).is_err());
    }

    #[test]
    fn one_master_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Plan::of(dir.path(), None, &listen(1)).unwrap().dirs.len(), 1);
        fs::create_dir(dir.path().join("master")).unwrap();
        assert!(Plan::of(dir.path(), Some(3), &listen(1)).is_err());
    }

    #[test]
    fn ports_end() {
        let plan = Plan::of(Path::new("/nowhere"), Some(3), &listen(65_535)).unwrap();
        assert!(plan.addresses().is_err());
    }
}
