//! `datanode`: a chunk server as a process of its own.

use std::io;
use std::path::PathBuf;

use datanode::{Datanode, LocalSocket, StartError};
use env::Env;

use super::master::no_directory;
use super::options::{Listen, StartArgs, advertised, bare, can_not_listen, port};
use super::rack;
use super::ready::{Ready, reachable};
use super::stop::shut_down;
use super::web;
use crate::config::{DatanodeFlags, Key, Settings};
use crate::failure::{Exit, Failure, Result};
use crate::signals;

/// Run a datanode: a server of chunks
///
/// It formats an empty directory for the cluster of its master; a directory of another cluster is refused. Several
/// directories (disks) are separated by commas. It may start before the masters, finds them again when they restart, and
/// learns of others from each.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    start: StartArgs,
    #[command(flatten)]
    pub(crate) settings: DatanodeFlags,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs datanode --dir /var/lib/distrifs/data --master master.example:9800
  distrifs datanode --dir /disk1/dfs,/disk2/dfs --rack /row-2 --master http://10.0.0.1:9800
  distrifs datanode --dir d --master m1.example:9800,m2.example:9800,m3.example:9800
  distrifs datanode --dir d --advertise d1.example:19866       # a container behind a published port
  distrifs datanode --dir d --ports auto --ready-file d.json   # for scripts

On SIGHUP it reads its configuration again: directories that storage_path of config.yaml names are taken in and left
while it runs (one that --dir names stays as it is).

The ready file is written when it is known to a master. Ctrl-C or SIGTERM stops it.";

/// Runs it until it is told to stop. `again` reads the configuration once more.
pub(crate) async fn run(
    args: &Args,
    settings: &Settings,
    again: &dyn Fn() -> Result<Settings>,
) -> Result<Exit> {
    let mut reloads = signals::Reloads::listen();
    let dirs = dirs(settings)?;
    let listen = Listen::of(settings, &args.start, Key::DataPort, "0.0.0.0");
    let masters = settings.masters();
    let mut config = config(settings, dirs, masters.clone());
    config.listen = listen.address();
    let http = listen.with_port(port(settings, &args.start, Key::DatanodeHttpPort));
    config.http = Some(http.address());
    config.advertise_http_port = settings.number(Key::AdvertiseHttpPort);
    config.advertise_host = match settings.text(Key::Advertise).map(advertised) {
        Some((host, port)) => {
            config.advertise_port = port;
            Some(bare(host).to_owned())
        }
        // Where it listens on all addresses, it finds out under which a master sees it.
        None if ["0.0.0.0", "[::]"].contains(&listen.host.as_str()) => None,
        None => Some(bare(&listen.host).to_owned()),
    };
    if let Some(script) = settings.path(Key::RackScript) {
        config.rack = rack::by_script(script).await?;
    }
    let advertised = config.advertise_host.clone();
    let ports = (config.advertise_port, config.advertise_http_port);
    let node = Datanode::start(Env::real(), config)
        .await
        .map_err(|error| refused("datanode", &error))?;
    web::mount_on_datanode(settings, &node, masters.clone(), advertised.as_deref())?;
    let run = async {
        node.registered().await;
        if let Some(file) = &args.start.ready_file {
            let masters = masters.clone();
            let ready = Ready {
                master: masters.first().cloned().unwrap_or_default(),
                masters: if masters.len() > 1 { masters } else { Vec::new() },
                http: node
                    .http_addr()
                    .map(|address| reachable(at(address, ports.1), advertised.as_deref())),
                datanodes: vec![reachable(at(node.data_addr(), ports.0), advertised.as_deref())],
                datanodes_http: Vec::new(),
            };
            ready.write(file)?;
        }
        std::future::pending::<Result<()>>().await
    };
    let reloading = async {
        loop {
            reloads.next().await;
            reload(&node, again).await;
        }
    };
    let failure = tokio::select! {
        _ = signals::stop() => None,
        failure = node.failed() => Some(Failure::new(Exit::Failed, "datanode", failure)),
        failed = run => failed.err(),
        () = reloading => None,
    };
    shut_down(node.shutdown(), failure).await
}

/// An address with the port that is advertised for it.
fn at(mut address: std::net::SocketAddr, port: Option<u16>) -> std::net::SocketAddr {
    if let Some(port) = port {
        address.set_port(port);
    }
    address
}

/// The directories that it keeps chunks in.
fn dirs(settings: &Settings) -> Result<Vec<PathBuf>> {
    let Some(dirs) = settings.path(Key::StoragePath) else {
        return Err(no_directory("datanode"));
    };
    let dirs = dirs.to_string_lossy();
    let dirs = dirs.split(',').filter(|dir| !dir.is_empty());
    Ok(dirs.map(PathBuf::from).collect())
}

/// Takes in and leaves directories as the configuration says now. What is wrong with it is logged: the datanode goes on.
async fn reload(node: &Datanode, again: &dyn Fn() -> Result<Settings>) {
    let named = again().and_then(|settings| dirs(&settings));
    let changed = match named {
        Ok(dirs) => node.set_dirs(dirs).await.map_err(|error| error.to_string()),
        Err(Failure::Tell(report)) => Err(report.why),
        Err(_) => return,
    };
    match changed {
        Ok(change) => {
            for (dir, error) in &change.refused {
                tracing::error!(dir = %dir.display(), %error, "a directory is not taken in");
            }
            tracing::info!(added = ?change.added, removed = ?change.removed, "read the configuration again");
        }
        Err(error) => tracing::error!(
            error,
            "the configuration was not taken over; the directories stay as they are"
        ),
    }
}

/// The settings of a datanode; its addresses are still to be set.
pub(super) fn config(settings: &Settings, dirs: Vec<PathBuf>, masters: Vec<String>) -> datanode::Config {
    let mut config = datanode::Config::new(dirs, masters);
    if let Some(rack) = settings.text(Key::Rack) {
        rack.clone_into(&mut config.rack);
    }
    match settings.path(Key::LocalSocket) {
        None => {}
        Some(off) if off.as_os_str() == "off" => config.local_socket = LocalSocket::Off,
        Some(path) => config.local_socket = LocalSocket::At(path.to_owned()),
    }
    if let Some(mode) = settings.text(Key::LocalSocketMode)
        && let Ok(mode) = u32::from_str_radix(mode, 8)
    {
        config.local_socket_mode = mode;
    }
    if let Some(streams) = settings.number(Key::MaxStreams) {
        config.max_streams = streams;
    }
    if let Some(timeout) = settings.duration(Key::AbandonedWriteTimeout) {
        config.abandoned_write_timeout = timeout;
    }
    if let Some(retention) = settings.duration(Key::QuarantineRetention) {
        config.quarantine_retention = retention;
    }
    if let Some(period) = settings.duration(Key::ScrubPeriod) {
        config.scrub_period = period;
    }
    config
}

/// A datanode that does not start.
pub(super) fn refused(role: &str, error: &StartError) -> Failure {
    match error {
        StartError::Listen { address, source } => can_not_listen(role, address, source),
        StartError::NoDirectory | StartError::NoMaster | StartError::MasterAddress { .. } => {
            Failure::usage(role, error)
        }
        StartError::Directory { source, .. } if source.kind() == io::ErrorKind::WouldBlock => {
            Failure::new(Exit::InTheWay, role, error).next("stop the other process, or use another directory")
        }
        _ => Failure::new(Exit::Failed, role, error),
    }
}
