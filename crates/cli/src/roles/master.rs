//! `master`: the metadata server as a process of its own.

use env::Env;
use master::{Master, StartError};

use super::group::Place;
use super::options::{Listen, StartArgs, can_not_listen, no_master_named, port};
use super::ready::{Ready, reachable};
use super::stop::shut_down;
use super::web;
use crate::config::{Key, MasterFlags, Settings};
use crate::failure::{Exit, Failure, Result};
use crate::identity::system_user;
use crate::signals;

/// Run a master: the server of names and metadata
///
/// It formats an empty directory and goes on where it stopped in any other. One directory is for one master: a second
/// process on it is refused. The superuser is the user that it runs as. Three (or five) masters that are started with the
/// same --masters make a cluster that goes on when one (or two) of them fail; a cluster begins when all of them are there.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    start: StartArgs,
    #[command(flatten)]
    pub(crate) settings: MasterFlags,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs master --dir /var/lib/distrifs/master
  distrifs master --dir /var/lib/distrifs/master --masters m1:9800,m2:9800,m3:9800     # on each of the three
  distrifs master --dir m --masters m1:9800,m2:9800,m3:9800 --advertise m2:9800        # when it can not tell which it is
  distrifs master --dir m --listen 127.0.0.1 --ports auto --ready-file m.json          # for scripts
  distrifs master --dir m --replication 2 --chunk-size 128MiB                   # what new files get

Datanodes may start before it. Ctrl-C or SIGTERM stops it.";

/// Runs it until it is told to stop.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Result<Exit> {
    no_master_named("master", settings)?;
    let Some(dir) = settings.path(Key::StoragePath) else {
        return Err(no_directory("master"));
    };
    let listen = Listen::of(settings, &args.start, Key::MasterPort, "0.0.0.0");
    let http = listen.with_port(port(settings, &args.start, Key::HttpPort));
    let place = Place::find(settings, &listen).await?;
    let mut config = config(settings, dir, 3);
    config.advertise = place.own.clone();
    config.masters = place.masters;
    config.listen = listen.address();
    config.audit = settings
        .path(Key::AuditLog)
        .map(|path| master::AuditLog::new(path.to_path_buf()));
    config.http = http.address();
    let (masters, superuser) = (config.masters.clone(), config.superuser.clone());
    let master = Master::start(Env::real(), config)
        .await
        .map_err(|error| refused("master", &error))?;
    web::mount_on_master(settings, &master, &masters, &superuser)?;
    let host = settings.text(Key::Advertise).and(place.own.as_deref());
    let host = host.and_then(|own| own.rsplit_once(':')).map(|(host, _)| host);
    if let Some(file) = &args.start.ready_file {
        let ready = Ready {
            master: place
                .own
                .clone()
                .filter(|_| host.is_some())
                .unwrap_or_else(|| reachable(master.grpc_addr(), None)),
            masters: Vec::new(),
            http: Some(reachable(master.http_addr(), host)),
            datanodes: Vec::new(),
            datanodes_http: Vec::new(),
        };
        ready.write(file)?;
    }
    let failure = tokio::select! {
        _ = signals::stop() => None,
        failure = master.failed() => Some(Failure::new(Exit::Failed, "master", failure)),
    };
    shut_down(master.shutdown(), failure).await
}

/// The settings of a master; its addresses are still to be set.
pub(super) fn config(settings: &Settings, dir: &std::path::Path, replication: u16) -> master::Config {
    let superuser = settings
        .text(Key::Superuser)
        .map_or_else(system_user, ToOwned::to_owned);
    let mut config = master::Config::new(dir, superuser);
    config.replication = settings.number(Key::ReplicationFactor).unwrap_or(replication);
    config.min_replicas = settings.number(Key::MinReplicas);
    if let Some(chunk_size) = settings.chunk_size(Key::ChunkSize) {
        config.chunk_size = chunk_size;
    }
    for (key, field) in [
        (Key::HeartbeatInterval, &mut config.heartbeat_interval),
        (Key::DeadAfter, &mut config.dead_after),
        (Key::BlockreportInterval, &mut config.block_report_interval),
        (Key::LeaseHardLimit, &mut config.lease_hard_limit),
        (Key::RaftHeartbeat, &mut config.raft_heartbeat),
        (Key::ElectionTimeout, &mut config.election_timeout),
    ] {
        if let Some(duration) = settings.duration(key) {
            *field = duration;
        }
    }
    if let Some(name) = settings.text(Key::Placement).and_then(|name| name.parse().ok()) {
        config.placement = name;
    }
    if let Some(points) = settings.number(Key::HashRingSize) {
        config.ring_points = points;
    }
    if let Some(bytes) = settings.bytes(Key::CheckpointLog) {
        config.checkpoint_log = types::ByteSize(bytes);
    }
    if let Some(share) = settings.share(Key::SafeModeShare) {
        config.safe_mode_share = share;
    }
    // Whoever shortens the one limit means the other too.
    config.lease_soft_limit = config.lease_soft_limit.min(config.lease_hard_limit);
    config
}

/// A server that was given no directory.
pub(super) fn no_directory(role: &str) -> Failure {
    Failure::usage(role, "no directory is named").next(format!(
        "say where its data is: distrifs {role} --dir DIR (or storage_path in config.yaml)"
    ))
}

/// A master that does not start.
pub(super) fn refused(role: &str, error: &StartError) -> Failure {
    match error {
        StartError::Config(_) => Failure::usage(role, error),
        StartError::Listen { address, source } => can_not_listen(role, address, source),
        StartError::InUse { .. } => Failure::new(Exit::InTheWay, role, error),
        _ => Failure::new(Exit::Failed, role, error),
    }
}
