//! `mini`: a whole cluster in one process. The parts are the same as those of `master` and `datanode`.

mod greeting;
mod masters;

use std::path::{Path, PathBuf};

use datanode::Datanode;
use env::Env;
use futures_util::future::{join_all, select_all, try_join_all};

use self::greeting::greet;
use self::masters::Masters;
use super::options::{Listen, StartArgs, bare, no_master_named, port};
use super::ready::{Ready, reachable};
use super::stop::shut_down;
use super::web;
use super::{datanode as datanode_role, master as master_role};
use crate::config::{Key, MiniFlags, Settings};
use crate::failure::{Exit, Failure, Result};
use crate::output::note;
use crate::signals;

/// Run a whole cluster in one process: masters and datanodes
///
/// It begins with an empty directory or goes on where it stopped. What was acknowledged is there again, also after
/// kill -9. Without --datanodes and --masters an existing cluster gets as many as it has directories for.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// How many datanodes [default: 3, or as many as the directory has]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=64))]
    datanodes: Option<u16>,
    /// How many masters: one, or several that elect a leader [default: 1, or as many as the directory has]
    #[arg(long, value_enum, value_name = "1|3|5", hide_possible_values = true)]
    masters: Option<Count>,
    #[command(flatten)]
    start: StartArgs,
    #[command(flatten)]
    pub(crate) settings: MiniFlags,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs mini                                    # ports 9800 and 9864 to 9870
  distrifs mini --dir ./cluster --datanodes 5
  distrifs mini --dir ./three --masters 3          # ports 9800 to 9802; then: distrifs admin masters
  distrifs mini --dir \"$(mktemp -d)\" --ports auto --ready-file ready.json &   # for scripts

The ready file: {\"master\": \"host:port\", \"http\": \"host:port\", \"datanodes\": [\"host:port\", …],
                 \"datanodes_http\": [\"host:port\", …]}
Ctrl-C or SIGTERM stops it; the data stays.";

/// Numbers of masters that make sense: of two, none may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Count {
    #[value(name = "1")]
    One,
    #[value(name = "3")]
    Three,
    #[value(name = "5")]
    Five,
}

impl Count {
    const fn number(self) -> u16 {
        match self {
            Self::One => 1,
            Self::Three => 3,
            Self::Five => 5,
        }
    }
}

/// Datanodes when nobody says how many.
const DATANODES: u16 = 3;

/// Runs it until it is told to stop.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Result<Exit> {
    no_master_named("mini", settings)?;
    let dir = match settings.path(Key::StoragePath) {
        Some(dir) => dir.to_path_buf(),
        None => default_dir(&|name| std::env::var(name).ok())?,
    };
    let existing = existing_datanodes(&dir);
    let count = match (args.datanodes, existing) {
        (Some(count), existing) => {
            if count < existing {
                note(&format!(
                    "{} has {existing} datanodes; chunks that only those beyond the first {count} have can not be read",
                    dir.display()
                ));
            }
            count
        }
        (None, 0) => DATANODES,
        (None, existing) => existing,
    };
    let listen = Listen::of(settings, &args.start, Key::MasterPort, "127.0.0.1");
    let http = listen.with_port(port(settings, &args.start, Key::HttpPort));
    let plan = masters::Plan::of(&dir, args.masters.map(Count::number), &listen)?;
    let masters = Masters::start(plan, &http, |dir| {
        master_role::config(settings, dir, count.min(DATANODES))
    })
    .await?;
    masters.mount_gateways(settings, &master_role::config(settings, &dir, count).superuser)?;

    let first = port(settings, &args.start, Key::DataPort);
    let ports = data_ports(first, count, &masters.ports()).and_then(|data| {
        let taken: Vec<_> = masters.ports().into_iter().chain(data.iter().copied()).collect();
        let first = port(settings, &args.start, Key::DatanodeHttpPort);
        Some((data, data_ports(first, count, &taken)?))
    });
    let started = match ports {
        Some((data, http)) => {
            let ports: Vec<_> = data.into_iter().zip(http).collect();
            start_datanodes(settings, &dir, &listen, &ports, &masters.addresses).await
        }
        None => Err(Failure::usage(
            "mini",
            format_args!("there are no {count} ports from {first} on"),
        )),
    };
    let nodes = match started {
        Ok(nodes) => nodes,
        Err(failure) => return shut_down(masters.shutdown(), Some(failure)).await,
    };
    let ready = Ready {
        master: masters.addresses.first().cloned().unwrap_or_default(),
        masters: if masters.addresses.len() > 1 {
            masters.addresses.clone()
        } else {
            Vec::new()
        },
        http: masters.http(),
        datanodes: nodes
            .iter()
            .map(|node| reachable(node.data_addr(), None))
            .collect(),
        datanodes_http: nodes
            .iter()
            .filter_map(|node| Some(reachable(node.http_addr()?, None)))
            .collect(),
    };
    let serve = async {
        let cluster = masters.formed().await;
        join_all(nodes.iter().map(Datanode::registered)).await;
        if let Some(file) = &args.start.ready_file {
            ready.write(file)?;
        }
        greet(settings, &ready, &cluster, masters.replication, &dir)?;
        std::future::pending::<Result<()>>().await
    };
    let failure = tokio::select! {
        _ = signals::stop() => None,
        failure = masters.failed() => Some(failure),
        (failure, n, _) = select_all(nodes.iter().map(|node| Box::pin(node.failed()))) =>
            Some(Failure::new(Exit::Failed, format_args!("mini: datanode {}", n + 1), failure)),
        failed = serve => failed.err(),
    };
    let shutdown = async {
        join_all(nodes.into_iter().map(Datanode::shutdown)).await;
        masters.shutdown().await;
    };
    shut_down(shutdown, failure).await
}

/// The ports of so many datanodes: those from the first on that no master has; 0 where the system is to choose.
fn data_ports(first: u16, count: u16, taken: &[u16]) -> Option<Vec<u16>> {
    if first == 0 {
        return Some(vec![0; count.into()]);
    }
    let free = (first..=u16::MAX).filter(|port| !taken.contains(port));
    let ports: Vec<_> = free.take(count.into()).collect();
    (ports.len() == usize::from(count)).then_some(ports)
}

async fn start_datanodes(
    settings: &Settings,
    dir: &Path,
    listen: &Listen,
    ports: &[(u16, u16)],
    masters: &[String],
) -> Result<Vec<Datanode>> {
    try_join_all(ports.iter().enumerate().map(async |(n, &(port, http))| {
        let own = dir.join(format!("datanode-{}", n + 1));
        let mut config = datanode_role::config(settings, vec![own], masters.to_vec());
        config.listen = listen.with_port(port).address();
        config.http = Some(listen.with_port(http).address());
        config.advertise_host = match listen.host.as_str() {
            "0.0.0.0" | "[::]" => None,
            host => Some(bare(host).to_owned()),
        };
        let advertised = config.advertise_host.clone();
        let started = Datanode::start(Env::real(), config).await;
        let node =
            started.map_err(|error| datanode_role::refused(&format!("mini: datanode {}", n + 1), &error))?;
        web::mount_on_datanode(settings, &node, masters.to_vec(), advertised.as_deref())?;
        Ok(node)
    }))
    .await
}

/// Where the data is when nobody says where: a directory of the user's, always the same one.
fn default_dir(env: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf> {
    let absolute = |name| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("distrifs/mini"))
        .ok_or_else(|| {
            Failure::usage("mini", "there is no home directory to keep the data in")
                .next("say where: distrifs mini --dir DIR")
        })
}

/// How many datanodes a directory was used with before.
fn existing_datanodes(dir: &Path) -> u16 {
    (1..=64)
        .take_while(|n| dir.join(format!("datanode-{n}")).is_dir())
        .last()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_directory_is_the_users() {
        let dir = |pairs: &'static [(&str, &str)]| {
            default_dir(&|name| {
                pairs
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(
            dir(&[("HOME", "/home/ann")]).unwrap(),
            Path::new("/home/ann/.local/share/distrifs/mini")
        );
        assert_eq!(
            dir(&[("HOME", "/home/ann"), ("XDG_DATA_HOME", "/data")]).unwrap(),
            Path::new("/data/distrifs/mini")
        );
        assert!(dir(&[("HOME", "relative")]).is_err());
    }

    #[test]
    fn datanodes_take_the_ports_that_masters_leave() {
        assert_eq!(
            data_ports(9866, 6, &[9800, 9870]),
            Some(vec![9866, 9867, 9868, 9869, 9871, 9872])
        );
        assert_eq!(data_ports(0, 2, &[9870]), Some(vec![0, 0]));
        assert_eq!(data_ports(65_534, 3, &[]), None);
    }

    #[test]
    fn a_directory_knows_how_many_datanodes_it_had() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(existing_datanodes(dir.path()), 0);
        for n in [1, 2, 4] {
            std::fs::create_dir(dir.path().join(format!("datanode-{n}"))).unwrap();
        }
        assert_eq!(existing_datanodes(dir.path()), 2);
    }
}
